import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { test } from 'node:test';
import { type AlgorithmName, verifyBytes } from '../../src/protocol/algorithms.ts';
import { readVectors } from './outside.ts';

/** github C2SP/wycheproof dac1dd47, testvectors_v1: forged and malformed signatures. */
type Vectors = {
  readonly testGroups: readonly {
    readonly publicKeyPem: string;
    readonly tests: readonly {
      readonly tcId: number;
      readonly comment: string;
      readonly msg: string;
      readonly sig: string;
      readonly result: string;
    }[];
  }[];
};

const FILES: readonly (readonly [file: string, algorithm: AlgorithmName, accepts?: 'nothing'])[] = [
  ['ecdsa_secp256r1_sha256_p1363_test.json', 'ecdsa-p256-sha256'],
  ['ecdsa_secp384r1_sha384_p1363_test.json', 'ecdsa-p384-sha384'],
  ['ed25519_test.json', 'ed25519'],
  ['rsa_signature_2048_sha256_test.json', 'rsa-v1_5-sha256'],
  ['rsa_signature_3072_sha256_test.json', 'rsa-v1_5-sha256'],
  ['rsa_signature_4096_sha256_test.json', 'rsa-v1_5-sha256'],
  ['rsa_pss_4096_sha512_mgf1_64_test.json', 'rsa-pss-sha512'],
  // Right for another algorithm or encoding, so wrong for ours.
  ['ecdsa_secp256r1_sha256_test.json', 'ecdsa-p256-sha256', 'nothing'],
  ['rsa_pss_2048_sha256_mgf1_32_test.json', 'rsa-pss-sha512', 'nothing'],
  ['rsa_signature_2048_sha256_test.json', 'rsa-pss-sha512', 'nothing'],
];

for (const [file, algorithm, accepts] of FILES) {
  test(`wycheproof ${file}: ${algorithm} accepts ${accepts ?? 'exactly the valid ones'}`, (t) => {
    const [vectors] = readVectors(t, 'wycheproof', new RegExp(`^${file}$`)) ?? [];
    if (!vectors) return;
    for (const { publicKeyPem, tests } of (JSON.parse(vectors.bytes.toString()) as Vectors).testGroups) {
      const key = createPublicKey(publicKeyPem);
      for (const { tcId, comment, msg, sig, result } of tests) {
        const isValid = verifyBytes(algorithm, key, Buffer.from(msg, 'hex'), Buffer.from(sig, 'hex'));
        // "acceptable" are old RSA encodings that may go either way.
        if (result !== 'acceptable') assert.equal(isValid, accepts === undefined && result === 'valid', `${tcId}: ${comment}`);
      }
    }
  });
}
