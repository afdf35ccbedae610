import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { CertificateProblem } from '../../src/certificates/problem.ts';
import { readCrl } from '../../src/certificates/read-crl.ts';
import { loadAuthorities } from '../../src/identity/authorities.ts';
import { createCrlReader } from '../../src/identity/crl-reader.ts';
import { createCrls } from '../../src/identity/crls.ts';
import { type CrlOptions, crlPem, makeCrl } from '../support/crl.ts';
import { makePki } from '../support/pki.ts';

const pki = await makePki();
after(pki.dispose);
const authority = pki.read('merchants-authority');
const authorities = loadAuthorities([{ name: 'merchants', certificates: [authority.certificate] }]);
const HOUR_MS = 3_600_000;
/** Whole seconds, as lists have them. */
const NOW = Math.floor(Date.now() / 1000) * 1000;
const SERIALS = ['01', '7F', '00FF', '65EC2DC5091997559911B395504775F3'] as const;

/** One authority with one list, at a clock of the test's. */
function prepare(options: { source?: string; graceHours?: number; crlBytesMax?: number } = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'hufu-crl-'));
  const file = options.source ?? join(directory, 'list.crl');
  const alarms: string[] = [];
  const clock = { nowMs: NOW };
  const bounds = { timeoutMs: 2_000, crlBytesMax: options.crlBytesMax ?? 100_000 };
  const open = () => {
    const reader = createCrlReader({ directory: join(directory, 'kept'), bounds: () => bounds });
    const onAlarm = (line: string) => void alarms.push(line);
    const crls = createCrls({ authorities: () => authorities, reader, nowMs: () => clock.nowMs, onAlarm, onTaken: () => {} });
    crls.follow({
      authorities: [{ name: 'merchants', crls: [file] }],
      revocation: { refreshSeconds: 60, graceHours: options.graceHours ?? 24 },
    });
    return crls;
  };
  return { file, alarms, clock, open, dispose: () => rmSync(directory, { recursive: true }) };
}

test('a list revokes what it names, in DER and in PEM, whatever the serial numbers look like', async (t) => {
  for (const encode of [(der: Buffer) => der, crlPem]) {
    const { file, open, dispose } = prepare();
    t.after(dispose);
    writeFileSync(file, encode(makeCrl(authority, { revoked: ['01', '00FF', SERIALS[3]] })));
    const crls = open();
    await crls.look();
    assert.deepEqual(
      SERIALS.map((serial) => crls.judge('merchants', serial.replace(/^00/, ''), NOW)),
      ['revoked', 'good', 'revoked', 'revoked'],
    );
    assert.equal(crls.judge('others', '01', NOW), 'good', 'an authority without lists');
  }
});

const refused: readonly [options: CrlOptions | Buffer, alarm: RegExp, why: string][] = [
  [Buffer.from('<html>not found</html>'), /no CRL in DER or PEM/, 'no list at all'],
  [Buffer.alloc(0), /no CRL in DER or PEM/, 'an empty file, as while it is being written'],
  [makeCrl(authority).subarray(0, -1), /not well-formed/, 'a list that is cut off'],
  [Buffer.concat([makeCrl(authority), Buffer.from([0])]), /not well-formed/, 'bytes behind the list'],
  [{ signer: pki.read('server-authority') }, /has not signed it/, 'signed by another key'],
  [{ digest: 'sha1' }, /has not signed it/, 'signed with SHA-1'],
  [{ version: 0 }, /not of version 2/, 'version 1'],
  [{ nextUpdateMs: null }, /when the next one comes/, 'without an end it would count for ever'],
  [{ critical: '2.5.29.27' }, /critical extension/, 'a delta list: changes only'],
  [{ critical: '2.5.29.28' }, /critical extension/, 'a list of some certificates only'],
  [{ thisUpdateMs: NOW + HOUR_MS }, /from the future/, 'made by a clock that is wrong'],
  [makeCrl(pki.read('server-authority')), /issuer is not the authority/, 'the good list of another authority'],
];
for (const [options, alarm, why] of refused) {
  test(`not taken, said once, and nobody is accepted without a list before: ${why}`, async (t) => {
    const { file, alarms, open, dispose } = prepare();
    t.after(dispose);
    const bad = Buffer.isBuffer(options) ? options : makeCrl(authority, options);
    writeFileSync(file, bad);
    const crls = open();
    await crls.look();
    await crls.look(true);
    assert.equal(crls.judge('merchants', '01', NOW), 'unknown');
    assert.equal(alarms.length, 1);
    assert.match(alarms[0] as string, alarm);
    writeFileSync(file, makeCrl(authority, { revoked: ['01'] }));
    await crls.look();
    writeFileSync(file, bad);
    await crls.look();
    assert.deepEqual(
      [crls.judge('merchants', '01', NOW), crls.judge('merchants', '02', NOW)],
      ['revoked', 'good'],
      'the last good one stays',
    );
  });
}

