import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeProtectedHeader, jwtVerify } from 'jose';
import { ASSERTION_MS_MAX, createAssertion } from '../../src/forward/assertion.ts';
import { createForward, type ForwardOptions } from '../../src/forward/forward.ts';
import { sha256 } from '../../src/lib/bytes.ts';
import type { Core, CoreCall, CoreReply } from '../../src/ports/core.ts';
import { Refusal } from '../../src/protocol/errors.ts';
import { findHeader } from '../../src/protocol/headers.ts';
import { toAssertionKeys, verifyAssertion } from '../../src/reference-core/assertion.ts';
import { answered, assertionKey, balance, executions, inputs, journalled, merchantNumber, paid, pay } from './sample.ts';

const NOW_MS = 1_800_000_000_999;

/** A core that gives the same reply to everything and remembers what it was asked. */
function cannedCore(reply: CoreReply): Core & { readonly calls: CoreCall[] } {
  const calls: CoreCall[] = [];
  const call = async (given: CoreCall): Promise<CoreReply> => {
    calls.push(given);
    return reply;
  };
  return { calls, call, close: async () => undefined };
}

function forwardTo(core: Core, over: Partial<ForwardOptions> = {}) {
  const operations = new Map([pay, balance, executions].map((operation) => [operation.id, operation]));
  return createForward({
    core,
    assertionKeyAt: () => assertionKey,
    clock: { nowMs: () => NOW_MS, monotonicMs: () => 0 },
    local: {},
    findOperation: (id) => operations.get(id),
    ...over,
  });
}

const onlyCall = (core: { readonly calls: readonly CoreCall[] }): CoreCall => {
  assert.equal(core.calls.length, 1);
  return core.calls[0] as CoreCall;
};

test('the core gets the signed bytes, the headers of the list and nothing else of the merchant', async () => {
  const core = cannedCore(answered(201, paid));
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
  const hostile = [
    'Hufu-Merchant-Number',
    '800000000000002',
    'Hufu-Assertion',
    'x',
    'X-Original-URL',
    '/v1/admin',
    'Idempotency-Key',
    'theirs',
  ];
  const request = journalled({ rawHeaders: ['Content-Type', 'application/json; charset=utf-8', 'traceparent', traceparent, ...hostile] });
  const forwarded = await forwardTo(core).forward(request);
  assert.equal(forwarded.outcome, 'succeeded');
  const { method, target, body, headers, timeoutMs } = onlyCall(core);
  assert.deepEqual([method, target, timeoutMs], ['POST', '/v1/orders/o1/payments?x=%41', 2_000]);
  assert.equal(body, request.body, 'the very bytes');
  const assertion = headers.at(-1) as string;
  assert.deepEqual(headers, [
    ...['Content-Type', 'application/json', 'Accept', 'application/json'],
    ...['Hufu-Merchant-Number', merchantNumber, 'Hufu-Request-Id', 'r1', 'Hufu-Channel', 'internet'],
    ...['Idempotency-Key', 'D'.repeat(43), 'traceparent', traceparent, 'Hufu-Assertion', assertion],
  ]);
});

test('the assertion says what the contract says, by another library and by the reference core', async () => {
  const core = cannedCore(answered(201, paid));
  const request = journalled();
  await forwardTo(core).forward(request);
  const { headers, method, target, body } = onlyCall(core);
  const token = findHeader(headers, 'hufu-assertion') as string;
  assert.deepEqual(decodeProtectedHeader(token), { alg: 'ES256', kid: assertionKey.keyid, typ: 'JWT' });
  const { payload } = await jwtVerify(token, assertionKey.publicKey, { algorithms: ['ES256'], currentDate: new Date(NOW_MS) });
  assert.deepEqual(payload, {
    iss: 'hufu',
    aud: 'core',
    iat: 1_800_000_000,
    exp: 1_800_000_030,
    jti: 'r1',
    merchant: merchantNumber,
    certificate: 'T'.repeat(43),
    operation: 'payments.create',
    method: 'POST',
    target: '/v1/orders/o1/payments?x=%41',
    key: 'D'.repeat(43),
    claim: 'K'.repeat(43),
    digest: sha256(request.body).toString('base64url'),
  });
  const keys = toAssertionKeys([assertionKey.publicKey]);
  const accepted = await verifyAssertion({ method, target, rawHeaders: headers, body }, 'payments.create', keys, NOW_MS);
  assert.equal(accepted.expiresAtMs, 1_800_000_030_000);
});

test('the token is compact, canonical, and fits any claims', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string(), fc.string(), fc.uint8Array({ minLength: 32, maxLength: 32 }), async (target, requestId, digest) => {
      const token = createAssertion(assertionKey, {
        requestId,
        merchantNumber,
        certificate: 'T'.repeat(43),
        operationId: 'x',
        method: 'GET',
        target,
        bodyDigest: Buffer.from(digest),
        issuedAtMs: NOW_MS,
        expiresAtMs: NOW_MS + ASSERTION_MS_MAX,
      });
      assert.match(token, /^[\w-]+\.[\w-]+\.[\w-]{86}$/);
      const { payload } = await jwtVerify(token, assertionKey.publicKey, { currentDate: new Date(NOW_MS) });
      assert.deepEqual([payload.target, payload.jti, payload.exp, 'key' in payload], [target, requestId, 1_800_000_030, false]);
    }),
    { numRuns: 30 },
  );
});

