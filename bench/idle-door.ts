// The door of the bench `idle` in a process of its own. Forked; ends with its parent.
import { clientOf, openDoor } from '../test/listeners/door.ts';
import { makePki } from '../test/support/pki.ts';

const room = 2 * Number(process.argv[2]);
const pki = await makePki();
const bounds = { connectionsMax: room, connectionsPerAddressMax: room, connectionsPerCertificateMax: room, handshakesBurst: room };
const times = { idleTimeoutMs: 3_600_000, handshakeTimeoutMs: 5_000, headersTimeoutMs: 5_000 };
const door = await openDoor(pki, { ...bounds, ...times, handshakesPerSecond: 100_000 });
process.send?.({ port: door.port, client: clientOf(pki) });
process.once('disconnect', () => {
  pki.dispose();
  process.exit(0);
});
