import assert from 'node:assert/strict';
import { createHmac, sign } from 'node:crypto';
import { test } from 'node:test';
import { HTTP_ALGORITHM_NAMES, signBytes } from '../../src/protocol/algorithms.ts';
import type { ErrorCode } from '../../src/protocol/errors.ts';
import { verifySignature } from '../../src/signature/verify.ts';
import { assertRefused } from './refused.ts';
import {
  BODY,
  baseOf,
  type Draft,
  digestOf,
  draft,
  getDraft,
  type Header,
  HOST,
  KEY_PAIRS,
  keyOf,
  MERCHANT,
  make,
  NONCE,
  NOW,
  NOW_MS,
  optionsFor,
  POST_HEADERS,
  paramsText,
} from './request-maker.ts';

const OPTIONS = optionsFor(HTTP_ALGORITHM_NAMES.map((name) => keyOf(name)));
const replaced = (name: string, value: string): Header[] => POST_HEADERS.map((header) => (header[0] === name ? [name, value] : header));
const without = (name: string): Header[] => POST_HEADERS.filter(([header]) => header !== name);
const withMore = (...more: Header[]): Header[] => [...POST_HEADERS, ...more];

for (const algorithm of HTTP_ALGORITHM_NAMES) {
  test(`a request signed with ${algorithm} is accepted with its facts`, () => {
    const made = draft({ algorithm });
    const verified = verifySignature(make(made), OPTIONS);
    assert.equal(verified.signatureBase, baseOf(made));
    assert.equal(verified.key.keyid, `key-${algorithm}`);
    assert.deepEqual([verified.nonce, verified.createdAtSeconds], [NONCE, NOW]);
    assert.equal(verified.bodyDigest.toString('base64'), digestOf(BODY));
  });
}

const sha512 = `sha-512=:${digestOf(BODY, 'sha512')}:`;
const accepted: readonly (readonly [why: string, draft: Draft])[] = [
  ['a GET without a body needs no digest', getDraft()],
  ['an empty query is part of the target', getDraft({ target: '/v1/orders/A1?' })],
  ['sha-512 alone', draft({ headers: replaced('Content-Digest', sha512) })],
  [
    'both digests and one we do not know',
    draft({ headers: replaced('Content-Digest', `unixsum=:AAAA:, sha-256=:${digestOf(BODY)}:, ${sha512}`) }),
  ],
  ['the digests on two lines', draft({ headers: [...POST_HEADERS, ['Content-Digest', sha512]] })],
  [
    'a digest of no bytes, covered, without a body',
    getDraft({
      headers: [
        ['Host', HOST],
        ['Content-Digest', `sha-256=:${digestOf('')}:`],
      ],
    }),
  ],
  [
    'more components than required',
    draft({
      components: [
        '"@method"',
        '"@authority"',
        '"@scheme"',
        '"@path"',
        '"@query"',
        '"@request-target"',
        '"host"',
        ...draft().components.slice(1),
      ],
    }),
  ],
  [
    'a header on two lines, covered',
    draft({ headers: withMore(['Accept', 'a'], ['Accept', 'b']), components: [...draft().components, '"accept"'] }),
  ],
  [
    'a header with an empty value, covered',
    draft({ headers: withMore(['X-Empty', '']), components: [...draft().components, '"x-empty"'] }),
  ],
  ['the Host in capitals with the default port', draft({ headers: replaced('Host', 'GATEWAY.example:443') })],
  ['the Host with another port', draft({ headers: replaced('Host', `${HOST}:8443`) })],
  ['alg that agrees', draft({ params: paramsText({ alg: '"ecdsa-p256-sha256"' }) })],
  ['expires in the future', draft({ params: paramsText({ expires: `${NOW + 1}` }) })],
  ['parameters in another order', draft({ params: `;tag="hufu-request";keyid="key-ecdsa-p256-sha256";nonce="${NONCE}";created=${NOW}` })],
  ['300 s old', draft({ params: paramsText({ created: `${NOW - 300}` }) })],
  ['300 s ahead', draft({ params: paramsText({ created: `${NOW + 300}` }) })],
  ['the shortest and the longest nonce', draft({ params: paramsText({ nonce: `"${'_'.repeat(64)}"` }) })],
  [
    'a signature of somebody else beside ours, before and after',
    draft({
      fields: (input, signature) => [
        ['Signature-Input', `proxy=("@method");created=1;keyid="p", hufu=${input}`],
        ['Signature-Input', 'other=("date");tag="something"'],
        ['Signature', `proxy=:AAAA:, hufu=:${signature.toString('base64')}:, other=:AAAA:`],
      ],
    }),
  ],
];
for (const [why, made] of accepted) {
  test(`accepted: ${why}`, () => assert.equal(verifySignature(make(made), OPTIONS).signatureBase, baseOf(made)));
}

