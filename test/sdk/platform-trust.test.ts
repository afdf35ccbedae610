import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { defaultAlgorithm, signBytes } from '../../src/protocol/algorithms.ts';
import type { ReceivedAnswer, WireRequest } from '../../src/sdk/answer.ts';
import type { PlatformList } from '../../src/sdk/platform-list.ts';
import { createTrust, type Trust, type TrustOptions } from '../../src/sdk/platform-trust.ts';
import { signAnswer } from '../../src/signature/sign.ts';
import { type Leaf, makePki, type Pki } from '../support/pki.ts';

const THUMBPRINT = 'x'.repeat(43);
const HOUR_MS = 3_600_000;
const CALL: WireRequest = { method: 'GET', target: '/v1/platform-certificates', rawHeaders: ['Host', 'localhost'], body: Buffer.alloc(0) };

let pki: Pki;
let old: Leaf;
let next: Leaf;
let expired: Leaf;
before(async () => {
  pki = await makePki();
  const signing = { authority: 'signing-authority', profile: 'signing' } as const;
  old = pki.read('signing/platform-ec');
  next = await pki.issueMerchant({ ...signing, subject: 'CN=next,O=Bank,C=CN', notAfterMs: Date.now() + 400 * 24 * HOUR_MS });
  expired = await pki.issueMerchant({ ...signing, notBeforeMs: Date.now() - 9 * HOUR_MS, notAfterMs: Date.now() - HOUR_MS });
});
after(() => pki.dispose());

type Rows = readonly (readonly [keyid: string, leaf: Leaf])[];
const listOf = (rows: Rows, retired: readonly string[] = []): string =>
  JSON.stringify({
    certificates: rows.map(([keyid, leaf]) => ({ keyid, pem: leaf.certificatePem, status: 'current' })),
    retired: retired.map((keyid) => ({ keyid })),
  });

/** An answer to CALL as the gateway gives it, signed with any key. */
async function answered(body: string, keyid: string, leaf: Leaf, nowMs: number, verified = '?1'): Promise<ReceivedAnswer> {
  const algorithm = defaultAlgorithm(leaf.privateKey);
  const signer = { keyid, algorithm, sign: (data: Uint8Array) => signBytes(algorithm, leaf.privateKey, data) };
  const headers = ['Content-Type', 'application/json', 'Hufu-Request-Id', 'r', 'Hufu-Certificate', THUMBPRINT, 'Hufu-Verified', verified];
  const createdAtSeconds = Math.floor(nowMs / 1000);
  const signed = await signAnswer({ request: CALL, status: 200, headers, body: Buffer.from(body), signer, createdAtSeconds });
  return { status: 200, rawHeaders: [...headers, ...signed], body: Buffer.from(body) };
}

type Served = { body: string; keyid: string; leaf: Leaf };
/** A merchant's trust towards a gateway that serves what `serve` says now. */
function trustIn(serve: () => Served, options: TrustOptions) {
  let fetches = 0;
  const clock = { nowMs: Date.now() };
  const trust = createTrust(options, {
    thumbprint: THUMBPRINT,
    now: () => clock.nowMs,
    deliver: async () => {
      fetches += 1;
      const { body, keyid, leaf } = serve();
      return { sent: CALL, received: await answered(body, keyid, leaf, clock.nowMs) };
    },
  });
  const trusts = async (keyid: string, leaf: Leaf): Promise<boolean> =>
    (await trust.keysFor(await answered('{}', keyid, leaf, clock.nowMs)))(keyid) !== undefined;
  return { trust, trusts, clock, fetches: () => fetches };
}
const authority = () => ({ platformAuthority: pki.read('signing-authority').certificatePem });
const pin = (keyid: string, leaf: Leaf) => ({ trustedKeys: [{ keyid, pem: leaf.certificatePem }] });

const chained: readonly (readonly [() => TrustOptions, () => Served, boolean, string])[] = [
  [
    authority,
    () => ({ body: listOf([['next', next]]), keyid: 'next', leaf: next }),
    true,
    'vouched for by the authority, signed by the key itself',
  ],
  [
    () => ({ ...pin('gone', expired), ...authority() }),
    () => ({ body: listOf([['next', next]]), keyid: 'next', leaf: next }),
    true,
    'a pinned key that has expired is not needed: the path to the authority is',
  ],
  [
    () => pin('gone', expired),
    () => ({ body: listOf([['next', next]]), keyid: 'gone', leaf: expired }),
    false,
    'an expired key introduces nobody',
  ],
  [
    () => pin('old', old),
    () => ({ body: listOf([['next', next]]), keyid: 'old', leaf: old }),
    false,
    'pinned keys alone: what is listed must be pinned too',
  ],
  [
    () => ({ ...authority(), platformName: 'Bank' }),
    () => ({ body: listOf([['next', next]]), keyid: 'next', leaf: next }),
    true,
    'of the name',
  ],
  [
    () => ({ ...authority(), platformName: 'Bank2' }),
    () => ({ body: listOf([['next', next]]), keyid: 'next', leaf: next }),
    false,
    'of another name',
  ],
  [
    () => ({ ...authority(), platformName: 'ank' }),
    () => ({ body: listOf([['next', next]]), keyid: 'next', leaf: next }),
    false,
    'a part of the name',
  ],
  [
    authority,
    () => ({ body: listOf([['next', next]], ['next']), keyid: 'next', leaf: next }),
    false,
    'a list signed by what it calls retired',
  ],
  [authority, () => ({ body: listOf([['next', expired]]), keyid: 'next', leaf: expired }), false, 'an expired certificate'],
  [authority, () => ({ body: 'x', keyid: 'next', leaf: next }), false, 'no list'],
];
for (const [options, serve, isTrusted, why] of chained) {
  test(`the next key is ${isTrusted ? '' : 'not '}trusted: ${why}`, async () => {
    assert.equal(await trustIn(serve, options()).trusts('next', next), isTrusted);
  });
}

