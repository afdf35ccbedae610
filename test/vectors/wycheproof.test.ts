import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { test } from 'node:test';
import { readDerSignature } from '../../src/certificates/ecdsa-signature.ts';
import { CertificateProblem } from '../../src/certificates/problem.ts';
import { readBase64url } from '../../src/lib/bytes.ts';
import { type AlgorithmName, findKeyProblem, verifyBytes } from '../../src/protocol/algorithms.ts';
import { JWS_ALGORITHMS } from '../../src/signature/jws-header.ts';
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
  ['rsa_pss_2048_sha256_mgf1_32_test.json', 'rsa-pss-sha256'],
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

test('wycheproof ecdsa_secp256r1_sha256_test.json: in DER, as CMS has it, exactly the valid ones', (t) => {
  const [vectors] = readVectors(t, 'wycheproof', /^ecdsa_secp256r1_sha256_test\.json$/) ?? [];
  for (const { publicKeyPem, tests } of vectors ? (JSON.parse(vectors.bytes.toString()) as Vectors).testGroups : []) {
    const key = createPublicKey(publicKeyPem);
    for (const { tcId, comment, msg, sig, result } of tests) {
      const raw = derOf(Buffer.from(sig, 'hex'));
      const isValid = raw !== undefined && verifyBytes('ecdsa-p256-sha256', key, Buffer.from(msg, 'hex'), raw);
      assert.equal(isValid, result === 'valid', `${tcId}: ${comment}`);
    }
  }
});

function derOf(der: Buffer): Buffer | undefined {
  try {
    return readDerSignature(der, 32);
  } catch (error) {
    assert.ok(error instanceof CertificateProblem, String(error));
    return undefined;
  }
}

type Jwk = Readonly<Record<string, unknown>>;
type JwsVectors = {
  readonly testGroups: readonly {
    readonly comment: string;
    readonly public?: Jwk;
    readonly tests: readonly { readonly tcId: number; readonly comment: string; readonly jws: unknown; readonly result: string }[];
  }[];
};

/** Our messages are detached and need `crit`, so the signature is looked at by itself: the same decoding, keys and algorithms. */
function verifiesJws(jws: unknown, jwk: Jwk, alg: keyof typeof JWS_ALGORITHMS): boolean {
  const [head = '', payload = '', encoded = '', ...rest] = typeof jws === 'string' ? jws.split('.') : [];
  const [header, signature] = [readBase64url(head), readBase64url(encoded)];
  if (!header || !signature || !readBase64url(payload) || rest.length > 0) return false;
  const key = createPublicKey({ key: jwk as never, format: 'jwk' });
  const isNamed = new RegExp(`"alg"\\s*:\\s*"${alg}"`).test(header.toString());
  const algorithm = JWS_ALGORITHMS[alg];
  const fits = isNamed && findKeyProblem(algorithm, key) === undefined;
  return fits && verifyBytes(algorithm, key, Buffer.from(`${head}.${payload}`), signature);
}

test('wycheproof json_web_signature_test.json: of PS256 and ES256 exactly the valid ones', (t) => {
  const [vectors] = readVectors(t, 'wycheproof', /^json_web_signature_test\.json$/) ?? [];
  const groups = vectors ? (JSON.parse(vectors.bytes.toString()) as JwsVectors).testGroups : [];
  let looked = 0;
  for (const { comment, public: jwk, tests } of groups) {
    const alg = (['PS256', 'ES256'] as const).find((name) => name === jwk?.alg);
    // Keys that are for encryption by their own words are no matter of ours: keys are registered, never sent.
    if (!jwk || !alg || !['es256', 'ps256', 'SpecialCaseEs256'].includes(comment)) continue;
    for (const { tcId, comment: why, jws, result } of tests) {
      looked += 1;
      assert.equal(verifiesJws(jws, jwk, alg), result === 'valid', `${tcId}: ${why}`);
    }
  }
  t.diagnostic(`${looked} signatures`);
});
