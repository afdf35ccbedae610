import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Signer } from '../../src/ports/signer.ts';
import { ALGORITHM_NAMES, type AlgorithmName, signBytes, verifyBytes } from '../../src/protocol/algorithms.ts';
import type { RequestFacts } from '../../src/protocol/signature-base.ts';
import { type AnswerToSign, signAnswer } from '../../src/signature/sign.ts';
import { verifySignature } from '../../src/signature/verify.ts';
import { digestOf, draft, getDraft, type Header, KEY_PAIRS, keyOf, make, NOW, optionsFor, paramsText } from './request-maker.ts';

const signerOf = (algorithm: AlgorithmName = 'ecdsa-p256-sha256'): Signer => ({
  keyid: 'answers',
  algorithm,
  sign: (data) => signBytes(algorithm, KEY_PAIRS[algorithm].privateKey, data),
});
const BODY = Buffer.from('{"orderNo":"A1"}');
const HEADERS = ['Content-Type', 'application/json', 'Hufu-Request-Id', 'r1', 'Server', 'x', 'hufu-verified', '?1', 'Date', 'now'];
const answerTo = (request: RequestFacts, changes: Partial<AnswerToSign> = {}): AnswerToSign => ({
  request,
  status: 201,
  headers: HEADERS,
  body: BODY,
  signer: signerOf(),
  createdAtSeconds: NOW,
  ...changes,
});
const signed = (answer: AnswerToSign): string[] => {
  const headers = signAnswer(answer);
  assert.ok(Array.isArray(headers), 'a key in memory signs at once');
  return headers;
};

test('an answer covers status, digest, contract headers and the whole request, in this text', () => {
  const request = make(draft());
  const [, digest, , input, , signature] = signed(answerTo(request));
  const field = (name: string) => request.rawHeaders[request.rawHeaders.indexOf(name) + 1] as string;
  assert.equal(digest, `sha-256=:${digestOf(BODY)}:`);
  assert.equal(
    input,
    'hufu=("@status" "content-digest" "content-type" "hufu-request-id" "hufu-verified" "@method";req "@target-uri";req ' +
      '"content-digest";req "signature";req;key="hufu" "signature-input";req;key="hufu");created=1790000000;keyid="answers";tag="hufu-response"',
  );
  const base = [
    '"@status": 201',
    `"content-digest": ${digest}`,
    '"content-type": application/json',
    '"hufu-request-id": r1',
    '"hufu-verified": ?1',
    '"@method";req: POST',
    '"@target-uri";req: https://gateway.example/v1/orders?a=1',
    `"content-digest";req: ${field('Content-Digest')}`,
    `"signature";req;key="hufu": ${field('Signature').slice(5)}`,
    `"signature-input";req;key="hufu": ${field('Signature-Input').slice(5)}`,
    `"@signature-params": ${(input as string).slice(5)}`,
  ].join('\n');
  const bytes = Buffer.from((signature as string).slice(6, -1), 'base64');
  assert.ok(verifyBytes('ecdsa-p256-sha256', KEY_PAIRS['ecdsa-p256-sha256'].publicKey, Buffer.from(base), bytes));
});

const covered = (headers: string[]): string => (headers[3] as string).replace(/^hufu=\((.*)\);.*$/, '$1');
const tag = (headers: string[]): string => (headers[3] as string).replace(/^.*;tag="(.*)"$/, '$1');

test('every header of the contract is covered, each once, and nothing else', () => {
  const contract = [
    'Content-Type',
    'Idempotency-Replayed',
    'Retry-After',
    'RateLimit',
    'RateLimit-Policy',
    'Location',
    'Content-Range',
    'Hufu-Anything',
  ];
  const headers = [...contract, 'hufu-anything', 'X-Other', 'Connection'].flatMap((name) => [name, 'v']);
  const components = covered(signed(answerTo(make(getDraft()), { headers })));
  assert.equal(
    components,
    [
      '"@status"',
      '"content-digest"',
      ...contract.map((name) => `"${name.toLowerCase()}"`),
      '"@method";req',
      '"@target-uri";req',
      '"signature";req;key="hufu"',
      '"signature-input";req;key="hufu"',
    ].join(' '),
  );
});

test('several lines of one contract header are covered as one, joined', () => {
  const bases: string[] = [];
  const signer: Signer = { ...signerOf(), sign: (data) => Buffer.from(String(bases.push(Buffer.from(data).toString('latin1')))) };
  signed(answerTo(make(getDraft()), { headers: ['RateLimit', 'a', 'ratelimit', 'b'], signer }));
  assert.match(bases[0] as string, /^"ratelimit": a, b$/m);
});

