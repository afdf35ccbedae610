import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { loadAuthorities } from '../../src/identity/authorities.ts';
import { readPeer } from '../../src/identity/peer.ts';
import type { InternetOptions } from '../../src/listeners/internet.ts';
import type { Sealed } from '../../src/protocol/messages.ts';
import { type Door, openDoor } from '../listeners/door.ts';
import { eventually } from '../support/eventually.ts';
import { makePki, type Pki } from '../support/pki.ts';
import { MERCHANT_1, MERCHANT_2 } from '../support/system.ts';

const answer = (changes: Partial<Sealed> = {}): Sealed => ({
  status: 200,
  rawHeaders: [],
  body: Buffer.from('ok'),
  connection: 'keep',
  ...changes,
});
const fault = new TypeError('a fault of ours');

/** The listener alone, with a pipeline that fails in ways that the real one must not: what breaks there ends one connection and no more. */
describe('faults behind the listener', { timeout: 60_000 }, () => {
  let pki: Pki;
  let listener: Door;
  const faults: unknown[] = [];
  const counts: number[] = [];
  const behind: { handle: InternetOptions['handle']; refuse: InternetOptions['refuse']; readPeer?: InternetOptions['readPeer'] } = {
    handle: async () => answer(),
    refuse: async () => answer({ status: 400 }),
  };
  before(async () => {
    pki = await makePki();
    const authorities = loadAuthorities([{ name: 'merchants', certificates: [join(pki.directory, 'merchants-authority.crt')] }]);
    listener = await openDoor(pki, {
      ...{ connectionsMax: 10, headersTimeoutMs: 500, requestTimeoutMs: 500, bodyBytesMax: () => 0 },
      ...{ onFault: (error) => faults.push(error), onConnections: (count) => counts.push(count) },
      readPeer: (socket) => (behind.readPeer ?? ((each) => readPeer(each, authorities, Date.now())))(socket),
      handle: (arrived) => behind.handle(arrived),
      refuse: (arrived, error) => behind.refuse(arrived, error),
    });
  });
  after(async () => {
    await listener?.close();
    pki?.dispose();
  });

  const dial = async (number = MERCHANT_2): Promise<TLSSocket> => {
    const { certificatePem: cert, keyPem: key } = pki.read(`merchants/${number}`);
    const ca = pki.read('authority').certificatePem;
    const socket = connect({ host: '127.0.0.1', port: listener.port, servername: 'localhost', ca, cert, key });
    socket.on('error', () => {});
    await once(socket, 'secureConnect');
    return socket;
  };
  const request = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';
  /** What comes back until the connection ends. */
  const told = async (socket: TLSSocket, bytes = request): Promise<string> => {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.write(bytes);
    await new Promise((resolve) => socket.once('close', resolve));
    return text;
  };
  const serves = async (socket: TLSSocket): Promise<void> => {
    socket.write(request);
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    assert.match(chunk.toString('latin1'), /^HTTP\/1\.1 200 /);
  };

  const rejects = () => Promise.reject(fault);
  const FAULTS: readonly (readonly [broken: Partial<typeof behind>, bytes: string, why: string])[] = [
    [{ readPeer: () => assert.fail('a certificate nobody thought of') }, request, 'the certificate cannot be read'],
    [{ handle: rejects, refuse: rejects }, request, 'neither answer nor refusal can be made'],
    [{ refuse: rejects }, 'GET http://a/ HTTP/1.1\r\nHost: localhost\r\n\r\n', 'a bad request cannot be refused'],
    [{ handle: async () => answer({ rawHeaders: ['hufu-x', 'a\r\nb: c'] }) }, request, 'a header that cannot be written'],
    [{ handle: async () => answer({ status: 99 }) }, request, 'a status that does not exist'],
  ];
  for (const [broken, bytes, why] of FAULTS) {
    test(`${why}: that connection ends without a word, the others go on`, async () => {
      const other = await dial(MERCHANT_1);
      await serves(other);
      const whole = { ...behind };
      faults.length = 0;
      Object.assign(behind, broken);
      try {
        assert.equal(await told(await dial(), bytes), '');
      } finally {
        delete behind.readPeer;
        Object.assign(behind, whole);
      }
      assert.equal(faults.length, 1);
      await serves(other);
      other.destroy();
    });
  }

  test('a merchant that does not read its answer is cut', async () => {
    await eventually(() => assert.equal(counts.at(-1), 0));
    behind.handle = async () => answer({ body: Buffer.alloc(64_000_000) });
    const socket = await dial();
    socket.write(request);
    await eventually(() => assert.equal(counts.at(-1), 1));
    await eventually(() => assert.equal(counts.at(-1), 0), 10_000);
    socket.destroy();
  });
});