const fields =
  (input: (input: string) => string, signature: (base64: string) => string) =>
  (text: string, bytes: Buffer): Header[] =>
    [
      ['Signature-Input', input(text)],
      ['Signature', signature(bytes.toString('base64'))],
    ].filter(([, value]) => value !== '') as unknown as Header[];
const ours = (base64: string) => `hufu=:${base64}:`;
const p256 = keyOf('ecdsa-p256-sha256');
const hmac = (base: string) =>
  createHmac('sha256', p256.publicKey.export({ type: 'spki', format: 'pem' }))
    .update(base)
    .digest();
const der = (base: string) => sign('sha256', Buffer.from(base), KEY_PAIRS['ecdsa-p256-sha256'].privateKey);

/** Each request is signed correctly over what its signature input says; only the named thing is wrong. */
const refused: readonly (readonly [why: string, code: ErrorCode, draft: Draft])[] = [
  // D1: no signature, not ours, or not only ours.
  ['no signature fields', 'SIGNATURE_MISSING', draft({ fields: () => [] })],
  [
    'Signature-Input alone',
    'SIGNATURE_MISSING',
    draft({
      fields: fields(
        (i) => `hufu=${i}`,
        () => '',
      ),
    }),
  ],
  ['Signature alone', 'SIGNATURE_MISSING', draft({ fields: fields(() => '', ours) })],
  [
    'empty fields',
    'SIGNATURE_MISSING',
    draft({
      fields: () => [
        ['Signature', ''],
        ['Signature-Input', ''],
      ],
    }),
  ],
  [
    'our tag under another label',
    'SIGNATURE_MISSING',
    draft({
      fields: fields(
        (i) => `sig1=${i}`,
        (s) => `sig1=:${s}:`,
      ),
    }),
  ],
  [
    'our tag under two labels, one of them valid',
    'SIGNATURE_MISSING',
    draft({
      fields: fields(
        (i) => `hufu=${i}, sig1=("date");tag="hufu-request"`,
        (s) => `hufu=:${s}:, sig1=:AAAA:`,
      ),
    }),
  ],
  ['our label with another tag', 'SIGNATURE_MISSING', draft({ params: paramsText({ tag: '"hufu-response"' }) })],
  ['our label without a tag', 'SIGNATURE_MISSING', draft({ params: paramsText({ tag: undefined }) })],
  ['our tag as a token', 'SIGNATURE_MISSING', draft({ params: paramsText({ tag: 'hufu-request' }) })],
  [
    'our label in Signature-Input only',
    'SIGNATURE_MISSING',
    draft({
      fields: fields(
        (i) => `hufu=${i}`,
        (s) => `sig1=:${s}:`,
      ),
    }),
  ],
  [
    'our label twice, the last one valid',
    'SIGNATURE_INVALID',
    draft({ fields: fields((i) => `hufu=("date");tag="hufu-request", hufu=${i}`, ours) }),
  ],
  [
    'our label twice in Signature',
    'SIGNATURE_INVALID',
    draft({
      fields: fields(
        (i) => `hufu=${i}`,
        (s) => `hufu=:AAAA:, hufu=:${s}:`,
      ),
    }),
  ],
  ["somebody else's label twice", 'SIGNATURE_INVALID', draft({ fields: fields((i) => `a=("date"), hufu=${i}, a=("date")`, ours) })],
  ['our label in capitals', 'SIGNATURE_INVALID', draft({ fields: fields((i) => `Hufu=${i}`, ours) })],
  // Fields that cannot be read, or can be read in two ways.
  ['a member that ends within a string', 'SIGNATURE_INVALID', draft({ fields: fields((i) => `hufu=${i}"`, ours) })],
  ['a trailing comma', 'SIGNATURE_INVALID', draft({ fields: fields((i) => `hufu=${i},`, ours) })],
  [
    'an item instead of a list',
    'SIGNATURE_INVALID',
    draft({ fields: fields((i) => `hufu="@method"${i.slice(i.indexOf(')') + 1)}`, ours) }),
  ],
  ['a component that is a token', 'SIGNATURE_INVALID', draft({ fields: fields((i) => `hufu=${i.replace('"@method"', 'method')}`, ours) })],
  ['two spaces between components', 'SIGNATURE_INVALID', draft({ fields: fields((i) => `hufu=${i.replace(' ', '  ')}`, ours) })],
  ['created=1790000000.0', 'SIGNATURE_INVALID', draft({ params: paramsText({ created: `${NOW}.0` }) })],
  ['created with a leading zero', 'SIGNATURE_INVALID', draft({ params: paramsText({ created: `0${NOW}` }) })],
  ['created as a date', 'SIGNATURE_INVALID', draft({ params: paramsText({ created: `@${NOW}` }) })],
  ['created as a string', 'SIGNATURE_INVALID', draft({ params: paramsText({ created: `"${NOW}"` }) })],
  ['created below zero', 'SIGNATURE_INVALID', draft({ params: paramsText({ created: '-1' }) })],
  ['created twice', 'SIGNATURE_INVALID', draft({ params: `${paramsText()};created=${NOW}` })],
  ['no created', 'SIGNATURE_INVALID', draft({ params: paramsText({ created: undefined }) })],
  ['no nonce', 'SIGNATURE_INVALID', draft({ params: paramsText({ nonce: undefined }) })],
  ['no keyid', 'SIGNATURE_INVALID', draft({ params: paramsText({ keyid: undefined }) })],
  ['an unknown parameter', 'SIGNATURE_INVALID', draft({ params: paramsText({ extra: '"x"' }) })],
  ['expires as a string', 'SIGNATURE_INVALID', draft({ params: paramsText({ expires: `"${NOW + 9}"` }) })],
  ['a nonce of 21', 'SIGNATURE_INVALID', draft({ params: paramsText({ nonce: `"${'a'.repeat(21)}"` }) })],
  ['a nonce of 65', 'SIGNATURE_INVALID', draft({ params: paramsText({ nonce: `"${'a'.repeat(65)}"` }) })],
  ['a nonce with +', 'SIGNATURE_INVALID', draft({ params: paramsText({ nonce: `"${'a'.repeat(21)}+"` }) })],
  [
    'a signature in base64url or unpadded',
    'SIGNATURE_INVALID',
    draft({
      fields: fields(
        (i) => `hufu=${i}`,
        (s) => `hufu=:${s.replace(/=+$/, '')}:`,
      ),
    }),
  ],
  [
    'base64 with other trailing bits',
    'SIGNATURE_INVALID',
    draft({
      fields: fields(
        (i) => `hufu=${i}`,
        (s) =>
          `hufu=:${s.replace(/.==$/, (end) => `${end[0] === 'A' ? 'B' : String.fromCharCode((end.codePointAt(0) as number) + 1)}==`)}:`,
      ),
    }),
  ],
  [
    'a signature with a parameter',
    'SIGNATURE_INVALID',
    draft({
      fields: fields(
        (i) => `hufu=${i}`,
        (s) => `hufu=:${s}:;v=1`,
      ),
    }),
  ],
  [
    'a signature that is a string',
    'SIGNATURE_INVALID',
    draft({
      fields: fields(
        (i) => `hufu=${i}`,
        (s) => `hufu="${s}"`,
      ),
    }),
  ],
  [
    'a covered header that is not ASCII',
    'SIGNATURE_INVALID',
    draft({ headers: withMore(['X-Name', 'caf\u00e9']), components: [...draft().components, '"x-name"'] }),
  ],
  // D2: the key's record decides the algorithm.
  [
    'alg hmac-sha256, the public key as the secret',
    'SIGNATURE_INVALID',
    draft({ params: paramsText({ alg: '"hmac-sha256"' }), sign: hmac }),
  ],
  ['an HMAC with the public key as the secret, no alg', 'SIGNATURE_MISMATCH', draft({ sign: hmac })],
  ['alg none, no signature bytes', 'SIGNATURE_INVALID', draft({ params: paramsText({ alg: '"none"' }), sign: () => Buffer.alloc(0) })],
  ['no signature bytes', 'SIGNATURE_MISMATCH', draft({ sign: () => Buffer.alloc(0) })],
  [
    'rsa-v1_5 where PSS is registered, alg says so',
    'SIGNATURE_INVALID',
    draft({ params: paramsText({ alg: '"rsa-v1_5-sha256"' }, 'rsa-pss-sha512'), algorithm: 'rsa-v1_5-sha256' }),
  ],
  [
    'rsa-v1_5 where PSS is registered, no alg',
    'SIGNATURE_MISMATCH',
    draft({ params: paramsText({}, 'rsa-pss-sha512'), algorithm: 'rsa-v1_5-sha256' }),
  ],
  ['alg as a token', 'SIGNATURE_INVALID', draft({ params: paramsText({ alg: 'ecdsa-p256-sha256' }) })],
  ['a DER-encoded signature', 'SIGNATURE_MISMATCH', draft({ sign: der })],
  ['r = s = 0', 'SIGNATURE_MISMATCH', draft({ sign: () => Buffer.alloc(64) })],
  ['100,000 signature bytes', 'SIGNATURE_MISMATCH', draft({ sign: () => Buffer.alloc(100_000, 1) })],
  // D3, hole 5: what must be covered; each of the parts has its own test in coverage.test.ts.
  ['a component listed twice', 'SIGNATURE_COVERAGE', draft({ components: [...draft().components, '"@method"'] })],
  ['@status', 'SIGNATURE_COVERAGE', draft({ components: ['"@status"', ...draft().components] })],
  ['@signature-params as a component', 'SIGNATURE_COVERAGE', draft({ components: ['"@signature-params"', ...draft().components] })],
  [
    'a component in capitals',
    'SIGNATURE_COVERAGE',
    draft({ components: ['"Accept"', ...draft().components], headers: withMore(['Accept', 'a']) }),
  ],
  ['hole 3: a covered header that is absent', 'SIGNATURE_COVERAGE', draft({ components: [...draft().components, '"x-absent"'] })],
  // D4, hole 2: the body and its digest.
  [
    'a body without a digest',
    'SIGNATURE_COVERAGE',
    draft({ headers: without('Content-Digest'), components: draft().components.filter((c) => c !== '"content-digest"') }),
  ],
  ['a covered digest that was not sent', 'SIGNATURE_COVERAGE', draft({ headers: without('Content-Digest') })],
  [
    'a body without a type',
    'SIGNATURE_COVERAGE',
    draft({ headers: without('Content-Type'), components: draft().components.filter((c) => c !== '"content-type"') }),
  ],
  ['a digest we do not know', 'DIGEST_MISMATCH', draft({ headers: replaced('Content-Digest', `md5=:${digestOf(BODY, 'md5')}:`) })],
  ['an empty digest field', 'DIGEST_MISMATCH', draft({ headers: replaced('Content-Digest', '') })],
  [
    'a digest that is unpadded',
    'DIGEST_MISMATCH',
    draft({ headers: replaced('Content-Digest', `sha-256=:${digestOf(BODY).slice(0, -1)}:`) }),
  ],
  ['a digest that is a string', 'DIGEST_MISMATCH', draft({ headers: replaced('Content-Digest', `sha-256="${digestOf(BODY)}"`) })],
  ['a digest label in capitals', 'DIGEST_MISMATCH', draft({ headers: replaced('Content-Digest', `SHA-256=:${digestOf(BODY)}:`) })],
  [
    'two sha-256, the last one right',
    'DIGEST_MISMATCH',
    draft({ headers: replaced('Content-Digest', `sha-256=:${digestOf('x')}:, sha-256=:${digestOf(BODY)}:`) }),
  ],
  [
    'a right sha-256 beside a wrong sha-512',
    'SIGNATURE_MISMATCH',
    draft({ headers: replaced('Content-Digest', `sha-256=:${digestOf(BODY)}:, sha-512=:${digestOf('x', 'sha512')}:`) }),
  ],
  [
    'a wrong sha-256 beside a right sha-512',
    'SIGNATURE_MISMATCH',
    draft({ headers: replaced('Content-Digest', `${sha512}, sha-256=:${digestOf('x')}:`) }),
  ],
  [
    'a digest cut to 31 bytes',
    'SIGNATURE_MISMATCH',
    draft({ headers: replaced('Content-Digest', `sha-256=:${Buffer.from(digestOf(BODY), 'base64').subarray(0, 31).toString('base64')}:`) }),
  ],
  [
    'a digest of another body on a GET',
    'SIGNATURE_MISMATCH',
    getDraft({
      headers: [
        ['Host', HOST],
        ['Content-Digest', `sha-256=:${digestOf(BODY)}:`],
      ],
    }),
  ],
  // D8: another host, and requests with more than one reading.
  ['a Host that is not ours', 'HTTP_INVALID', draft({ headers: replaced('Host', 'test.example') })],
  ['a Host with user info', 'HTTP_INVALID', draft({ headers: replaced('Host', `a@${HOST}`) })],
  ['a Host with a trailing dot', 'HTTP_INVALID', draft({ headers: replaced('Host', `${HOST}.`) })],
  ['a Host with an empty port', 'HTTP_INVALID', draft({ headers: replaced('Host', `${HOST}:`) })],
  ['no Host', 'HTTP_INVALID', draft({ headers: without('Host') })],
  ['two Hosts', 'HTTP_INVALID', draft({ headers: withMore(['Host', HOST]) })],
  ['an absolute target', 'HTTP_INVALID', draft({ target: `https://${HOST}/v1/orders` })],
  ['hole 14: Merchant-Number twice', 'HTTP_INVALID', draft({ headers: withMore(['Merchant-Number', '800000000000002']) })],
  ['hole 14: Idempotency-Key twice', 'HTTP_INVALID', draft({ headers: withMore(['idempotency-key', 'b']) })],
  ['hole 14: Content-Type twice', 'HTTP_INVALID', draft({ headers: withMore(['content-type', 'text/plain']) })],
  // D11, D12: keys.
  ['an unknown keyid', 'KEY_UNKNOWN', draft({ params: paramsText({ keyid: '"unknown"' }) })],
  ['an empty keyid', 'KEY_UNKNOWN', draft({ params: paramsText({ keyid: '""' }) })],
  ['a keyid of 10 KB', 'KEY_UNKNOWN', draft({ params: paramsText({ keyid: `"${'k'.repeat(10_240)}"` }) })],
  ['a keyid that looks like a path', 'KEY_UNKNOWN', draft({ params: paramsText({ keyid: '"../../k"' }) })],
  ['__proto__', 'KEY_UNKNOWN', draft({ params: paramsText({ keyid: '"__proto__"' }) })],
  ['constructor', 'KEY_UNKNOWN', draft({ params: paramsText({ keyid: '"constructor"' }) })],
  ['a keyid with NUL', 'SIGNATURE_INVALID', draft({ params: paramsText({ keyid: '"key-ecdsa-p256-sha256\0"' }) })],
  ['another key signed', 'SIGNATURE_MISMATCH', draft({ params: paramsText({}, 'ecdsa-p384-sha384') })],
  // E2, holes 1, 8: time.
  ['301 s old', 'TIMESTAMP_SKEW', draft({ params: paramsText({ created: `${NOW - 301}` }) })],
  ['301 s ahead', 'TIMESTAMP_SKEW', draft({ params: paramsText({ created: `${NOW + 301}` }) })],
  ['hole 8: a far future', 'TIMESTAMP_SKEW', draft({ params: paramsText({ created: '999999999999999' }) })],
  ['expires now', 'TIMESTAMP_SKEW', draft({ params: paramsText({ expires: `${NOW}` }) })],
  ['expires long ago', 'TIMESTAMP_SKEW', draft({ params: paramsText({ expires: '-1' }) })],
  [
    'hole 1: an old signature with a fresh Date that it does not cover',
    'TIMESTAMP_SKEW',
    draft({ params: paramsText({ created: `${NOW - 9999}` }), headers: withMore(['Date', new Date(NOW_MS).toUTCString()]) }),
  ],
];
for (const [why, code, made] of refused) {
  test(`${code}: ${why}`, () => {
    assertRefused(code, () => verifySignature(make(made), OPTIONS));
  });
}

