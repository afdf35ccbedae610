// How many idle mutual-TLS connections one gateway holds: `node bench/idle.ts [connections]`. The door runs in a process of its own.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { TLSSocket } from 'node:tls';
import { ask, clientOf, handshake, openDoor } from '../test/listeners/door.ts';
import { makePki, type Pki } from '../test/support/pki.ts';

type Ready = { readonly port: number; readonly client: ReturnType<typeof clientOf> };

/** Resident memory of a process in MiB, as Linux tells it. */
const residentMiB = (pid: number): number => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

async function serve(connections: number): Promise<void> {
  const pki: Pki = await makePki();
  const room = 2 * connections;
  const bounds = { connectionsMax: room, connectionsPerAddressMax: room, connectionsPerCertificateMax: room, handshakesBurst: room };
  const door = await openDoor(pki, { ...bounds, idleTimeoutMs: 600_000 });
  process.send?.({ port: door.port, client: clientOf(pki) });
  process.once('disconnect', () => {
    pki.dispose();
    process.exit(0);
  });
}

/** Opens them 50 at a time, then measures answers on one more connection. */
async function measure(connections: number): Promise<void> {
  const child = fork(import.meta.filename, ['serve', String(connections)]);
  const [{ port, client }] = (await once(child, 'message')) as [Ready];
  const pid = child.pid as number;
  const before = residentMiB(pid);
  const idle: TLSSocket[] = [];
  const startedMs = performance.now();
  while (idle.length < connections) {
    const count = Math.min(50, connections - idle.length);
    idle.push(...(await Promise.all(Array.from({ length: count }, () => handshake({ ...client, port })))));
  }
  const seconds = (performance.now() - startedMs) / 1000;
  const worker = await handshake({ ...client, port });
  const times: number[] = [];
  for (let i = 0; i < 500; i += 1) {
    const sentMs = performance.now();
    await ask(worker);
    times.push(performance.now() - sentMs);
  }
  times.sort((a, b) => a - b);
  const held = idle.filter((socket) => !socket.destroyed).length;
  console.log(`held ${held} of ${connections}; opened in ${seconds.toFixed(1)} s`);
  console.log(`resident ${before.toFixed(0)} -> ${residentMiB(pid).toFixed(0)} MiB`);
  console.log(`one more connection: p50 ${times[250]?.toFixed(2)} ms, p99 ${times[495]?.toFixed(2)} ms`);
  for (const socket of [...idle, worker]) socket.destroy();
  child.disconnect();
}

const [first = '2000', second] = process.argv.slice(2);
if (first === 'serve') await serve(Number(second));
else await measure(Number(first));
