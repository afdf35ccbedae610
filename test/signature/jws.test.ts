import assert from 'node:assert/strict';
import { createHmac, sign } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { CompactSign, FlattenedSign, flattenedVerify } from 'jose';
import { signBytes } from '../../src/protocol/algorithms.ts';
import type { ErrorCode } from '../../src/protocol/errors.ts';
import type { MessageSigner, Routed } from '../../src/protocol/messages.ts';
import { schemeOf } from '../../src/signature/schemes.ts';
import { verifySignature } from '../../src/signature/verify.ts';
import {
  bound,
  boundClaims,
  inputOf,
  JWS_OPTIONS,
  type JwsDraft,
  KID,
  makeJws,
  OBIE_CLAIMS,
  plain,
  protectedOf,
  sha256Text,
} from './jws-maker.ts';
import { assertRefused, refusalOf } from './refused.ts';
import { BODY, digestOf, draft, type Header, HOST, KEY_PAIRS, keyOf, MERCHANT, make, NOW, NOW_MS, optionsFor } from './request-maker.ts';

const ES256 = keyOf('ecdsa-p256-sha256', { keyid: KID });
const PS256 = keyOf('rsa-pss-sha256', { keyid: KID });
const optionsOf = ({ alg }: Pick<JwsDraft, 'alg'>) => optionsFor([alg === 'PS256' ? PS256 : ES256]);
const verify = (made: JwsDraft, arrives?: Parameters<typeof makeJws>[1]) => verifySignature(makeJws(made, arrives), optionsOf(made));
const OLD = { ...JWS_OPTIONS, profile: 'obie-3.1.3' } as const;
const GET: Partial<JwsDraft> = {
  method: 'GET',
  body: '',
  headers: [['Host', HOST]],
  claims: boundClaims({ htm: 'GET', 'merchant-number': undefined, 'idempotency-key': undefined }),
};

for (const alg of ['PS256', 'ES256'] as const) {
  for (const options of [JWS_OPTIONS, OLD]) {
    test(`${alg}, ${options.profile}: a bound request is accepted with its facts`, () => {
      const made = bound({ alg, options });
      const verified = verify(made);
      assert.deepEqual([verified.scheme, verified.key.keyid, verified.createdAtSeconds], ['jws', KID, NOW]);
      assert.equal(verified.nonce, `jws:${made.claims.jti}`);
      assert.equal(verified.signedDigest.toString('base64url'), sha256Text(inputOf(made)));
      assert.equal(verified.signatureBase, `${protectedOf(made)}.sha-256=:${digestOf(BODY)}:`);
    });
    test(`${alg}, ${options.profile}: a plain request is accepted, and what was signed is its nonce`, () => {
      const made = plain({ alg, options });
      const verified = verify(made);
      assert.deepEqual([verified.scheme, verified.createdAtSeconds], ['jws-obie', NOW]);
      assert.equal(verified.nonce, `jws-obie:${sha256Text(inputOf(made))}`);
    });
  }
}

const accepted: readonly (readonly [why: string, draft: JwsDraft])[] = [
  ['a GET', bound(GET)],
  ["Open Banking's claims beside ours", bound({ claims: { ...boundClaims(), ...OBIE_CLAIMS } })],
  ['neither typ nor cty', bound({ members: { typ: undefined, cty: undefined } })],
  ['cty json', plain({ members: { cty: 'json' } })],
  ['a member that is not critical and not known', bound({ members: { 'x-trace': 'a' } })],
  ['a UUID as jti', bound({ claims: boundClaims({ jti: '01a2b3c4-d5e6-4f70-8192-a3b4c5d6e7f8' }) })],
  ['a body that is not JSON is not read', plain({ body: '{"a":1,"a":' })],
  ['a payload with dots, not encoded', plain({ body: 'a.b.c', options: OLD })],
  ['300 s old', bound({ claims: boundClaims({ iat: NOW - 300 }) })],
];
for (const [why, made] of accepted) test(`accepted: ${why}`, () => assert.ok(verify(made)));

