import assert from 'node:assert/strict';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { base64url, SignJWT, UnsecuredJWT } from 'jose';
import { readAssertionKeys, toAssertionKeys } from '../../src/reference-core/assertion.ts';
import {
  type CoreCallOptions,
  callCore,
  coreHeaders,
  createAssertionSigner,
  executionQuery,
  freshKey,
  freshOrderNo,
  MERCHANT_2,
  orderCall,
  startTestCore,
  type TestCore,
} from '../support/core.ts';

let core: TestCore;
before(async () => {
  core = await startTestCore();
});
after(() => core.dispose());

const now = (): number => Math.floor(Date.now() / 1000);
const otherKey = freshKey();

/** Ways to spoil a good order; what the core answers; why. */
const spoiled: readonly (readonly [Partial<CoreCallOptions>, string, string])[] = [
  [{ headers: { 'hufu-assertion': undefined } }, 'ASSERTION_INVALID', 'no assertion at all'],
  [{ headers: { 'hufu-assertion': 'a.b.c' } }, 'ASSERTION_INVALID', 'not a token'],
  [{ headers: { 'hufu-assertion': '' } }, 'ASSERTION_INVALID', 'an empty one'],
  [{ header: { kid: 'f'.repeat(64) } }, 'ASSERTION_INVALID', 'a key id that nobody pinned'],
  [{ header: { kid: undefined } }, 'ASSERTION_INVALID', 'no key id'],
  [{ header: { typ: 'at+jwt' } }, 'ASSERTION_INVALID', 'a token of another type'],
  [{ header: { typ: undefined } }, 'ASSERTION_INVALID', 'a token without type'],
  [{ claims: { iss: 'other' } }, 'ASSERTION_INVALID', 'another issuer'],
  [{ claims: { aud: 'ledger' } }, 'ASSERTION_INVALID', 'meant for another service'],
  [{ claims: { aud: undefined } }, 'ASSERTION_INVALID', 'meant for nobody'],
  [{ claims: { exp: undefined } }, 'ASSERTION_INVALID', 'lives for ever'],
  [{ claims: { iat: undefined } }, 'ASSERTION_INVALID', 'no time of issue, so that its lifetime is not known'],
  [{ claims: { iat: now() - 40, exp: now() + 10 } }, 'ASSERTION_INVALID', 'lives more than 30 s'],
  [{ lifetimeSeconds: 31 }, 'ASSERTION_INVALID', 'one second more than 30'],
  [{ claims: { iat: now() + 60, exp: now() + 80 } }, 'ASSERTION_INVALID', 'issued in the future'],
  [{ claims: { exp: now() + 10.5 } }, 'ASSERTION_INVALID', 'fractional seconds'],
  [{ claims: { iat: now() - 20, exp: now() - 1 } }, 'ASSERTION_EXPIRED', 'expired'],
  [{ claims: { nbf: now() + 20 } }, 'ASSERTION_INVALID', 'not valid yet'],
  [{ claims: { merchant: MERCHANT_2 } }, 'ASSERTION_INVALID', 'vouches for another merchant than the header says'],
  [{ headers: { 'hufu-merchant-number': MERCHANT_2 } }, 'ASSERTION_INVALID', 'the header says another merchant'],
  [{ headers: { 'hufu-merchant-number': undefined } }, 'ASSERTION_INVALID', 'no merchant header'],
  [{ claims: { merchant: '8' } }, 'ASSERTION_INVALID', 'not a merchant number'],
  [{ claims: { operation: 'orders.close' } }, 'ASSERTION_INVALID', 'another operation'],
  [{ claims: { method: 'GET' } }, 'ASSERTION_INVALID', 'another method'],
  [{ claims: { target: '/v1/orders/A' } }, 'ASSERTION_INVALID', 'another path'],
  [{ claims: { target: '/v1/orders?' } }, 'ASSERTION_INVALID', 'another query'],
  [{ claims: { digest: freshKey() } }, 'ASSERTION_INVALID', 'other body bytes'],
  [{ claims: { digest: undefined } }, 'ASSERTION_INVALID', 'no digest'],
  [{ claims: { key: otherKey } }, 'ASSERTION_INVALID', 'another key than the header'],
  [{ claims: { key: undefined } }, 'ASSERTION_INVALID', 'the header has a key that nobody vouched for'],
  [{ claims: { key: 7 } }, 'ASSERTION_INVALID', 'a key that is no text'],
  [{ headers: { 'idempotency-key': undefined } }, 'ASSERTION_INVALID', 'the vouched key was not sent'],
  [{ headers: { 'idempotency-key': undefined }, claims: { key: undefined } }, 'IDEMPOTENCY_KEY_REQUIRED', 'a write without a key'],
  [{ claims: { jti: undefined } }, 'ASSERTION_INVALID', 'no request id'],
  [{ headers: { 'hufu-request-id': randomUUID() } }, 'ASSERTION_INVALID', 'the request id of another request'],
  [{ claims: { certificate: undefined } }, 'ASSERTION_INVALID', 'no certificate'],
];
for (const [spoil, code, why] of spoiled) {
  test(`refused and not begun: ${why}`, async () => {
    const good = orderCall(freshOrderNo(), 100);
    const { status, code: found } = await core.call({ ...good, ...spoil });
    assert.equal(found, code);
    assert.equal(status, code === 'IDEMPOTENCY_KEY_REQUIRED' ? 400 : 401);
    assert.equal((await core.call(executionQuery(good.key as string))).code, 'EXECUTION_NOT_FOUND');
  });
}

