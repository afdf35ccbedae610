import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import fc from 'fast-check';
import { ALGORITHM_NAMES, type AlgorithmName } from '../../src/protocol/algorithms.ts';
import { type Component, serialiseComponent } from '../../src/protocol/signature-base.ts';
import type { ReceivedAnswer, WireRequest } from '../../src/sdk/answer.ts';
import { type AnswerExpectations, verifyAnswer } from '../../src/sdk/verify-answer.ts';
import { HOST, KEY_PAIRS, NOW, NOW_MS } from '../signature/request-maker.ts';
import { type AnswerDraft, expect, makeAnswer, makeRequest, resign, THUMBPRINT } from './answer-maker.ts';

const BODY = '{"orderNo":"A1","amountFen":100}';
/** An answer with every header of the contract. */
const FULL: AnswerDraft = {
  headers: [
    ...['Idempotency-Replayed', 'true', 'Retry-After', '3', 'RateLimit', '"merchant";r=9;t=1', 'RateLimit-Policy', '"merchant";q=10'],
    ...['Location', '/v1/orders/A1', 'Content-Range', 'bytes 0-1/2', 'Hufu-Resolved', '?1'],
  ],
};

describe('an answer of the gateway verifies', () => {
  for (const algorithm of ALGORITHM_NAMES) {
    test(`signed with ${algorithm}`, async () => {
      const request = makeRequest('/v1/orders', BODY, algorithm);
      const answer = await makeAnswer(request, { ...FULL, algorithm });
      assert.deepEqual(verifyAnswer(answer, expect(request)), { verified: true, accepted: true });
    });
  }
  const drafts: readonly [why: string, draft: AnswerDraft][] = [
    ['a refusal', { status: 403, body: '{"code":"LIMIT_SINGLE"}' }],
    ['without a body', { status: 204, body: '' }],
    ['created 300 s ago', { created: NOW - 300 }],
    ['created 300 s ahead', { created: NOW + 300 }],
  ];
  for (const [why, draft] of drafts) {
    test(why, async () => {
      const request = makeRequest();
      assert.deepEqual(verifyAnswer(await makeAnswer(request, draft), expect(request)), { verified: true, accepted: true });
    });
  }
  test('but is not accepted with Hufu-Verified: ?0', async () => {
    const request = makeRequest();
    assert.deepEqual(verifyAnswer(await makeAnswer(request, { verified: '?0' }), expect(request)), { verified: true, accepted: false });
  });
});

type Attack = {
  readonly why: string;
  /** What the answer is made for; default: our request. */
  readonly answered?: () => WireRequest;
  readonly draft?: AnswerDraft;
  readonly change?: (answer: ReceivedAnswer) => ReceivedAnswer;
  readonly expected?: Partial<AnswerExpectations>;
  readonly reason: RegExp;
};

/** Our one request; every attack delivers another answer than the gateway gave to it. */
const ours = makeRequest('/v1/orders', BODY);
const withHeader = (name: string, value: string) => (answer: ReceivedAnswer) => ({
  ...answer,
  rawHeaders: answer.rawHeaders.map((text, i) => (i % 2 === 1 && answer.rawHeaders[i - 1] === name ? value : text)),
});
const withMore =
  (...more: string[]) =>
  (answer: ReceivedAnswer) => ({ ...answer, rawHeaders: [...answer.rawHeaders, ...more] });
const without = (name: string) => (answer: ReceivedAnswer) => ({
  ...answer,
  rawHeaders: answer.rawHeaders.filter((_, i) => answer.rawHeaders[i - (i % 2)] !== name),
});
const params = (changes: object) => (answer: ReceivedAnswer) =>
  resign(answer, ours, (input) => ({ ...input, params: { ...input.params, ...changes } }));
const withoutTime = (answer: ReceivedAnswer) =>
  resign(answer, ours, ({ components, params: { created, ...params } }) => ({ components, params }));
const MISMATCH = /does not verify over this answer and our request/;

