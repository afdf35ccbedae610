import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { flattenedVerify } from 'jose';
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

const headerOf = ({ request }: Vector, name: string): string => request.headers.find(([each]) => each.toLowerCase() === name)?.[1] ?? '';

/** jose, which knows nothing of the gateway: the protected header with its critical claims, and the body. */
async function joseVerifies(vector: Vector): Promise<void> {
  const [head = '', , signature = ''] = headerOf(vector, 'x-jws-signature').split('.');
  const { crit = [], b64 } = JSON.parse(Buffer.from(head, 'base64url').toString()) as { crit?: string[]; b64?: false };
  const body = Buffer.from(vector.request.body, 'base64');
  const payload = b64 === false ? new Uint8Array(body) : body.toString('base64url');
  const options = { algorithms: ['PS256', 'ES256'], crit: Object.fromEntries(crit.map((name) => [name, true])) };
  const { payload: read } = await flattenedVerify({ protected: head, payload, signature }, createPublicKey(vector.key.publicKey), options);
  assert.deepEqual(Buffer.from(read), body);
}

/** openssl cms over the block and the body, trusting the certificate of the vector alone. */
function opensslCmsVerifies(vector: Vector): void {
  const [p7, pem, content] = ['p7', 'certificate.pem', 'content'].map((name) => join(directory, name)) as [string, string, string];
  writeFileSync(p7, Buffer.from(headerOf(vector, 'x-cms-signature'), 'base64'));
  writeFileSync(pem, vector.key.certificate ?? '');
  const how = ['-purpose', 'any', '-CAfile', pem, '-attime', String(Math.floor(Date.now() / 1000)), '-out', '/dev/null'];
  const verify = (bytes: Buffer): number | null => {
    writeFileSync(content, bytes);
    return openssl(['cms', '-verify', '-binary', '-inform', 'DER', '-in', p7, '-content', content, ...how]).status;
  };
  const right = Buffer.from(vector.content ?? '', 'base64');
  assert.equal(verify(right), 0);
  assert.notEqual(verify(Buffer.concat([right, Buffer.from('\n')])), 0);
  const block = right.subarray(0, right.length - Buffer.from(vector.request.body, 'base64').length).toString('latin1');
  assert.match(block, /^hufu-cms-request-1\nmethod: (GET|POST)\n(?:.+\n)+\n$/);
}

/** Programs that know the whole message of a scheme, not only its signature. */
const OUTSIDE: Readonly<Record<string, (vector: Vector) => void | Promise<void>>> = {
  jws: joseVerifies,
  'jws-obie': joseVerifies,
  cms: opensslCmsVerifies,
};

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
    const outside = OUTSIDE[form.scheme];
    if (outside) test('a program that knows the whole message verifies it', () => outside(vector));
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
  for (const scheme of SCHEME_NAMES)
    assert.ok(
      files.some((file) => file.startsWith(`${scheme}/`)),
      scheme,
    );
});
