import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { alipaySerialOf } from '../../src/certificates/alipay-serial.ts';
import { parseName } from '../../src/protocol/distinguished-name.ts';
import type { RegisteredHandle } from '../../src/protocol/key-handle.ts';
import { indexKeys } from '../../src/registry/key-index.ts';
import { keyOf, MERCHANT } from '../signature/request-maker.ts';

const OTHER = '800000000000002';
const handles = { serialNumber: '0A', issuer: parseName('CN=One,C=CN'), thumbprint: 'T', alipaySerial: 'a' };
const mine = keyOf('rsa-v1_5-sha256', { keyid: 'mine', certificate: handles });
const namesake = keyOf('ed25519', { keyid: 'namesake', certificate: { ...handles, issuer: parseName('CN=Two,C=CN'), thumbprint: 'U' } });
const bare = keyOf('ed25519', { keyid: 'bare' });
const theirs = keyOf('ed25519', { keyid: 'theirs', merchantNumbers: [OTHER], certificate: handles });
const shared = keyOf('ed25519', {
  keyid: 'shared',
  merchantNumbers: [OTHER, MERCHANT],
  certificate: { ...handles, serialNumber: '0B', thumbprint: 'V', alipaySerial: 'b' },
});
const find = indexKeys([mine, namesake, bare, theirs, shared]);

const cases: readonly (readonly [handle: RegisteredHandle, mine: readonly string[], theirs: readonly string[], why: string])[] = [
  [{ by: 'serial', serialNumber: '0A' }, ['mine', 'namesake'], ['theirs'], 'one serial number of two issuers, and of two merchants'],
  [{ by: 'serial', serialNumber: '0A', issuer: parseName('CN=Two,C=CN') }, ['namesake'], [], 'the issuer decides'],
  [{ by: 'serial', serialNumber: '0a' }, [], [], 'another spelling is another text'],
  [{ by: 'serial', serialNumber: '__proto__' }, [], [], 'no text that objects have'],
  [{ by: 'alipaySerial', serial: 'b' }, ['shared'], ['shared'], 'a key of two merchants is found by each'],
  [{ by: 'thumbprint', thumbprint: 'U' }, ['namesake'], [], 'the digest of the certificate'],
  [{ by: 'merchant' }, ['mine', 'namesake', 'bare', 'shared'], ['theirs', 'shared'], 'all of a merchant'],
];
for (const [handle, ...rest] of cases) {
  const [ours, others, why] = rest;
  test(`keys by ${handle.by}: ${why}`, () => {
    assert.deepEqual(
      find(MERCHANT, handle).map(({ keyid }) => keyid),
      ours,
    );
    assert.deepEqual(
      find(OTHER, handle).map(({ keyid }) => keyid),
      others,
    );
    assert.deepEqual(find('800000000000003', handle), []);
  });
}

test('Alipay calls a certificate by the MD5 of its issuer, last attribute first, and its serial number in decimal', () => {
  const issuer = parseName('CN=Ant\\, Inc,O=Hufu,C=CN');
  const expected = createHash('md5').update('CN=Ant, Inc,O=Hufu,C=CN4660', 'utf8').digest('hex');
  assert.equal(alipaySerialOf({ issuer, serialNumber: '1234' }), expected);
});