const ATTACKS: readonly Attack[] = [
  { why: 'the answer of query A delivered for query B', answered: () => makeRequest('/v1/orders/B2'), reason: /does not cover|not verify/ },
  { why: 'the answer of an earlier delivery of the same bytes', answered: () => makeRequest('/v1/orders', BODY), reason: MISMATCH },
  { why: 'the answer to another body', answered: () => makeRequest('/v1/orders', `${BODY} `), reason: MISMATCH },
  { why: '200 changed to 500', change: (answer) => ({ ...answer, status: 500 }), reason: MISMATCH },
  { why: '403 changed to 200', draft: { status: 403 }, change: (answer) => ({ ...answer, status: 200 }), reason: MISMATCH },
  { why: 'another body', change: (answer) => ({ ...answer, body: Buffer.from('{}') }), reason: /Content-Digest does not match/ },
  { why: 'the body left out', change: (answer) => ({ ...answer, body: Buffer.alloc(0) }), reason: /Content-Digest does not match/ },
  {
    why: 'body and digest swapped together',
    change: (answer) =>
      withHeader('Content-Digest', 'sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:')({ ...answer, body: Buffer.from('{}') }),
    reason: MISMATCH,
  },
  { why: 'a second digest line', change: withMore('Content-Digest', 'sha-256=:AAAA:'), reason: /exactly one of each: content-digest/ },
  { why: 'no request id', change: without('Hufu-Request-Id'), reason: /exactly one of each: hufu-request-id/ },
  { why: 'another request id', change: withHeader('Hufu-Request-Id', 'x'), reason: MISMATCH },
  { why: 'a retry time put in', change: withMore('Retry-After', '9999'), reason: /does not cover "retry-after"/ },
  { why: 'marked as replayed', change: withMore('Idempotency-Replayed', 'true'), reason: /does not cover "idempotency-replayed"/ },
  { why: 'an unknown Hufu header', change: withMore('Hufu-Note', 'x'), reason: /does not cover "hufu-note"/ },
  { why: 'a covered header taken out', draft: FULL, change: without('Retry-After'), reason: /covers what is not there: "retry-after"/ },
  { why: 'another content type', change: withHeader('Content-Type', 'text/html'), reason: MISMATCH },
  { why: 'no signature', change: without('Signature'), reason: /exactly one signature/ },
  { why: 'no signature input', change: without('Signature-Input'), reason: /exactly one signature/ },
  { why: 'two signatures with our label', change: withMore('Signature', 'hufu=:AAAA:'), reason: /exactly one signature/ },
  { why: 'two inputs with our label', change: withMore('Signature-Input', 'hufu=();created=1'), reason: /exactly one signature/ },
  { why: 'our signature under another label', change: relabelled, reason: /exactly one signature/ },
  { why: 'signature of another length', change: withHeader('Signature', 'hufu=:AAAA:'), reason: MISMATCH },
  { why: 'signature that is no base64', change: withHeader('Signature', 'hufu=:A===:'), reason: /cannot be read/ },
  {
    why: 'an input that is not canonical',
    change: withHeader('Signature-Input', 'hufu=( "@status" );created=1'),
    reason: /cannot be read/,
  },
  { why: 'signed 301 s ago', draft: { created: NOW - 301 }, reason: /more than 300 s/ },
  { why: 'signed 301 s ahead', draft: { created: NOW + 301 }, reason: /more than 300 s/ },
  { why: 'without a time', change: withoutTime, reason: /no created time/ },
  { why: 'expired', change: params({ expires: NOW }), reason: /has expired/ },
  { why: 'a keyid nobody trusts', draft: { keyid: 'someone' }, reason: /not trusted: someone/ },
  { why: 'the keyid of another trusted key', draft: { keyid: 'platform-ecdsa-p384-sha384' }, reason: MISMATCH },
  { why: 'a keyid like a member of objects', draft: { keyid: '__proto__' }, reason: /not trusted/ },
  { why: 'an algorithm other than the key record says', change: params({ alg: 'ed25519' }), reason: /is one for ecdsa-p256-sha256/ },
  { why: 'a key whose certificate has ended', expected: endedKey(), reason: /outside its validity/ },
  { why: 'given to another certificate', draft: { thumbprint: 'other' }, reason: /another certificate than ours/ },
  { why: 'neither verified nor not', draft: { verified: '?2' }, reason: /neither \?1 nor \?0/ },
  { why: 'tag of a request', change: params({ tag: 'hufu-request' }), reason: /another tag/ },
  { why: 'a refusal that is not bound to our signature', answered: () => unsigned(ours), reason: /tag hufu-refusal/ },
];

