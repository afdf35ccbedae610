import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { compareDigests, contentDigest, contentDigestOf, fitsContentDigest } from '../../src/protocol/content-digest.ts';

const BODY = Buffer.from('{"hello": "world"}');
const of = (algorithm: string, body: Uint8Array = BODY): Buffer => createHash(algorithm).update(body).digest();
const text = (algorithm: string, body?: Uint8Array): string => of(algorithm, body).toString('base64');

test('contentDigest is the example of RFC 9530 section 2 and appendix D', () => {
  assert.equal(contentDigest(Buffer.from('{"hello": "world"}\n')), 'sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:');
  assert.equal(contentDigest(Buffer.alloc(0)), 'sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:');
  assert.equal(contentDigestOf(of('sha256')), contentDigest(BODY));
});

const fields: readonly (readonly [field: string, fits: boolean, why: string])[] = [
  [`sha-256=:${text('sha256')}:`, true, 'sha-256'],
  [`sha-512=:${text('sha512')}:`, true, 'sha-512'],
  [`unixsum=:AAAA:, sha-256=:${text('sha256')}:, sha-512=:${text('sha512')}:`, true, 'both and an unknown one'],
  [`sha-256=:${text('sha256')}:, sha-512=:${text('sha256')}:`, false, 'one that is wrong'],
  [`sha-256=:${text('sha256', Buffer.from('x'))}:`, false, 'another body'],
  [`md5=:${text('md5')}:`, false, 'none that we know'],
  [`sha-256=:${text('sha256').replace('=', '')}:`, false, 'no padding'],
  [`sha-256=${text('sha256')}`, false, 'no colons'],
  [`sha-256=:${text('sha256')}:;a=1`, false, 'a parameter'],
  [`sha-256=:AAAA:, sha-256=:${text('sha256')}:`, false, 'repeated'],
  ['sha-256=::', false, 'no bytes'],
  ['', false, 'nothing'],
  ['sha-256', false, 'no value'],
];
for (const [field, fits, why] of fields) {
  test(`fitsContentDigest: ${why}`, () => assert.equal(fitsContentDigest(field, BODY), fits));
}

test('compareDigests tells unknown from different, wherever the known one stands', () => {
  const [right, wrong, unknown] = [
    { algorithm: 'sha-256', value: of('sha256') },
    { algorithm: 'sha-512', value: of('sha256') },
    { algorithm: 'toString', value: of('sha256') },
  ];
  assert.equal(compareDigests([], BODY), 'unknown');
  assert.equal(compareDigests([unknown], BODY), 'unknown');
  assert.equal(compareDigests([unknown, right], BODY, of('sha256')), 'same');
  assert.equal(compareDigests([right, unknown, wrong], BODY), 'different');
  assert.equal(compareDigests([wrong, right], BODY), 'different');
});
