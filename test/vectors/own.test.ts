import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { sha256 } from '../../src/lib/bytes.ts';
import { SCHEME_NAMES } from '../../src/protocol/scheme-names.ts';
import { verifyAnswer } from '../../src/sdk/verify-answer.ts';
import { ANSWERS, type AnswerMessage, type AnswerVector, answerFromJson, answerVectorOf } from '../../tools/vectors/answers.ts';
import { FORMS } from '../../tools/vectors/forms.ts';
import { createJudge } from '../../tools/vectors/judge.ts';
import { type VectorAlgorithm, verifyPlainly } from '../../tools/vectors/keys.ts';
import { latin1 } from '../../tools/vectors/message.ts';
import { storedRequest } from '../../tools/vectors/stored.ts';
import { fromJson, type Vector, vectorOf } from '../../tools/vectors/vector.ts';
import { openssl } from '../support/openssl.ts';

/** Our own vectors: the gateway agrees with every one of them, and so do node:crypto and openssl, which know nothing of us. */
const FOLDER = import.meta.dirname;
const read = <T>(scheme: string, name: string): T => JSON.parse(readFileSync(join(FOLDER, scheme, `${name}.json`), 'utf8')) as T;

const directory = mkdtempSync(join(tmpdir(), 'hufu-vectors-'));
after(() => rmSync(directory, { recursive: true }));

/** Schemes whose vectors are not written yet. */
const NOT_YET: readonly string[] = ['jws', 'jws-obie', 'cms'];

/** What openssl needs to verify a signature of each algorithm. */
const OPENSSL: Readonly<Record<VectorAlgorithm, readonly string[]>> = {
  'rsa-v1_5-sha256': ['dgst', '-sha256'],
  'rsa-pss-sha512': ['dgst', '-sha512', '-sigopt', 'rsa_padding_mode:pss', '-sigopt', 'rsa_pss_saltlen:64'],
  'ecdsa-p256-sha256': ['dgst', '-sha256'],
  'ecdsa-p384-sha384': ['dgst', '-sha384'],
  ed25519: ['pkeyutl', '-rawin'],
  'rsa-pss-sha256': ['dgst', '-sha256', '-sigopt', 'rsa_padding_mode:pss', '-sigopt', 'rsa_pss_saltlen:32'],
};

/** What proves itself without the gateway. */
type Provable = { readonly key: Pick<Vector['key'], 'algorithm' | 'publicKey'>; readonly stringToSign: string; readonly signature: string };

/** r and s as the SEQUENCE of two INTEGERs that openssl reads. */
function derOf(raw: Buffer): Buffer {
  const half = raw.length / 2;
  const integer = (bytes: Buffer): Buffer => {
    const start = bytes.findIndex((byte) => byte !== 0);
    const plain = bytes.subarray(start === -1 ? bytes.length - 1 : start);
    const padded = (plain[0] as number) > 0x7f ? Buffer.concat([Buffer.alloc(1), plain]) : plain;
    return Buffer.concat([Buffer.from([2, padded.length]), padded]);
  };
  const both = Buffer.concat([integer(raw.subarray(0, half)), integer(raw.subarray(half))]);
  return Buffer.concat([Buffer.from([0x30, both.length]), both]);
}

function opensslVerifies({ key, stringToSign, signature }: Provable): boolean {
  const raw = Buffer.from(signature, 'base64');
  const isEcdsa = key.algorithm.startsWith('ecdsa');
  const [pem, sig, data] = ['key.pem', 'signature', 'data'].map((name) => join(directory, name)) as [string, string, string];
  writeFileSync(pem, key.publicKey);
  writeFileSync(sig, isEcdsa ? derOf(raw) : raw);
  writeFileSync(data, Buffer.from(stringToSign, 'base64'));
  const [command = '', ...options] = OPENSSL[key.algorithm];
  const args =
    command === 'dgst'
      ? [...options, '-verify', pem, '-signature', sig, data]
      : [...options, '-verify', '-pubin', '-inkey', pem, '-sigfile', sig, '-in', data];
  return openssl([command, ...args]).status === 0;
}

const plainly = ({ key, stringToSign, signature }: Provable): boolean =>
  verifyPlainly(key.algorithm, createPublicKey(key.publicKey), Buffer.from(stringToSign, 'base64'), Buffer.from(signature, 'base64'));

for (const form of FORMS) {
  describe(`${form.scheme}/${form.name}`, () => {
    const vector = read<Vector>(form.scheme, form.name);
    const judge = createJudge(form);

    test('the gateway accepts it, over the very string to sign', () => {
      const judged = judge(fromJson(vector.request));
      assert.ok('verified' in judged, JSON.stringify(judged));
      const { signedDigest, scheme, signature } = judged.verified;
      assert.equal(scheme, form.scheme);
      assert.equal(signature.toString('base64'), vector.signature);
      assert.deepEqual(signedDigest, sha256(Buffer.from(vector.stringToSign, 'base64')));
    });
    test('node:crypto and openssl verify the signature over the string to sign', () => {
      assert.ok(plainly(vector));
      assert.ok(opensslVerifies(vector));
    });
    test('every mutation is refused, each for its own reason', () => {
      assert.ok(vector.mutations.length >= 12, `only ${vector.mutations.length}`);
      for (const { name, code, request } of vector.mutations) {
        const judged = judge(fromJson(request));
        assert.ok('code' in judged, `accepted: ${name}`);
        assert.equal(judged.code, code, name);
      }
    });
    test('the file is what its tool makes', () => {
      assert.deepEqual(JSON.parse(JSON.stringify(vectorOf(form, vector))), vector);
    });
  });
}

for (const form of ANSWERS) {
  describe(`rfc9421/${form.name}`, () => {
    const vector = read<AnswerVector>('rfc9421', form.name);
    const request = storedRequest('rfc9421', vector.requestOf);
    const facts = { method: request.method, target: request.target, rawHeaders: request.headers.flat() };
    const judge = ({ status, headers, body }: AnswerMessage) =>
      verifyAnswer(
        { status, rawHeaders: headers.flat(), body: latin1(body) },
        {
          request: facts,
          findKey: (keyid) =>
            keyid === vector.key.keyid ? { publicKey: createPublicKey(vector.key.publicKey), algorithm: vector.key.algorithm } : undefined,
          thumbprint: vector.certificate,
          nowMs: vector.nowSeconds * 1000,
        },
      );

    test('the SDK accepts it; node:crypto and openssl verify the signature', () => {
      assert.deepEqual(judge(answerFromJson(vector.answer)), { verified: true, accepted: true });
      assert.ok(plainly(vector));
      assert.ok(opensslVerifies(vector));
    });
    test('every mutation is refused', () => {
      assert.ok(vector.mutations.length >= 12);
      for (const { name, answer } of vector.mutations) assert.equal(judge(answerFromJson(answer)).verified, false, name);
    });
    test('the file is what its tool makes', () => {
      assert.deepEqual(JSON.parse(JSON.stringify(answerVectorOf(form, vector))), vector);
    });
  });
}

test('every scheme has vectors, and every file is made by the tool', () => {
  const files = globSync('*/*.json', { cwd: FOLDER }).sort();
  const made = [...FORMS.map(({ scheme, name }) => `${scheme}/${name}.json`), ...ANSWERS.map(({ name }) => `rfc9421/${name}.json`)].sort();
  assert.deepEqual(files, made);
  for (const scheme of SCHEME_NAMES.filter((name) => !NOT_YET.includes(name)))
    assert.ok(
      files.some((file) => file.startsWith(`${scheme}/`)),
      scheme,
    );
});