function relabelled(answer: ReceivedAnswer): ReceivedAnswer {
  return { ...answer, rawHeaders: answer.rawHeaders.map((text) => text.replace(/^hufu=/, 'sig1=')) };
}
function endedKey(): Partial<AnswerExpectations> {
  const algorithm: AlgorithmName = 'ecdsa-p256-sha256';
  return { findKey: () => ({ publicKey: KEY_PAIRS[algorithm].publicKey, algorithm, notAfterMs: NOW_MS - 1 }) };
}
function unsigned(request: WireRequest): WireRequest {
  const rawHeaders = request.rawHeaders.filter((_, i) => !/^signature/i.test(request.rawHeaders[i - (i % 2)] as string));
  return { ...request, rawHeaders };
}

describe('an answer that is not ours does not verify', () => {
  for (const { why, answered, draft, change = (answer: ReceivedAnswer) => answer, expected, reason } of ATTACKS) {
    test(why, async () => {
      const answer = change(await makeAnswer(answered?.() ?? ours, draft));
      const verdict = verifyAnswer(answer, expect(ours, expected));
      assert.equal(verdict.verified, false);
      assert.match(verdict.verified ? '' : verdict.why, reason);
    });
  }

  test('the refusal of a captured request, replayed by another merchant over its own connection', async () => {
    const refusal = await makeAnswer(ours, { status: 403, thumbprint: 'merchant-two', verified: '?0' });
    assert.deepEqual(verifyAnswer(refusal, expect(ours)), {
      verified: false,
      why: 'the answer was given to another certificate than ours',
    });
    const verdict = verifyAnswer(refusal, expect(ours, { thumbprint: 'merchant-two' }));
    assert.deepEqual(verdict, { verified: true, accepted: false }, 'and even its own certificate does not make it a result');
  });
});

describe('the coverage that we demand', () => {
  const plain = (name: string): Component => ({ name, params: {} });
  const ofRequest = (name: string): Component => ({ name, params: { req: true } });
  const DEMANDED: readonly Component[] = [
    ...['@status', 'content-digest', 'content-type', 'hufu-request-id', 'hufu-certificate', 'hufu-verified', 'hufu-resolved'].map(plain),
    ...['idempotency-replayed', 'retry-after', 'ratelimit', 'ratelimit-policy', 'location', 'content-range'].map(plain),
    ...['@method', '@target-uri', 'content-digest'].map(ofRequest),
    ...['signature', 'signature-input'].map((name): Component => ({ name, params: { req: true, key: 'hufu' } })),
  ];
  let answer: ReceivedAnswer;
  before(async () => {
    answer = await makeAnswer(ours, FULL);
  });

  for (const demanded of DEMANDED) {
    const identifier = serialiseComponent(demanded);
    test(`includes ${identifier}`, () => {
      const lacking = resign(answer, ours, ({ components, params }) => ({
        components: components.filter((component) => serialiseComponent(component) !== identifier),
        params,
      }));
      assert.deepEqual(verifyAnswer(lacking, expect(ours)), { verified: false, why: `the signature does not cover ${identifier}` });
    });
    test(`takes ${identifier} once`, () => {
      const twice = resign(answer, ours, ({ components, params }) => ({ components: [...components, demanded], params }));
      assert.deepEqual(verifyAnswer(twice, expect(ours)), { verified: false, why: `the signature covers twice: ${identifier}` });
    });
  }
  test('may be more', () => {
    const more = resign(answer, ours, ({ components, params }) => ({ components: [...components, ofRequest('@authority')], params }));
    assert.equal(verifyAnswer(more, expect(ours)).verified, true);
  });
  test('is not met by the header of the answer where that of the request is demanded', () => {
    const confused = resign(answer, ours, ({ components, params }) => ({
      components: components.map((component) => (component.params.key === undefined ? { name: component.name, params: {} } : component)),
      params,
    }));
    assert.match(JSON.stringify(verifyAnswer(confused, expect(ours))), /covers twice|does not cover/);
  });
});

