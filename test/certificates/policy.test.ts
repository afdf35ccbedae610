import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { test } from 'node:test';
import { checkAuthorityPolicy, checkLeafPolicy, isWithinValidity } from '../../src/certificates/policy.ts';
import { readCertificate } from '../../src/certificates/read.ts';
import {
  basicConstraints,
  CLIENT_AUTH,
  extendedKeyUsage,
  extension,
  type HostileCertificate,
  hostileCertificate,
  name,
  tlv,
} from '../support/hostile-certificate.ts';

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const ANY_USAGE = '2.5.29.37.0';
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const keyOf = (curve: string): KeyObject => generateKeyPairSync('ec', { namedCurve: curve }).publicKey;
const rsaKey = (modulusLength: number, publicExponent = 65_537): KeyObject =>
  generateKeyPairSync('rsa', { modulusLength, publicExponent }).publicKey;
const keyUsage = (unused: number, bits: number): Buffer => extension('2.5.29.15', tlv(0x03, Buffer.from([unused, bits])), true);
const factsOf = (changes: Partial<HostileCertificate>): ReturnType<typeof readCertificate> =>
  readCertificate(
    hostileCertificate({
      issuer: name([['CN', 'A']]),
      subject: name([['CN', '1']]),
      publicKey: ec.publicKey,
      signer: ec.privateKey,
      ...changes,
    }),
  );

const leaves: readonly (readonly [Partial<HostileCertificate>, RegExp | undefined, string])[] = [
  [{}, undefined, 'clientAuth and nothing else'],
  [{ extensions: [extendedKeyUsage(SERVER_AUTH, CLIENT_AUTH)] }, undefined, 'clientAuth among others'],
  [{ extensions: [extendedKeyUsage(CLIENT_AUTH), keyUsage(7, 0x80)] }, undefined, 'digitalSignature'],
  [{ publicKey: rsa.publicKey }, undefined, 'RSA of 2048 bits'],
  [{ publicKey: keyOf('P-384') }, undefined, 'P-384'],
  [{ publicKey: generateKeyPairSync('ed25519').publicKey }, undefined, 'Ed25519'],
  [{ signer: rsa.privateKey, signature: 'rsa-sha256' }, undefined, 'signed by RSA with SHA-256'],
  [{ extensions: [extendedKeyUsage(SERVER_AUTH)] }, /clientAuth/, 'serverAuth only'],
  [{ extensions: [basicConstraints(false)] }, /clientAuth/, 'no extended key usage'],
  [{ extensions: [extendedKeyUsage(ANY_USAGE)] }, /clientAuth/, 'anyExtendedKeyUsage'],
  [{ extensions: [extendedKeyUsage(CLIENT_AUTH), basicConstraints(true)] }, /authority/, 'CA:TRUE'],
  [{ extensions: [extendedKeyUsage(CLIENT_AUTH), keyUsage(5, 0x20)] }, /key usage/, 'keyEncipherment without digitalSignature'],
  [{ extensions: [extendedKeyUsage(CLIENT_AUTH), keyUsage(2, 0x84)] }, /key usage/, 'keyCertSign beside digitalSignature'],
  [{ publicKey: rsaKey(1024) }, /shorter than 2048/, 'RSA of 1024 bits'],
  [{ publicKey: rsaKey(2047) }, /shorter than 2048/, 'RSA of 2047 bits'],
  [{ publicKey: rsaKey(2048, 3) }, /exponent/, 'RSA with exponent 3'],
  [{ publicKey: keyOf('prime192v1') }, /P-256/, 'P-192'],
  [{ publicKey: keyOf('secp256k1') }, /P-256/, 'secp256k1'],
  [{ publicKey: keyOf('P-521') }, /P-256/, 'P-521, which no algorithm of ours uses'],
  [{ publicKey: generateKeyPairSync('ed448').publicKey }, /P-256/, 'Ed448'],
  [{ publicKey: generateKeyPairSync('x25519').publicKey }, /P-256/, 'a key that cannot sign'],
  [{ publicKey: generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey }, /P-256/, 'an RSA key bound to PSS'],
  [{ signature: 'ecdsa-sha1' }, /SHA-256/, 'ECDSA with SHA-1'],
  [{ signer: rsa.privateKey, signature: 'rsa-sha1' }, /SHA-256/, 'RSA with SHA-1'],
];

for (const [changes, reason, why] of leaves) {
  test(`checkLeafPolicy ${reason ? 'refuses' : 'takes'}: ${why}`, () => {
    const facts = factsOf(changes);
    if (reason) assert.throws(() => checkLeafPolicy(facts), { name: 'CertificateProblem', reason });
    else checkLeafPolicy(facts);
  });
}

const authorities: readonly (readonly [Partial<HostileCertificate>, RegExp | undefined, string])[] = [
  [{ extensions: [basicConstraints(true)] }, undefined, 'CA:TRUE'],
  [{ extensions: [basicConstraints(true), keyUsage(2, 0x04)] }, undefined, 'keyCertSign'],
  [{ extensions: [basicConstraints(false)] }, /not that of an authority/, 'CA:FALSE'],
  [{}, /not that of an authority/, 'no basic constraints'],
  [{ extensions: [basicConstraints(true), keyUsage(7, 0x80)] }, /issuing/, 'no keyCertSign'],
  [{ extensions: [basicConstraints(true)], publicKey: rsaKey(1024) }, /2048/, 'RSA of 1024 bits'],
];

for (const [changes, reason, why] of authorities) {
  test(`checkAuthorityPolicy ${reason ? 'refuses' : 'takes'}: ${why}`, () => {
    const facts = factsOf(changes);
    if (reason) assert.throws(() => checkAuthorityPolicy(facts), { name: 'CertificateProblem', reason });
    else checkAuthorityPolicy(facts);
  });
}

const moments = [
  [999, false, 'one millisecond before the beginning'],
  [1000, true, 'the beginning'],
  [2000, true, 'the end'],
  [2001, false, 'one millisecond after the end'],
] as const;

for (const [nowMs, expected, why] of moments) {
  test(`isWithinValidity: ${why}`, () => assert.equal(isWithinValidity({ notBeforeMs: 1000, notAfterMs: 2000 }, nowMs), expected));
}