const moved = replaced('Merchant-Number', MERCHANT.slice(0, -1)).map(
  ([name, value]): Header => [name, name === 'Idempotency-Key' ? `${MERCHANT.at(-1)}${value}` : value],
);
type Arriving = Parameters<typeof make>[1];
/** A good request of which one thing changed on the way. */
const changed: readonly (readonly [why: string, arrives: Arriving, made?: Draft])[] = [
  ['another method', { method: 'PUT' }],
  ['the method in lower case', { method: 'post' }],
  ['another path', { target: '/v1/orders/?a=1' }],
  ['hole 4: another query', { target: '/v1/orders?a=2' }],
  ['D6: no query', { target: '/v1/orders' }],
  ['D6: a parameter twice', { target: '/v1/orders?a=1&a=1' }],
  ['D6: parameters in another order', { target: '/v1/orders?b=2&a=1' }, draft({ target: '/v1/orders?a=1&b=2' })],
  ['D6: %61 for a', { target: '/v1/orders?%61=1' }],
  ['D6: + for %20', { target: '/v1/orders?a=+' }, draft({ target: '/v1/orders?a=%20' })],
  ['D6: an empty query more', { target: '/v1/orders?' }, draft({ target: '/v1/orders' })],
  ['D4: another body under the same digest', { body: BODY.replace('100', '900') }],
  ['D4: a space more in the body', { body: `${BODY} ` }],
  ['D4: no body under a covered digest', { body: '' }],
  [
    'D4, hole 2: another body with its own digest',
    { body: BODY.replace('100', '900'), headers: replaced('Content-Digest', `sha-256=:${digestOf(BODY.replace('100', '900'))}:`) },
  ],
  ['another Merchant-Number', { headers: replaced('Merchant-Number', '800000000000002') }],
  ['another Idempotency-Key', { headers: replaced('Idempotency-Key', 'order-A2') }],
  ['another Content-Type', { headers: replaced('Content-Type', 'application/json; charset=utf-8') }],
  ['D8: another port', { headers: replaced('Host', `${HOST}:8443`) }],
  ['hole 7: a digit moved from one header to the next', { headers: moved }],
];
for (const [why, arrives, made = draft()] of changed) {
  test(`SIGNATURE_MISMATCH: ${why}`, () => {
    assertRefused('SIGNATURE_MISMATCH', () => verifySignature(make(made, arrives), OPTIONS));
  });
}

