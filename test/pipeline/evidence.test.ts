import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEvidence } from '../../src/pipeline/evidence.ts';
import type { Admitted } from '../../src/protocol/messages.ts';
import { createTestJournal } from '../settlement/parts.ts';

const admitted = {
  requestId: 'r1',
  merchant: { number: 'm' },
  operation: { id: 'payments.create' },
  peer: { thumbprint: 'T' },
  key: { keyid: 'kid', algorithm: 'ed25519' },
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
  const evidence = createEvidence(journal, (base, requestId) => {
    sealed.push([base, requestId]);
    return Buffer.from('sealed');
  });
  assert.equal(evidence.appendRequest(admitted), 1);
  assert.deepEqual(sealed, [[admitted.signatureBase, 'r1']]);
  const [entry] = journal.entries;
  assert.deepEqual(entry, {
    type: 'request',
    data: {
      requestId: 'r1',
      admissionId: 'a',
      merchantNumber: 'm',
      operation: 'payments.create',
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

test('the evidence of an answer: its status, digest and signature', () => {
  const journal = createTestJournal();
  const rawHeaders = ['content-digest', 'sha-256=:x:', 'signature-input', 'hufu=()', 'signature', 'hufu=:y:', 'hufu-outcome', 'succeeded'];
  createEvidence(journal, () => Buffer.alloc(0)).appendAnswer('r1', {
    status: 201,
    rawHeaders,
    body: Buffer.from('body'),
    connection: 'keep',
  });
  const data = { requestId: 'r1', status: 201, digest: 'sha-256=:x:', signatureInput: 'hufu=()', signature: 'hufu=:y:' };
  assert.deepEqual(journal.entries, [{ type: 'answer', data }]);
});