test('a list that is too long is not read', async (t) => {
  const { file, alarms, open, dispose } = prepare({ crlBytesMax: 1_024 });
  t.after(dispose);
  writeFileSync(file, makeCrl(authority, { revoked: Array.from({ length: 100 }, (_, i) => (i + 256).toString(16).padStart(4, '0')) }));
  const crls = open();
  await crls.look();
  assert.equal(crls.judge('merchants', '01', NOW), 'unknown');
  assert.match(alarms.join(), /larger than 1024 bytes/);
});

test('a list that is older than the one in use is not taken: it would make revoked certificates good again', async (t) => {
  const { file, alarms, open, dispose } = prepare();
  t.after(dispose);
  writeFileSync(file, makeCrl(authority, { revoked: ['01'], thisUpdateMs: NOW - 1000 }));
  const crls = open();
  await crls.look();
  writeFileSync(file, makeCrl(authority, { thisUpdateMs: NOW - 2000 }));
  await crls.look();
  assert.equal(crls.judge('merchants', '01', NOW), 'revoked');
  assert.match(alarms.join(), /older than the one in use/);
  writeFileSync(file, makeCrl(authority, { thisUpdateMs: NOW }));
  await crls.look();
  assert.equal(crls.judge('merchants', '01', NOW), 'good');
});

const ages: readonly [afterMs: number, graceHours: number, good: string, alarmed: boolean, why: string][] = [
  [0, 24, 'good', false, 'the moment of nextUpdate'],
  [1, 24, 'good', true, 'a millisecond later: alarm'],
  [24 * HOUR_MS, 24, 'good', true, 'the last moment of grace'],
  [24 * HOUR_MS + 1, 24, 'unknown', true, 'grace is over'],
  [1, 0, 'unknown', true, 'no grace'],
];
for (const [afterMs, graceHours, good, alarmed, why] of ages) {
  test(`past nextUpdate: ${why}; what is revoked stays revoked`, async (t) => {
    const { file, alarms, clock, open, dispose } = prepare({ graceHours });
    t.after(dispose);
    writeFileSync(file, makeCrl(authority, { revoked: ['01'], thisUpdateMs: NOW, nextUpdateMs: NOW + HOUR_MS }));
    const crls = open();
    await crls.look();
    clock.nowMs = NOW + HOUR_MS + afterMs;
    await crls.look();
    await crls.look();
    assert.deepEqual([crls.judge('merchants', '02', clock.nowMs), crls.judge('merchants', '01', clock.nowMs)], [good, 'revoked']);
    assert.equal(alarms.length, alarmed ? 1 : 0);
  });
}

test('a list by http is fetched when it is due, and the last good one outlives the server and this process', async (t) => {
  let answer: { status: number; body: Buffer } = { status: 200, body: makeCrl(authority, { revoked: ['01'] }) };
  let fetched = 0;
  const server = createServer((_request, response) => {
    fetched += 1;
    response.writeHead(answer.status).end(answer.body);
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const source = `http://127.0.0.1:${(server.address() as AddressInfo).port}/merchants.crl?full=1`;
  const { alarms, clock, open, dispose } = prepare({ source });
  t.after(dispose);
  const crls = open();
  await crls.look();
  await crls.look();
  assert.deepEqual([crls.judge('merchants', '01', NOW), fetched], ['revoked', 1], 'not due again');
  answer = { status: 500, body: Buffer.from('sorry') };
  clock.nowMs += 61_000;
  await crls.look();
  assert.equal(crls.judge('merchants', '01', NOW), 'revoked');
  assert.match(alarms.join(), /the server answered 500/);
  answer = { status: 200, body: makeCrl(authority, { revoked: ['02'], thisUpdateMs: NOW + 1000 }) };
  clock.nowMs += 11_000;
  await crls.look();
  assert.deepEqual([crls.judge('merchants', '01', NOW), crls.judge('merchants', '02', NOW)], ['good', 'revoked'], 'tried again soon');
  await new Promise((resolve) => server.close(resolve));
  const restarted = open();
  await restarted.look(true);
  assert.equal(restarted.judge('merchants', '02', NOW), 'revoked');
});

test('any bytes are a list or a CertificateProblem', () => {
  const good = makeCrl(authority, { revoked: ['01', '02'] });
  const mutated = fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, byte]) => {
    const bytes = Buffer.from(good);
    bytes[at] = byte;
    return bytes;
  });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated), (bytes) => {
      try {
        const { revoked, isSignedBy } = readCrl(bytes);
        // Whatever was changed, it is the list that was signed, or it is not signed.
        if (isSignedBy(authority.publicKey)) assert.deepEqual([...revoked], ['01', '02']);
      } catch (error) {
        assert.ok(error instanceof CertificateProblem, String(error));
      }
    }),
    { numRuns: 2_000 },
  );
});