const der = (input: Buffer) => sign('sha256', input, KEY_PAIRS['ecdsa-p256-sha256'].privateKey);
const hmac = (input: Buffer) =>
  createHmac('sha256', KEY_PAIRS['ecdsa-p256-sha256'].publicKey.export({ type: 'spki', format: 'pem' }))
    .update(input)
    .digest();
const withMember = (members: Record<string, unknown>) => bound({ members });
const [INVALID, COVERAGE, MISMATCH, MISSING] = [
  'SIGNATURE_INVALID',
  'SIGNATURE_COVERAGE',
  'SIGNATURE_MISMATCH',
  'SIGNATURE_MISSING',
] as const;
const withHeaders = (made: JwsDraft, ...more: Header[]): JwsDraft => ({ ...made, headers: [...made.headers, ...more] });
const names = (...left: string[]): string[] => Object.keys(boundClaims()).filter((name) => !left.includes(name));

const hiddenMethod = plain({
  claims: { ...OBIE_CLAIMS, htm: 'GET' },
  headerText: (text) => text.replace('"htm":', '"\\u0068tm":'),
});

const refused: readonly (readonly [why: string, code: ErrorCode, draft: JwsDraft])[] = [
  // D1
  ['no signature', MISSING, bound({ field: () => [] })],
  [
    'two signatures',
    INVALID,
    bound({
      field: (p, s) => [
        ['x-jws-signature', `${p}..${s}`],
        ['X-JWS-Signature', `${p}..${s}`],
      ],
    }),
  ],
  [
    'an attached payload',
    INVALID,
    bound({ field: (p, s) => [['x-jws-signature', `${p}.${Buffer.from(BODY).toString('base64url')}.${s}`]] }),
  ],
  ['two parts', INVALID, bound({ field: (p, s) => [['x-jws-signature', `${p}.${s}`]] })],
  ['four parts', INVALID, bound({ field: (p, s) => [['x-jws-signature', `${p}..${s}.`]] })],
  [
    'a padded header',
    INVALID,
    bound({
      headerText: (text) => `${text}${' '.repeat((3 - (text.length % 3)) % 3 || 1)}`,
      field: (p, s) => [['x-jws-signature', `${p}=..${s}`]],
    }),
  ],
  [
    'a signature in base64',
    INVALID,
    bound({ field: (p, s) => [['x-jws-signature', `${p}..${Buffer.from(s, 'base64url').toString('base64')}`]] }),
  ],
  [
    'a signature with other trailing bits',
    INVALID,
    bound({
      field: (p, s) => [
        ['x-jws-signature', `${p}..${s.slice(0, -1)}${s.endsWith('A') ? 'B' : String.fromCharCode(s.charCodeAt(s.length - 1) + 1)}`],
      ],
    }),
  ],
  ['no signature bytes', MISMATCH, bound({ sign: () => Buffer.alloc(0) })],
  ['r = s = 0', MISMATCH, bound({ sign: () => Buffer.alloc(64) })],
  ['DER instead of r and s', MISMATCH, bound({ sign: der })],
  ['an RFC 9421 signature beside it', 'SIGNATURE_AMBIGUOUS', withHeaders(bound(), ['Signature', 'hufu=:AA==:'])],
  // D2
  ['alg none', INVALID, withMember({ alg: 'none' })],
  ['alg None', INVALID, withMember({ alg: 'None' })],
  ['alg HS256 with the public key as the secret', INVALID, bound({ members: { alg: 'HS256' }, sign: hmac })],
  ['an HMAC with the public key as the secret, unsaid', MISMATCH, bound({ sign: hmac })],
  ['alg RS256', INVALID, withMember({ alg: 'RS256' })],
  ['alg ES384', INVALID, withMember({ alg: 'ES384' })],
  ['alg PS512', INVALID, withMember({ alg: 'PS512' })],
  ['alg PS256 for a key of P-256', INVALID, withMember({ alg: 'PS256' })],
  ['alg that is no text', INVALID, withMember({ alg: ['ES256'] })],
  ['alg toString', INVALID, withMember({ alg: 'toString' })],
  ['no alg', INVALID, withMember({ alg: undefined })],
  // The protected header.
  ['a header that is not JSON', INVALID, bound({ headerText: () => '{"htm":' })],
  ['a header that is a list', INVALID, bound({ headerText: () => '["htm":1]' })],
  ['a member twice', INVALID, bound({ headerText: (text) => text.replace('{', '{"kid":"other",') })],
  ['a member twice, once escaped', INVALID, bound({ headerText: (text) => text.replace('{', '{"k\\u0069d":"other",') })],
  ['a byte order mark', INVALID, bound({ headerText: (text) => `\ufeff${text}` })],
  ['typ JWT', INVALID, withMember({ typ: 'JWT' })],
  ['cty text/plain', INVALID, withMember({ cty: 'text/plain' })],
  ['jku', INVALID, withMember({ jku: 'https://127.0.0.1/keys' })],
  ['jwk', INVALID, withMember({ jwk: KEY_PAIRS.ed25519.publicKey.export({ format: 'jwk' }) })],
  ['x5u', INVALID, withMember({ x5u: 'file:///etc/passwd' })],
  ['kid and x5c', INVALID, withMember({ x5c: ['AA=='] })],
  ['neither kid nor x5c', INVALID, withMember({ kid: undefined })],
  ['x5c that is empty', INVALID, withMember({ kid: undefined, x5c: [] })],
  ['x5c in base64url', INVALID, withMember({ kid: undefined, x5c: ['AA'] })],
  ['x5c of nine', INVALID, withMember({ kid: undefined, x5c: Array(9).fill('AA==') })],
  ['x5c that is text', INVALID, withMember({ kid: undefined, x5c: 'AA==' })],
  // D11
  ['an unknown kid', 'KEY_UNKNOWN', withMember({ kid: 'unknown' })],
  ['an empty kid', 'KEY_UNKNOWN', withMember({ kid: '' })],
  ['a kid of 10 KB', 'KEY_UNKNOWN', withMember({ kid: 'k'.repeat(10_240) })],
  ['a kid like a path', 'KEY_UNKNOWN', withMember({ kid: '../../k' })],
  ['kid __proto__', 'KEY_UNKNOWN', withMember({ kid: '__proto__' })],
  ['a kid that is a number', 'KEY_UNKNOWN', withMember({ kid: 1 })],
  // crit
  ['no crit', INVALID, withMember({ crit: undefined })],
  ['an empty crit', INVALID, withMember({ crit: [] })],
  ['crit that is text', INVALID, withMember({ crit: 'htm' })],
  ['crit with a number', INVALID, withMember({ crit: [1] })],
  ['an unknown name in crit', INVALID, bound({ members: { exp: NOW }, crit: [...names(), 'exp'] })],
  ['a registered name in crit', INVALID, bound({ crit: [...names(), 'kid'] })],
  ['a name twice in crit', INVALID, bound({ crit: [...names(), 'htm'] })],
  ['a name in crit that is not there', INVALID, bound({ crit: [...names(), 'range'] })],
  ['crit with __proto__', INVALID, bound({ crit: [...names(), '__proto__'] })],
  ...Object.keys(boundClaims()).map((name): [string, ErrorCode, JwsDraft] => [
    `${name} is not in crit`,
    COVERAGE,
    bound({ crit: names(name) }),
  ]),
  // The profile.
  ['b64 false where the profile has none', INVALID, bound({ members: { b64: false }, crit: [...names(), 'b64'] })],
  ['b64 true', INVALID, bound({ members: { b64: true }, crit: [...names(), 'b64'] })],
  ['b64 that is text', INVALID, bound({ options: OLD, members: { b64: 'false' }, crit: [...names(), 'b64'] })],
  ['b64 false that is not in crit', COVERAGE, bound({ options: OLD, crit: names() })],
  ['another issuer', 'MERCHANT_MISMATCH', plain({ claims: { ...OBIE_CLAIMS, 'http://openbanking.org.uk/iss': 'org-2/software-2' } })],
  ['an issuer where none is agreed', 'MERCHANT_MISMATCH', plain({ options: { ...JWS_OPTIONS, issuer: undefined } })],
  ['another trust anchor', INVALID, plain({ claims: { ...OBIE_CLAIMS, 'http://openbanking.org.uk/tan': 'example.com' } })],
  ...Object.keys(OBIE_CLAIMS).map((name): [string, ErrorCode, JwsDraft] => [
    `plain, without ${name}`,
    COVERAGE,
    plain({ claims: { ...OBIE_CLAIMS, [name]: undefined } }),
  ]),
  ["Open Banking's time is not ours", INVALID, bound({ claims: { ...boundClaims(), 'http://openbanking.org.uk/iat': NOW - 1 } })],
  // D3, holes 1 to 5: coverage.
  ['bound, without htu', COVERAGE, bound({ claims: boundClaims({ htu: undefined }) })],
  ['bound, without iat', INVALID, bound({ claims: boundClaims({ iat: undefined }) })],
  ['bound, without jti', INVALID, bound({ claims: boundClaims({ jti: undefined }) })],
  ['hole 5: plain, over no body', COVERAGE, plain({ body: '' })],
  ['hole 4: plain, with a query', COVERAGE, plain({ target: '/v1/orders?a=1' })],
  ['hole 4: plain, with an empty query', COVERAGE, plain({ target: '/v1/orders?' })],
  ['hole 4: plain, where the path says what is paid', COVERAGE, plain({ pathParameters: { orderNo: 'A1' } })],
  ['hole 5: plain, a GET', COVERAGE, plain({ ...GET, claims: OBIE_CLAIMS })],
  ['an Idempotency-Key that is not claimed', COVERAGE, bound({ claims: boundClaims({ 'idempotency-key': undefined }) })],
  ['a Merchant-Number that is not claimed', COVERAGE, bound({ claims: boundClaims({ 'merchant-number': undefined }) })],
  ['a Range that is not claimed', COVERAGE, withHeaders(bound(), ['Range', 'bytes=0-9'])],
  ['hole 3: a claimed header that is absent', COVERAGE, bound({ claims: boundClaims({ range: 'bytes=0-9' }) })],
  ['plain, claims another method, spelled with an escape', COVERAGE, hiddenMethod],
  ['plain, claims another URI', COVERAGE, plain({ claims: { ...OBIE_CLAIMS, htu: `https://${HOST}/v1/refunds` } })],
  ['plain, claims another key than nobody sent', COVERAGE, plain({ claims: { ...OBIE_CLAIMS, 'idempotency-key': 'order-A2' } })],
  ['plain, with an Idempotency-Key', COVERAGE, withHeaders(plain(), ['Idempotency-Key', 'a'])],
  ['hole 14: Idempotency-Key twice', 'HTTP_INVALID', withHeaders(bound(), ['idempotency-key', 'order-A1'])],
  [
    'a Host that is not ours',
    'HTTP_INVALID',
    bound({ headers: bound().headers.map((header) => (header[0] === 'Host' ? ['Host', 'test.example'] : header)) }),
  ],
  ['a digest that is not the body', MISMATCH, withHeaders(bound(), ['Content-Digest', `sha-256=:${digestOf('other')}:`])],
  // E, holes 1 and 8: time and nonce.
  ['iat as text', INVALID, bound({ claims: boundClaims({ iat: String(NOW) }) })],
  ['iat with a fraction', INVALID, bound({ claims: boundClaims({ iat: NOW + 0.5 }) })],
  ['iat below zero', INVALID, bound({ claims: boundClaims({ iat: -1 }) })],
  ['iat in milliseconds', 'TIMESTAMP_SKEW', bound({ claims: boundClaims({ iat: NOW_MS }) })],
  ['301 s old', 'TIMESTAMP_SKEW', bound({ claims: boundClaims({ iat: NOW - 301 }) })],
  ['301 s ahead', 'TIMESTAMP_SKEW', bound({ claims: boundClaims({ iat: NOW + 301 }) })],
  ['plain, 301 s old', 'TIMESTAMP_SKEW', plain({ claims: { ...OBIE_CLAIMS, 'http://openbanking.org.uk/iat': NOW - 301 } })],
  ['a short jti', INVALID, bound({ claims: boundClaims({ jti: 'a'.repeat(21) }) })],
  ['a jti with a colon', INVALID, bound({ claims: boundClaims({ jti: `${'a'.repeat(22)}:` }) })],
  ['a jti that is a number', INVALID, bound({ claims: boundClaims({ jti: 1 }) })],
  // What a merchant may use.
  ['a plain one where only the bound is enabled', 'SIGNATURE_SCHEME', plain({ enabled: ['jws', 'rfc9421'] })],
  ['a bound one where only the plain is enabled', 'SIGNATURE_SCHEME', bound({ enabled: ['jws-obie'] })],
  ['neither is enabled', 'SIGNATURE_SCHEME', bound({ enabled: ['rfc9421'] })],
];
for (const [why, code, made] of refused) test(`${code}: ${why}`, () => void assertRefused(code, () => verify(made)));