test('what is verified can be pinned by hand: the list, while the pinned key still signs', async () => {
  const { trust } = trustIn(
    () => ({
      body: listOf([
        ['old', old],
        ['next', next],
      ]),
      keyid: 'old',
      leaf: old,
    }),
    pin('old', old),
  );
  const list = (await trust.fetch()) as PlatformList;
  assert.deepEqual(
    list.keys.map(({ keyid }) => keyid),
    ['old', 'next'],
  );
  const nobody = trustIn(() => ({ body: listOf([['next', next]]), keyid: 'next', leaf: next }), pin('old', old));
  assert.equal(await nobody.trust.fetch(), undefined);
});

test('a retired key is refused for ever, pinned or not, also by a list that takes it back and after a restart', async () => {
  let served: Served = { body: listOf([['next', next]], ['old']), keyid: 'next', leaf: next };
  const lists: PlatformList[] = [];
  const options = { ...pin('old', old), ...authority(), onPlatformKeys: (list: PlatformList) => lists.push(list) };
  const merchant = trustIn(() => served, options);
  assert.ok(await merchant.trusts('old', old), 'until it is told');
  await merchant.trust.fetch();
  assert.ok(!(await merchant.trusts('old', old)));
  served = { body: listOf([['old', old]]), keyid: 'old', leaf: old };
  assert.equal(await merchant.trust.fetch(), undefined, 'a list that only the stolen key signs');
  assert.ok(!(await merchant.trusts('old', old)));
  const kept = JSON.parse(JSON.stringify(lists.at(-1))) as PlatformList;
  const restarted = trustIn(() => served, { ...pin('old', old), ...authority(), keptPlatformKeys: kept });
  assert.ok(!(await restarted.trusts('old', old)));
  assert.ok(await restarted.trusts('next', next), 'and what was kept needs no new list');
  assert.equal(restarted.fetches(), 0);
  const forged = {
    ...kept,
    keys: [{ keyid: 'next', algorithm: 'ecdsa-p256-sha256', pem: pki.read('merchants/800000000000002').certificatePem, status: 'current' }],
  } as PlatformList;
  const tampered = trustIn(() => ({ body: 'x', keyid: 'x', leaf: old }), { ...authority(), keptPlatformKeys: forged });
  assert.ok(!(await tampered.trusts('next', next)), 'a kept key is checked again');
});

test('a key that a verified list no longer names is not trusted any more', async () => {
  let served: Served = {
    body: listOf([
      ['old', old],
      ['next', next],
    ]),
    keyid: 'next',
    leaf: next,
  };
  const merchant = trustIn(() => served, authority());
  assert.ok(await merchant.trusts('old', old));
  served = { body: listOf([['next', next]]), keyid: 'next', leaf: next };
  await merchant.trust.fetch();
  assert.ok(!(await merchant.trusts('old', old)));
});

test('answers that come together with an unknown keyid wait for one list', async () => {
  const merchant = trustIn(() => ({ body: listOf([['next', next]]), keyid: 'next', leaf: next }), authority());
  assert.deepEqual(await Promise.all(Array.from({ length: 5 }, () => merchant.trusts('next', next))), Array(5).fill(true));
  assert.equal(merchant.fetches(), 1);
});

test('an unknown keyid asks once, different ones are bounded, and a minute later it may ask again', async () => {
  const merchant = trustIn(() => ({ body: listOf([['old', old]]), keyid: 'old', leaf: old }), authority());
  for (let i = 0; i < 3; i += 1) assert.ok(!(await merchant.trusts('unknown', next)));
  assert.equal(merchant.fetches(), 1);
  for (let i = 0; i < 50; i += 1) await merchant.trusts(`unknown-${i}`, next);
  assert.equal(merchant.fetches(), 8);
  merchant.clock.nowMs += 60_000;
  await merchant.trusts('unknown', next);
  assert.equal(merchant.fetches(), 9);
});

test('the list is fetched beside a call every twelve hours, and hourly in the last week of a certificate', async () => {
  const cases: readonly (readonly [Leaf, number, number])[] = [
    [next, 11 * HOUR_MS, 0],
    [next, 12 * HOUR_MS, 1],
    [old, 12 * HOUR_MS, 1],
  ];
  for (const [leaf, laterMs, fetches] of cases) {
    const merchant = trustIn(() => ({ body: listOf([['key', leaf]]), keyid: 'key', leaf }), pin('key', leaf));
    merchant.clock.nowMs += laterMs;
    assert.ok(await merchant.trusts('key', leaf));
    assert.ok(await merchant.trusts('key', leaf));
    assert.equal(merchant.fetches(), fetches);
  }
  const ending = trustIn(() => ({ body: listOf([['next', next]]), keyid: 'next', leaf: next }), pin('next', next));
  ending.clock.nowMs += 394 * 24 * HOUR_MS;
  await ending.trusts('next', next);
  ending.clock.nowMs += HOUR_MS;
  await ending.trusts('next', next);
  assert.equal(ending.fetches(), 2);
});

test('a gateway that is away takes nothing from what is trusted', async () => {
  const trust: Trust = createTrust(pin('old', old), {
    thumbprint: THUMBPRINT,
    now: () => Date.now() + 13 * HOUR_MS,
    deliver: () => Promise.reject(new Error('away')),
  });
  assert.equal(await trust.fetch(), undefined);
  assert.ok((await trust.keysFor(await answered('{}', 'old', old, Date.now())))('old'));
});
