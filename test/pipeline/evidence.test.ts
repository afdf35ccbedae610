import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { createEvidence } from '../../src/pipeline/evidence.ts';
import type { Admitted } from '../../src/protocol/messages.ts';
import { createTestJournal } from '../settlement/parts.ts';

const admitted = {
  requestId: 'r1',
  access: { rule: 'P6', controls: [] },
  merchant: { number: 'm' },
  operation: { id: 'payments.create' },
  peer: { thumbprint: 'T' },
  key: { keyid: 'kid', algorithm: 'ed25519', publicKey: generateKeyPairSync('ed25519').publicKey },
  signature: Buffer.from('signature'),
  scheme: 'rfc9421',
  signedDigest: Buffer.from('digest'),
  signatureBase: '"@target-uri": https://x/v1/accounts/6222020000000001',
  admissionId: 'a',
  body: Buffer.from('{"payer":{"accountNo":"6222020000000001"}}'),
  rawHeaders: ['authorization', 'secret'],
} as unknown as Admitted;

test('the evidence of a request: who signed what, with which key and certificate; the base sealed, the body nowhere', () => {
  const journal = createTestJournal();
  const sealed: string[][] = [];
  const evidence = createEvidence(
    journal,
    (of, base, requestId) => {
      sealed.push([of, base, requestId]);
      return Buffer.from('sealed');
    },
    Date.now,
  );
  assert.equal(evidence.appendRequest(admitted), 2);
  assert.deepEqual(sealed, [['request', admitted.signatureBase, 'r1']]);
  const [key, entry] = journal.entries;
  const spki = admitted.key.publicKey?.export({ type: 'spki', format: 'der' }).toString('base64');
  assert.deepEqual(key, { type: 'key', data: { keyid: 'kid', algorithm: 'ed25519', spki } });
  assert.equal(evidence.appendRequest(admitted), 3, 'its key is noted once');
  assert.deepEqual(entry, {
    type: 'request',
    data: {
      requestId: 'r1',
      admissionId: 'a',
      merchantNumber: 'm',
      operation: 'payments.create',
      rule: 'P6',
      certificate: 'T',
      keyid: 'kid',
      algorithm: 'ed25519',
      scheme: 'rfc9421',
      signature: Buffer.from('signature').toString('base64'),
      signedDigest: Buffer.from('digest').toString('base64'),
      sealedBase: Buffer.from('sealed').toString('base64'),
    },
  });
  assert.ok(!JSON.stringify(entry).includes('6222020000000001'));
});

test('a key is noted again when its keyid is that of another one, and once an hour, so that old parts of a journal may leave', () => {
  const journal = createTestJournal();
  let nowMs = 1_000;
  const evidence = createEvidence(
    journal,
    () => Buffer.alloc(0),
    () => nowMs,
  );
  const keysNoted = () => journal.entries.filter(({ type }) => type === 'key').length;
  const other = { ...admitted, key: { ...admitted.key, publicKey: generateKeyPairSync('ed25519').publicKey } } as Admitted;
  const same = createPublicKey(admitted.key.publicKey?.export({ type: 'spki', format: 'pem' }) as string);
  for (const [request, atMs, noted, why] of [
    [admitted, 1_000, 1, 'the first time'],
    [{ ...admitted, key: { ...admitted.key, publicKey: same } } as Admitted, 1_000, 1, 'the same key, read anew'],
    [other, 1_000, 2, 'another key under its keyid'],
    [admitted, 1_000, 3, 'and back'],
    [admitted, 3_600_999, 3, 'less than an hour later'],
    [admitted, 3_601_000, 4, 'an hour later'],
  ] as const) {
    nowMs = atMs;
    evidence.appendRequest(request);
    assert.equal(keysNoted(), noted, why);
  }
});

test('the evidence of an answer: its status, digest and signature', () => {
  const journal = createTestJournal();
  const rawHeaders = ['content-digest', 'sha-256=:x:', 'signature-input', 'hufu=()', 'signature', 'hufu=:y:', 'hufu-outcome', 'succeeded'];
  const seal = (of: string, base: string) => Buffer.from(`${of} ${base}`);
  createEvidence(journal, seal, Date.now).appendAnswer(
    'r1',
    { status: 201, rawHeaders, body: Buffer.from('body'), connection: 'keep' },
    'base',
  );
  const sealedBase = Buffer.from('answer base').toString('base64');
  const data = { requestId: 'r1', status: 201, digest: 'sha-256=:x:', signatureInput: 'hufu=()', signature: 'hufu=:y:', sealedBase };
  assert.deepEqual(journal.entries, [{ type: 'answer', data }]);
});