/** A good request of which one thing changed on the way. */
const changed: readonly (readonly [why: string, arrives: Parameters<typeof makeJws>[1], made?: JwsDraft])[] = [
  ['another method', { method: 'PUT' }],
  ['another path', { target: '/v1/orders/X?a=1' }],
  ['hole 4: no query', { target: '/v1/orders' }],
  ['D6: %61 for a', { target: '/v1/orders?%61=1' }],
  ['D4: another body', { body: BODY.replace('100', '900') }],
  ['D4: a space more in the body', { body: `${BODY} ` }],
  ['D4: no body', { body: '' }],
  ['D4: another body, plain', { body: BODY.replace('100', '900') }, plain()],
  ['D4: another body, not encoded', { body: `${BODY}\n` }, plain({ options: OLD })],
  ['D8: another port', { headers: bound().headers.map(([name, value]): Header => [name, name === 'Host' ? `${HOST}:8443` : value]) }],
  [
    'another Idempotency-Key',
    { headers: bound().headers.map(([name, value]): Header => [name, name === 'Idempotency-Key' ? 'b' : value]) },
  ],
  [
    'another Merchant-Number',
    { headers: bound().headers.map(([name, value]): Header => [name, name === 'Merchant-Number' ? '800000000000002' : value]) },
  ],
];
for (const [why, arrives, made = bound()] of changed) {
  test(`SIGNATURE_MISMATCH: ${why}`, () => void assertRefused('SIGNATURE_MISMATCH', () => verify(made, arrives)));
}