test('a key of another merchant is a mismatch of identities, whoever holds it', () => {
  const foreign = optionsFor([keyOf('ecdsa-p256-sha256', { merchantNumbers: ['800000000000002'] })]);
  assertRefused('MERCHANT_MISMATCH', () => verifySignature(make(draft()), foreign));
  const shared = optionsFor([keyOf('ecdsa-p256-sha256', { merchantNumbers: ['800000000000002', MERCHANT] })]);
  assert.equal(verifySignature(make(draft()), shared).merchant.number, MERCHANT);
});

const lives = [
  [{ notBeforeMs: NOW_MS, notAfterMs: NOW_MS }, true, 'both ends are inclusive'],
  [{ notBeforeMs: NOW_MS + 1 }, false, 'D12: the next key before its start'],
  [{ notAfterMs: NOW_MS - 1 }, false, 'D12: a retired key after its grace'],
] as const;
for (const [changes, isAccepted, why] of lives) {
  test(`life of a key: ${why}`, () => {
    const run = () => verifySignature(make(draft()), optionsFor([keyOf('ecdsa-p256-sha256', changes)]));
    if (isAccepted) run();
    else assertRefused('KEY_UNKNOWN', run);
  });
}

test('a key that may sign for two merchants needs a Merchant-Number that is covered: else each could be told the request of the other', () => {
  const shared = optionsFor([keyOf('ecdsa-p256-sha256', { merchantNumbers: [MERCHANT, '800000000000002'] })]);
  assertRefused('SIGNATURE_COVERAGE', () => verifySignature(make(getDraft()), shared));
  const named = getDraft({
    headers: [...getDraft().headers, ['Merchant-Number', MERCHANT]],
    components: [...getDraft().components, '"merchant-number"'],
  });
  assert.equal(verifySignature(make(named), shared).nonce, NONCE);
});