describe('properties', () => {
  const SIGNED_PARTS = [
    'Content-Type',
    'Content-Digest',
    'Hufu-Request-Id',
    'Hufu-Certificate',
    'Hufu-Verified',
    'Retry-After',
    'Location',
  ];
  const character = fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code));
  const replaceAt = (text: string, at: number, by: string): string =>
    text.slice(0, at % text.length) + by + text.slice((at % text.length) + 1);

  test('one changed character of any signed header, or of the signature fields, does not verify', async () => {
    const answer = await makeAnswer(ours, FULL);
    const names = fc.constantFrom(...SIGNED_PARTS, 'Signature', 'Signature-Input');
    fc.assert(
      fc.property(names, fc.nat(500), character, (name, at, by) => {
        const value = answer.rawHeaders[answer.rawHeaders.indexOf(name) + 1] as string;
        const changed = replaceAt(value, at, by);
        // White space at the ends of a field is no part of its value.
        fc.pre(changed.trim() !== value);
        assert.equal(verifyAnswer(withHeader(name, changed)(answer), expect(ours)).verified, false);
      }),
    );
  });
  test('one changed byte of the body does not verify', async () => {
    const answer = await makeAnswer(ours);
    fc.assert(
      fc.property(fc.nat(answer.body.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const body = Buffer.from(answer.body);
        body[at] = (body[at] as number) ^ mask;
        assert.equal(verifyAnswer({ ...answer, body }, expect(ours)).verified, false);
      }),
    );
  });
  test('hostile signature fields never throw', async () => {
    const answer = await makeAnswer(ours);
    const hostile = fc.oneof(
      fc.string({ unit: 'binary-ascii' }),
      fc
        .array(fc.constantFrom('hufu=', '(', ')', '"@status"', ';req', ';key="hufu"', ';created=1', ', ', ':', 'AAAA', '"', '\\', '='))
        .map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(hostile, hostile, (input, signature) => {
        const changed = withHeader('Signature', signature)(withHeader('Signature-Input', input)(answer));
        assert.equal(verifyAnswer(changed, expect(ours)).verified, false);
      }),
    );
  });
  test('an answer to one request never verifies for another', async () => {
    const path = fc.stringMatching(/^\/v1\/[a-z0-9?=&%-]{0,12}$/);
    await fc.assert(
      fc.asyncProperty(path, path, fc.constantFrom('', BODY), fc.constantFrom('', BODY), async (a, b, bodyA, bodyB) => {
        const [first, second] = [makeRequest(a, bodyA), makeRequest(b, bodyB)];
        assert.equal(verifyAnswer(await makeAnswer(first), expect(first)).verified, true);
        assert.equal(verifyAnswer(await makeAnswer(first), expect(second)).verified, false);
      }),
      { numRuns: 50 },
    );
  });
  test('the same path at another host is another request', async () => {
    const other = { ...ours, rawHeaders: ours.rawHeaders.map((text) => (text === HOST ? 'other.example' : text)) };
    assert.equal(verifyAnswer(await makeAnswer(ours), expect(other)).verified, false);
    assert.equal(THUMBPRINT, expect(ours).thumbprint);
  });
});