test('a payload that is signed encoded is not one that is signed as it is', () => {
  const body = Buffer.from(BODY).toString('base64url');
  assertRefused('SIGNATURE_INVALID', () => verify(plain(), { body, options: OLD }));
  assertRefused('SIGNATURE_INVALID', () => verify(plain({ options: OLD }), { options: JWS_OPTIONS }));
});

test('hole 18: the second signature that ECDSA has for a plain message has the same nonce', () => {
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const twin = (input: Buffer) => {
    const bytes = signBytes('ecdsa-p256-sha256', KEY_PAIRS['ecdsa-p256-sha256'].privateKey, input);
    const s = BigInt(`0x${bytes.subarray(32).toString('hex')}`);
    return Buffer.concat([bytes.subarray(0, 32), Buffer.from((order - s).toString(16).padStart(64, '0'), 'hex')]);
  };
  const [one, other] = [verify(plain()), verify(plain({ sign: twin }))];
  assert.notDeepEqual(one.signature, other.signature);
  assert.equal(one.nonce, other.nonce);
  assert.equal(one.nonce, verify(plain(), { target: '/v1/refunds' }).nonce, 'sent to another path it is the same message');
});

test('a key that several merchants may use signs only where the merchant is claimed', () => {
  const shared = optionsFor([{ ...ES256, merchantNumbers: [MERCHANT, '800000000000002'] }]);
  assert.ok(verifySignature(makeJws(bound()), shared));
  const unnamed = bound({
    headers: bound().headers.filter(([name]) => name !== 'Merchant-Number'),
    claims: boundClaims({ 'merchant-number': undefined }),
  });
  for (const made of [unnamed, plain()]) assertRefused('SIGNATURE_COVERAGE', () => verifySignature(makeJws(made), shared));
  const foreign = optionsFor([{ ...ES256, merchantNumbers: ['800000000000002'] }]);
  assertRefused('MERCHANT_MISMATCH', () => verifySignature(makeJws(bound()), foreign));
});