test('the good order of the table is accepted: each row fails by its own spoiling', async () => {
  assert.equal((await core.call(orderCall(freshOrderNo(), 100))).status, 201);
});

test('algorithms are pinned: none, HMAC with the public key, another EC key and another curve are refused', async () => {
  const call = orderCall(freshOrderNo(), 100);
  const headers = await coreHeaders(core.signer, call);
  const [protectedPart, payload] = (headers['hufu-assertion'] as string).split('.') as [string, string];
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
  const kid = JSON.parse(Buffer.from(protectedPart, 'base64url').toString()).kid;
  const secret = core.signer.publicKey.export({ type: 'spki', format: 'pem' });
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
  const strangers = {
    none: new UnsecuredJWT(claims).encode(),
    'none, marked with our key id': `${base64url.encode(JSON.stringify({ alg: 'none', kid, typ: 'JWT' }))}.${payload}.`,
    hmac: await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid, typ: 'JWT' }).sign(Buffer.from(secret)),
    'another key': await createAssertionSigner().sign(claims, { kid }),
    'another curve': await new SignJWT(claims).setProtectedHeader({ alg: 'ES384', kid, typ: 'JWT' }).sign(p384),
    'signature cut off': `${protectedPart}.${payload}.`,
  };
  for (const [name, token] of Object.entries(strangers)) {
    const answer = await core.call({ ...call, headers: { 'hufu-assertion': token } });
    assert.equal(answer.code, 'ASSERTION_INVALID', name);
    assert.equal(answer.status, 401, name);
  }
});

test('an assertion cannot be moved to another request', async () => {
  const orderNo = freshOrderNo();
  const first = orderCall(orderNo, 100);
  const stolen = (await coreHeaders(core.signer, first))['hufu-assertion'] as string;
  for (const other of [orderCall(orderNo, 200, first.key), orderCall(freshOrderNo(), 100), executionQuery(first.key as string)]) {
    const answer = await callCore(core.url, core.signer, { ...other, headers: { 'hufu-assertion': stolen } });
    assert.equal(answer.code, 'ASSERTION_INVALID');
  }
});

test('two keys may be pinned while one replaces the other', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'hufu-core-'));
  const next = createAssertionSigner();
  const file = join(directory, 'assertion.pub');
  writeFileSync(file, [core.signer, next].map((signer) => signer.publicKey.export({ type: 'spki', format: 'pem' })).join(''));
  const both = await startTestCore({ assertionPublicKeyFile: file });
  try {
    for (const signer of [core.signer, next]) assert.equal((await callCore(both.url, signer, orderCall(freshOrderNo(), 1))).status, 201);
  } finally {
    await both.dispose();
    rmSync(directory, { recursive: true });
  }
});

test('a key file that cannot be used is named with what to do', () => {
  const directory = mkdtempSync(join(tmpdir(), 'hufu-core-'));
  const file = join(directory, 'assertion.pub');
  assert.throws(() => readAssertionKeys(file), /assertion\.pub: cannot be read/);
  writeFileSync(file, 'nothing');
  assert.throws(() => readAssertionKeys(file), /holds no PEM public key/);
  writeFileSync(file, '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n');
  assert.throws(() => readAssertionKeys(file), /assertion\.pub/);
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey;
  writeFileSync(file, rsa.export({ type: 'spki', format: 'pem' }));
  assert.throws(() => readAssertionKeys(file), /must be a P-256 key/);
  assert.throws(() => toAssertionKeys([rsa]), { name: 'UserError' });
  rmSync(directory, { recursive: true });
});