test('a read has no key and no body, and an assertion of at most 30 s', async () => {
  const core = cannedCore(answered(200, { balanceFen: 1, merchantNumber }));
  const { claim: _claim, ...read } = journalled({
    operation: balance,
    method: 'GET',
    target: '/v1/accounts/1/balance',
    body: Buffer.alloc(0),
  });
  assert.equal((await forwardTo(core).forward(read)).outcome, 'succeeded');
  const { headers } = onlyCall(core);
  for (const name of ['content-type', 'idempotency-key', 'traceparent']) assert.equal(findHeader(headers, name), undefined, name);
});

for (const bad of [
  '',
  '00-x-y-01',
  `00-${'0'.repeat(32)}-${'b'.repeat(16)}-01`,
  `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01\r\nX: y`,
  `ff-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
])
  test(`a traceparent that is none is dropped: ${JSON.stringify(bad)}`, async () => {
    const core = cannedCore(answered(201, paid));
    await forwardTo(core).forward(journalled({ rawHeaders: ['Content-Type', 'application/json', 'traceparent', bad] }));
    assert.equal(findHeader(onlyCall(core).headers, 'traceparent'), undefined);
  });

test('a traceparent that the signature does not cover is dropped, whatever another covered value says', async () => {
  const core = cannedCore(answered(201, paid));
  const rawHeaders = ['Content-Type', 'application/json', 'traceparent', `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`];
  await forwardTo(core).forward(journalled({ rawHeaders, signatureBase: '"x-note": "traceparent": 1\n"@signature-params": ()' }));
  assert.equal(findHeader(onlyCall(core).headers, 'traceparent'), undefined);
});

test('CORE_UNAVAILABLE is said only when nothing was sent', async () => {
  const unavailable = (error: unknown): boolean => error instanceof Refusal && error.code === 'CORE_UNAVAILABLE';
  await assert.rejects(forwardTo(cannedCore({ kind: 'notSent', reason: 'refused' })).forward(journalled()), unavailable);
  const lost = await forwardTo(cannedCore({ kind: 'noAnswer', reason: 'reset' })).forward(journalled());
  assert.deepEqual([lost.outcome, lost.understood, lost.reason], ['unknown', true, 'reset']);
  const garbage = await forwardTo(cannedCore(answered(200, '<html>', 'text/html'))).forward(journalled());
  assert.deepEqual([garbage.outcome, garbage.understood], ['unknown', false]);
  const core = cannedCore(answered(201, paid));
  const { claim } = journalled();
  const expired = { ...claim, expiresAtMs: NOW_MS } as NonNullable<typeof claim>;
  await assert.rejects(forwardTo(core).forward(journalled({ claim: expired })), unavailable, 'an expired admission is not sent at all');
  assert.equal(core.calls.length, 0);
});

test('what the gateway answers itself never reaches the core', async () => {
  const core = cannedCore(answered(201, paid));
  const answer = { status: 200, contentType: 'application/json', body: Buffer.from('{}') };
  const request = journalled({ operation: { ...balance, id: 'platform.certificates', answeredBy: 'gateway' } });
  const forwarded = await forwardTo(core, { local: { 'platform.certificates': () => answer } }).forward(request);
  assert.deepEqual([forwarded.outcome, forwarded.answer, core.calls.length], ['succeeded', answer, 0]);
  await assert.rejects(
    forwardTo(core).forward(journalled({ operation: { ...balance, id: 'toString', answeredBy: 'gateway' } })),
    TypeError,
  );
});

test('a question goes out under an assertion of its own, without a body or a key to execute', async () => {
  const core = cannedCore(answered(200, { status: 'PROCESSING' }));
  assert.equal((await forwardTo(core).ask(inputs, merchantNumber, false)).outcome, 'pending');
  const { method, target, headers, body } = onlyCall(core);
  assert.deepEqual([method, target, body.length], ['GET', `/v1/executions/${'D'.repeat(43)}`, 0]);
  assert.equal(findHeader(headers, 'idempotency-key'), undefined);
  const keys = toAssertionKeys([assertionKey.publicKey]);
  const accepted = await verifyAssertion({ method, target, rawHeaders: headers, body }, 'executions.get', keys, NOW_MS);
  assert.deepEqual([accepted.merchantNumber, accepted.expiresAtMs], [merchantNumber, 1_800_000_030_000]);
});

test('a question that cannot be asked leaves the outcome unknown and sends nothing', async () => {
  const core = cannedCore(answered(200, { status: 'SUCCEEDED' }));
  const { ask } = forwardTo(core);
  assert.equal((await ask({ ...inputs, operationId: 'gone' }, merchantNumber, true)).outcome, 'unknown');
  assert.equal((await ask({ ...inputs, operationId: 'accounts.balance', parameters: {} }, merchantNumber, true)).outcome, 'unknown');
  assert.equal((await ask({ ...inputs, parameters: {} }, merchantNumber, true)).outcome, 'unknown');
  assert.equal(core.calls.length, 0);
  await ask({ ...inputs, parameters: { derivedKey: '../orders/o1?x#' } }, merchantNumber, true);
  assert.equal(onlyCall(core).target, '/v1/executions/..%2Forders%2Fo1%3Fx%23', 'a parameter stays one segment');
});