test('a key that is registered for another algorithm does not sign here', () => {
  for (const algorithm of ['rsa-v1_5-sha256', 'rsa-pss-sha512'] as const) {
    const options = optionsFor([keyOf(algorithm, { keyid: KID })]);
    assertRefused('SIGNATURE_INVALID', () => verifySignature(makeJws(bound({ alg: 'PS256' })), options));
  }
  const http = optionsFor([keyOf('rsa-pss-sha256')]);
  assertRefused('SIGNATURE_INVALID', () => verifySignature(make(draft({ algorithm: 'rsa-pss-sha256' })), http));
});

test('x5c: the certificates are handed to those who check them, the key is what they say', () => {
  const seen: (readonly Uint8Array[])[] = [];
  const certificate = {} as MessageSigner['certificate'];
  const options = optionsFor([], {
    checkSigner: (chain) => {
      seen.push(chain);
      return { certificate, key: keyOf('rsa-v1_5-sha256', { keyid: 'of the certificate' }) };
    },
  });
  const made = bound({ alg: 'PS256', members: { kid: undefined, x5c: ['AAEC', 'Aw=='] } });
  assert.equal(verifySignature(makeJws(made), options).key.keyid, 'of the certificate');
  assert.deepEqual(seen, [[Buffer.from([0, 1, 2]), Buffer.from([3])]]);
});