test('a lookup that answers with another record is not believed', () => {
  const options = optionsFor([], { findKey: () => keyOf('ecdsa-p256-sha256', { keyid: 'somebody' }) });
  assertRefused('KEY_UNKNOWN', () => verifySignature(make(draft()), options));
});

test('the key is not looked up before the request is well-formed, and nothing is parsed', () => {
  let asked = 0;
  const options = optionsFor([], {
    findKey: () => {
      asked += 1;
      return undefined;
    },
  });
  assertRefused('SIGNATURE_COVERAGE', () => verifySignature(make(draft({ components: ['"@method"'] })), options));
  assert.equal(asked, 0);
  const notJson = '{"a":1,"a":2,"__proto__":';
  const made = draft({ body: notJson, headers: replaced('Content-Digest', `sha-256=:${digestOf(notJson)}:`) });
  assert.equal(verifySignature(make(made), OPTIONS).body.toString(), notJson);
});

test('hole 18: ECDSA signatures have two spellings, so the nonce and not the signature tells replays apart', () => {
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const twin = (base: string) => {
    const bytes = signBytes('ecdsa-p256-sha256', KEY_PAIRS['ecdsa-p256-sha256'].privateKey, Buffer.from(base));
    const s = BigInt(`0x${bytes.subarray(32).toString('hex')}`);
    return Buffer.concat([bytes.subarray(0, 32), Buffer.from((order - s).toString(16).padStart(64, '0'), 'hex')]);
  };
  assert.equal(verifySignature(make(draft({ sign: twin })), OPTIONS).nonce, NONCE);
});

test('a Host that is an IPv6 address or localhost is found among the names with or without brackets', () => {
  for (const [host, hosts] of [
    ['[::1]:8443', ['::1']],
    ['[::1]', ['[::1]']],
    ['LOCALHOST:8443', ['localhost']],
  ] as const) {
    const made = getDraft({ headers: [['host', host]] });
    assert.ok(verifySignature(make(made), { ...OPTIONS, hosts: new Set(hosts) }));
  }
});

test('a keyid of 255 characters is looked up, one of 256 is not', () => {
  for (const [length, isFound] of [
    [255, true],
    [256, false],
  ] as const) {
    const keyid = 'k'.repeat(length);
    const run = () =>
      verifySignature(make(draft({ params: paramsText({ keyid: `"${keyid}"` }) })), optionsFor([keyOf('ecdsa-p256-sha256', { keyid })]));
    if (isFound) assert.equal(run().key.keyid, keyid);
    else assertRefused('KEY_UNKNOWN', run);
  }
});