test('an empty body has a digest too', () => {
  assert.equal(signed(answerTo(make(getDraft()), { body: Buffer.alloc(0), headers: [] }))[1], `sha-256=:${digestOf('')}:`);
});

const fields = (input: string | undefined, signature: string | undefined): Partial<ReturnType<typeof draft>> => ({
  fields: (text, bytes) =>
    [
      ['Signature-Input', input?.replace('INPUT', text)],
      ['Signature', signature?.replace('SIGNATURE', bytes.toString('base64'))],
    ].filter((header): header is [string, string] => header[1] !== undefined) as Header[],
});
const tags = [
  ['hufu-response', fields('hufu=INPUT', 'hufu=:SIGNATURE:'), 'well-formed, even if it will not verify'],
  ['hufu-response', fields('a=("date"), hufu=INPUT', 'hufu=:SIGNATURE:, a=:AAAA:'), 'beside somebody else'],
  ['hufu-refusal', fields(undefined, undefined), 'no signature'],
  ['hufu-refusal', fields('hufu=INPUT', undefined), 'no Signature'],
  ['hufu-refusal', fields(undefined, 'hufu=:SIGNATURE:'), 'no Signature-Input'],
  ['hufu-refusal', fields('hufu=INPUT, hufu=INPUT', 'hufu=:SIGNATURE:'), 'two inputs'],
  ['hufu-refusal', fields('hufu=INPUT', 'hufu=:SIGNATURE:, hufu=:AAAA:'), 'two signatures'],
  ['hufu-refusal', fields('sig1=INPUT', 'sig1=:SIGNATURE:'), 'another label'],
  ['hufu-refusal', fields('hufu="', 'hufu=:SIGNATURE:'), 'an input that cannot be read'],
  ['hufu-refusal', fields('hufu=()x', 'hufu=:SIGNATURE:'), 'an input that is malformed'],
  ['hufu-refusal', fields('hufu=INPUT', 'hufu=SIGNATURE'), 'a signature without colons'],
  ['hufu-refusal', fields('hufu=INPUT', 'hufu=:*:'), 'a signature that is no base64'],
] as const;
for (const [expected, changes, why] of tags) {
  test(`tag ${expected}: ${why}`, () => {
    const headers = signed(answerTo(make(draft(changes))));
    assert.equal(tag(headers), expected);
    assert.equal(covered(headers).includes('signature'), expected === 'hufu-response');
  });
}

test('every request that verifies gets an answer bound to its signature, and another request another base', () => {
  const options = optionsFor([keyOf('ed25519')]);
  const nonce = fc.stringMatching(/^[A-Za-z0-9_-]{22,64}$/);
  fc.assert(
    fc.property(nonce, fc.boolean(), (value, hasAlg) => {
      const params = paramsText({ nonce: `"${value}"`, ...(hasAlg && { alg: '"ed25519"' }) }, 'ed25519');
      const request = make(draft({ algorithm: 'ed25519', params }));
      verifySignature(request, options);
      assert.equal(tag(signed(answerTo(request))), 'hufu-response');
    }),
    { numRuns: 50 },
  );
  const bases: string[] = [];
  const signer: Signer = { ...signerOf(), sign: (data) => Buffer.from(String(bases.push(Buffer.from(data).toString('latin1')))) };
  for (const value of ['a', 'b']) signed(answerTo(make(draft({ params: paramsText({ nonce: `"${value.repeat(22)}"` }) })), { signer }));
  assert.notEqual(bases[0], bases[1]);
});

test('a hostile request without a signature still gets an answer', () => {
  for (const rawHeaders of [
    [],
    ['Host', ''],
    ['Host', 'x:443:443'],
    ['Signature', '\u00ff', 'Signature-Input', '"'],
    ['Content-Digest', '"\\'],
  ]) {
    assert.equal(tag(signed(answerTo({ method: 'GET', target: '*', rawHeaders }))), 'hufu-refusal');
  }
});

test('a key elsewhere answers later', async () => {
  const later: Signer = { ...signerOf(), sign: async (data) => signBytes('ed25519', KEY_PAIRS.ed25519.privateKey, data) };
  const pending = signAnswer(answerTo(make(getDraft()), { signer: later }));
  assert.ok(pending instanceof Promise);
  assert.equal((await pending).length, 6);
});

test('all algorithms sign answers', () => {
  for (const algorithm of ALGORITHM_NAMES) assert.equal(signed(answerTo(make(getDraft()), { signer: signerOf(algorithm) })).length, 6);
});