/** The oracle: jose, used as its documentation says. */
for (const alg of ['PS256', 'ES256'] as const) {
  const { privateKey, publicKey } = KEY_PAIRS[alg === 'PS256' ? 'rsa-pss-sha256' : 'ecdsa-p256-sha256'];
  const understood = (claims: object) => ({ crit: Object.fromEntries(Object.keys(claims).map((name) => [name, true])) });
  const requestWith = (field: string, made: JwsDraft): Routed => makeJws({ ...made, field: () => [['x-jws-signature', field]] });

  test(`jose signs with ${alg}, we verify: encoded and not encoded`, async () => {
    const claims = boundClaims();
    const header = { alg, typ: 'JOSE', cty: 'application/json', kid: KID, ...claims };
    const compact = await new CompactSign(Buffer.from(BODY))
      .setProtectedHeader({ ...header, crit: Object.keys(claims) })
      .sign(privateKey, understood(claims));
    const [head, , signature] = compact.split('.');
    assert.ok(verifySignature(requestWith(`${head}..${signature}`, bound({ alg })), optionsOf({ alg })));
    const obie = { alg, kid: KID, b64: false, ...OBIE_CLAIMS };
    const flattened = await new FlattenedSign(Buffer.from(BODY))
      .setProtectedHeader({ ...obie, crit: ['b64', ...Object.keys(OBIE_CLAIMS)] })
      .sign(privateKey, understood(OBIE_CLAIMS));
    const request = requestWith(`${flattened.protected}..${flattened.signature}`, plain({ alg, options: OLD }));
    assert.ok(verifySignature(request, optionsOf({ alg })));
  });

  test(`jose verifies what the maker of these tests signs with ${alg}`, async () => {
    for (const options of [JWS_OPTIONS, OLD]) {
      const made = plain({ alg, options });
      const value = makeJws(made).rawHeaders.at(-1) as string;
      const [head = '', , signature = ''] = value.split('.');
      const payload = options === OLD ? Buffer.from(BODY) : Buffer.from(BODY).toString('base64url');
      assert.ok(await flattenedVerify({ protected: head, payload, signature }, publicKey, understood(OBIE_CLAIMS)));
    }
  });
}

for (const options of [JWS_OPTIONS, OLD]) {
  test(`jose verifies our answers: ${options.profile}`, async () => {
    const signer = {
      keyid: 'platform-ec',
      algorithm: 'ecdsa-p256-sha256',
      sign: (data: Uint8Array) => signBytes('ecdsa-p256-sha256', KEY_PAIRS['ecdsa-p256-sha256'].privateKey, data),
    } as const;
    const body = Buffer.from('{"orderNo":"A1"}');
    const [name, value = ''] =
      (await schemeOf('jws').signAnswer?.({
        status: 200,
        contentType: 'application/json',
        body,
        nowMs: NOW_MS,
        signatureOptions: { jws: options, 'wechatpay-v3': {}, 'alipay-v3': {}, 'sorted-rsa2': {} },
        operationId: 'x',
        requestId: '',
        nonce: '',
        answerAlgorithm: 'ecdsa-p256-sha256',
        findSigner: () => ({ signer, serialNumber: '', alipaySerial: '', der: Buffer.alloc(0) }),
      })) ?? [];
    assert.equal(name, 'x-jws-signature');
    const [head = '', payload, signature = ''] = value.split('.');
    assert.equal(payload, '');
    const given = { protected: head, payload: options === OLD ? body : body.toString('base64url'), signature };
    const crit = { crit: Object.fromEntries(Object.keys(OBIE_CLAIMS).map((claim) => [claim, true])) };
    const { protectedHeader } = await flattenedVerify(given, KEY_PAIRS['ecdsa-p256-sha256'].publicKey, crit);
    assert.deepEqual(
      [
        protectedHeader?.kid,
        protectedHeader?.b64,
        protectedHeader?.['http://openbanking.org.uk/iat'],
        protectedHeader?.['http://openbanking.org.uk/iss'],
      ],
      ['platform-ec', options === OLD ? false : undefined, NOW, 'hufu'],
    );
  });
}

test('property: no other character in the signature, the target or the body is accepted', () => {
  const made = bound();
  const request = makeJws(made);
  const at = request.rawHeaders.indexOf('x-jws-signature') + 1;
  verifySignature(request, optionsOf(made));
  const put: readonly (readonly [string, (text: string) => Routed])[] = [
    [request.rawHeaders[at] as string, (text) => ({ ...request, rawHeaders: request.rawHeaders.with(at, text) })],
    [request.target, (target) => ({ ...request, target })],
    [BODY, (body) => ({ ...request, body: Buffer.from(body, 'latin1') })],
  ];
  for (const [text, change] of put) {
    fc.assert(
      fc.property(fc.nat({ max: text.length - 1 }), fc.integer({ min: 0x21, max: 0x7e }), fc.nat({ max: 1 }), (index, code, length) => {
        const other = text.slice(0, index) + String.fromCharCode(code) + text.slice(index + length);
        fc.pre(other !== text);
        refusalOf(() => verifySignature(change(other), optionsOf(made)));
      }),
      { numRuns: 150 },
    );
  }
});

test('property: no protected header, however strange, gives anything but a refusal', () => {
  const headers = fc.oneof(
    fc.json({ maxDepth: 2 }),
    fc
      .record(
        {
          alg: fc.constantFrom('ES256', 'none', 1),
          kid: fc.constantFrom(KID, null, {}),
          crit: fc.oneof(fc.array(fc.constantFrom('htm', 'b64', 'x')), fc.jsonValue()),
          b64: fc.jsonValue(),
          htm: fc.jsonValue(),
        },
        { requiredKeys: [] },
      )
      .map((value) => JSON.stringify(value)),
    fc.string({ unit: 'binary' }),
  );
  fc.assert(
    fc.property(headers, (text) => {
      refusalOf(() => verify(bound({ headerText: () => text })));
    }),
    { numRuns: 400 },
  );
});
