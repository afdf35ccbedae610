import assert from 'node:assert/strict';
import { test } from 'node:test';
import { foldBans } from '../../src/identity/bans.ts';
import { identify, isServed, judgeAlone, type Registers } from '../../src/identity/identify.ts';
import type { Announced, AnnouncementKind } from '../../src/ports/announcements.ts';
import { bindingKeyOf, parseName } from '../../src/protocol/distinguished-name.ts';
import { Refusal } from '../../src/protocol/errors.ts';
import { bindingMark, nameMark, serialMark, thumbprintMark } from '../../src/protocol/marks.ts';
import type { Merchant } from '../../src/protocol/merchant.ts';
import type { Arrived, Peer } from '../../src/protocol/messages.ts';
import type { Binding, Snapshot } from '../../src/registry/snapshot.ts';

const [ONE, TWO, THREE, SUSPENDED] = ['800000000000001', '800000000000002', '800000000000003', '800000000000009'];
const key = (subject: string, authority = 'merchants'): string => bindingKeyOf(authority, parseName(subject));

const bindings = new Map<string, readonly string[]>([
  [key('CN=1'), [ONE]],
  [key('CN=2'), [TWO]],
  [key('CN=agent'), [TWO, THREE]],
  [key('CN=9'), [SUSPENDED]],
  [key('CN=ghost'), ['800000000000404']],
]);
const merchants = new Map(
  [ONE, TWO, THREE, SUSPENDED].map((number) => [number, { number, status: number === SUSPENDED ? 'suspended' : 'active' } as Merchant]),
);
const FOR_EVER = { notBeforeMs: 0, notAfterMs: Number.MAX_SAFE_INTEGER, pins: [] };
const snapshotWith = (terms: Partial<Binding> = {}, blocked: readonly string[] = []): Snapshot =>
  ({
    findBound: (bindingKey: string) =>
      (bindings.get(bindingKey) ?? []).map((merchantNumber): Binding => ({ merchantNumber, ...FOR_EVER, ...terms })),
    findMerchant: (number: string) => merchants.get(number),
    blocked: new Set(blocked),
  }) as unknown as Snapshot;
const registers: Registers = {
  snapshot: snapshotWith(),
  bans: foldBans([]),
  crls: { judge: () => 'good' },
  ocsp: { judge: () => 'good', refresh: () => undefined },
};

const NOT_BEFORE_MS = 1_000_000;
const NOT_AFTER_MS = 2_000_000;
const peerOf = (bindingKey: string, changes: Partial<Peer> = {}): Peer => ({
  trust: 'merchants',
  thumbprint: 't',
  bindingKey,
  subject: 's',
  serialNumber: '01',
  authority: 'merchants',
  keyid: 'k'.repeat(64),
  issuerKeyid: 'a'.repeat(64),
  responders: [],
  notBeforeMs: NOT_BEFORE_MS,
  notAfterMs: NOT_AFTER_MS,
  ...changes,
});
const arrived = (peer: Peer, rawHeaders: readonly string[] = []): Arrived =>
  ({ peer, rawHeaders, times: {}, method: 'GET', target: '/', requestId: 'r' }) as unknown as Arrived;
const header = (value: string, name = 'Merchant-Number'): string[] => ['Host', 'localhost', name, value];

const accepted = [
  // name            headers                                expected   why
  ['CN=1', [], ONE, 'the only bound number needs no header'],
  ['CN=1', header(ONE), ONE, 'the only bound number, said'],
  ['CN=1', header(ONE, 'MERCHANT-NUMBER'), ONE, 'header names have no case'],
  ['CN=agent', header(TWO), TWO, 'one of several'],
  ['CN=agent', header(THREE), THREE, 'the other of several'],
  ['CN=1', header(TWO, 'X-Merchant-Id'), ONE, 'other headers that claim a merchant count for nothing'],
  ['CN=1', header('CN=2', 'X-SSL-Client-S-DN'), ONE, 'nor do headers that claim a certificate'],
] as const;

for (const [subject, headers, expected, why] of accepted) {
  test(`identify: ${why}`, () => {
    const request = arrived(peerOf(key(subject)), headers);
    const identified = identify(request, registers, NOT_BEFORE_MS);
    assert.equal(identified.merchant.number, expected);
    assert.equal(identified.times, request.times);
  });
}

/** What the merchant would see of the refusal. */
function refusalOf(run: () => unknown): { code: string; detail: string | undefined } {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof Refusal, String(error));
    return { code: error.code, detail: error.options.detail };
  }
  return assert.fail('nothing was refused');
}

const refused = [
  // name            headers                                        code                    why
  ['CN=stranger', [], 'CERTIFICATE_UNBOUND', 'a name that nobody registered'],
  ['CN=stranger', header(ONE), 'CERTIFICATE_UNBOUND', 'a name that nobody registered, with a claim'],
  ['CN=ghost', [], 'CERTIFICATE_UNBOUND', 'a binding to a merchant that is not there'],
  ['CN=2', header(ONE), 'MERCHANT_MISMATCH', "merchant 2's certificate, merchant 1's number"],
  ['CN=agent', header(ONE), 'MERCHANT_MISMATCH', 'a number that was not delegated'],
  ['CN=agent', [], 'MERCHANT_MISMATCH', 'several numbers and no choice'],
  ['CN=1', header(''), 'MERCHANT_MISMATCH', 'an empty header'],
  ['CN=1', header(`${ONE} `), 'MERCHANT_MISMATCH', 'a trailing space'],
  ['CN=1', header(`${ONE}\u00a0`), 'MERCHANT_MISMATCH', 'a trailing space that trim would take off'],
  ['CN=1', header(`0${ONE}`), 'MERCHANT_MISMATCH', 'a number that is equal as a number'],
  ['CN=1', header('８００００００００００００００１'), 'MERCHANT_MISMATCH', 'full-width digits'],
  ['CN=1', header(`${ONE},${ONE}`), 'MERCHANT_MISMATCH', 'a list'],
  ['CN=1', [...header(ONE), ...header(ONE)], 'MERCHANT_MISMATCH', 'the header twice, the same'],
  ['CN=1', [...header(ONE), ...header(TWO, 'merchant-number')], 'MERCHANT_MISMATCH', 'the header twice, the good one first'],
  ['CN=1', [...header(TWO, 'merchant-number'), ...header(ONE)], 'MERCHANT_MISMATCH', 'the header twice, the good one last'],
  ['CN=1', header('__proto__'), 'MERCHANT_MISMATCH', 'the name of a property that every object has'],
  ['CN=9', [], 'MERCHANT_SUSPENDED', 'a suspended merchant'],
] as const;

for (const [subject, headers, code, why] of refused) {
  test(`identify refuses: ${why}`, () => {
    assert.equal(refusalOf(() => identify(arrived(peerOf(key(subject)), headers), registers, NOT_BEFORE_MS)).code, code);
  });
}

test('the same subject under another authority is another identity', () => {
  const peer = peerOf(key('CN=1', 'others'));
  assert.equal(refusalOf(() => identify(arrived(peer), registers, NOT_BEFORE_MS)).code, 'CERTIFICATE_UNBOUND');
});

test('whether another merchant exists cannot be told from the refusal', () => {
  const answers = [ONE, SUSPENDED, '800000000000404', 'x'].map((number) =>
    refusalOf(() => identify(arrived(peerOf(key('CN=2')), header(number)), registers, NOT_BEFORE_MS)),
  );
  for (const answer of answers) assert.deepEqual(answer, { code: 'MERCHANT_MISMATCH', detail: undefined });
});

const moments = [
  [NOT_BEFORE_MS - 1, 'CERTIFICATE_EXPIRED', 'a millisecond before the beginning'],
  [NOT_BEFORE_MS, undefined, 'the beginning'],
  [NOT_AFTER_MS, undefined, 'the end'],
  [NOT_AFTER_MS + 1, 'CERTIFICATE_EXPIRED', 'a millisecond after the end, on a connection that was made before'],
] as const;

for (const [nowMs, code, why] of moments) {
  test(`identify looks at the validity on every request: ${why}`, () => {
    const run = (): unknown => identify(arrived(peerOf(key('CN=1'))), registers, nowMs);
    if (code === undefined) run();
    else assert.equal(refusalOf(run).code, code);
  });
}

test('what readPeer refused comes first, with its reason as a sentence', () => {
  const peer = peerOf(key('CN=1'), { refusal: { code: 'CERTIFICATE_PURPOSE', reason: 'the certificate has no clientAuth usage' } });
  assert.deepEqual(
    refusalOf(() => identify(arrived(peer), registers, NOT_BEFORE_MS)),
    { code: 'CERTIFICATE_PURPOSE', detail: 'The certificate has no clientAuth usage.' },
  );
});

const announced = (kind: AnnouncementKind, subject: string): Announced => ({
  kind,
  subject,
  actor: 'operator',
  reason: 'test',
  atMs: 1,
  before: '',
  after: '',
});
const binding = bindingMark(key('CN=agent'), TWO);

const ended: readonly [changes: Partial<Registers>, code: string | undefined, served: boolean, why: string][] = [
  [{ bans: foldBans([announced('suspend', TWO)]) }, 'MERCHANT_SUSPENDED', true, 'one of two merchants of a certificate is suspended'],
  [{ bans: foldBans([announced('suspend', TWO), announced('suspend', THREE)]) }, 'MERCHANT_SUSPENDED', false, 'both are suspended'],
  [{ bans: foldBans([announced('suspend', TWO), announced('resume', TWO)]) }, undefined, true, 'suspended and resumed'],
  [{ bans: foldBans([announced('unbind', binding)]) }, 'MERCHANT_MISMATCH', true, 'one of two bindings is gone'],
  [{ bans: foldBans([announced('unbind', binding), announced('bind', binding)]) }, undefined, true, 'unbound and bound again'],
  [{ bans: foldBans([announced('block', serialMark('merchants', '01'))]) }, 'CERTIFICATE_REVOKED', false, 'blocked by serial number'],
  [{ bans: foldBans([announced('block', serialMark('others', '01'))]) }, undefined, true, "another authority's serial number"],
  [{ bans: foldBans([announced('block', thumbprintMark('t'))]) }, 'CERTIFICATE_REVOKED', false, 'blocked by thumbprint'],
  [{ bans: foldBans([announced('block', nameMark(key('CN=agent')))]) }, 'CERTIFICATE_REVOKED', false, 'blocked by name'],
  [{ snapshot: snapshotWith({}, [thumbprintMark('t')]) }, 'CERTIFICATE_REVOKED', false, 'blocked in the configuration'],
  [{ crls: { judge: () => 'revoked' } }, 'CERTIFICATE_REVOKED', false, 'on a revocation list'],
  [{ crls: { judge: () => 'unknown' } }, 'REVOCATION_UNKNOWN', true, 'no list to look at: refused, but the connection may wait for one'],
  [{ ocsp: { ...registers.ocsp, judge: () => 'revoked' } }, 'CERTIFICATE_REVOKED', false, 'its responder says so'],
  [
    { ocsp: { ...registers.ocsp, judge: () => 'unknown' } },
    'REVOCATION_UNKNOWN',
    true,
    'its responder does not say: refused, but the connection may wait',
  ],
  [{ snapshot: snapshotWith({ notBeforeMs: NOT_BEFORE_MS + 1 }) }, 'CERTIFICATE_UNBOUND', false, 'a binding that begins later'],
  [{ snapshot: snapshotWith({ notAfterMs: NOT_BEFORE_MS }) }, undefined, true, 'the last moment of a binding'],
  [{ snapshot: snapshotWith({ notAfterMs: NOT_BEFORE_MS - 1 }) }, 'CERTIFICATE_UNBOUND', false, 'a binding that has ended'],
  [{ snapshot: snapshotWith({ pins: ['a'.repeat(64)] }) }, 'CERTIFICATE_UNBOUND', false, 'a key that is not pinned'],
  [{ snapshot: snapshotWith({ pins: ['a'.repeat(64), 'k'.repeat(64)] }) }, undefined, true, 'one of two pinned keys'],
];

for (const [changes, code, served, why] of ended) {
  test(`what ends an identity: ${why}`, () => {
    const peer = peerOf(key('CN=agent'));
    const now = { ...registers, ...changes };
    const run = (): unknown => identify(arrived(peer, header(TWO)), now, NOT_BEFORE_MS);
    if (code === undefined) run();
    else assert.equal(refusalOf(run).code, code);
    assert.equal(isServed(peer, now, NOT_BEFORE_MS), served);
  });
}

const BOUND = ['CERTIFICATE_UNBOUND', 'MERCHANT_SUSPENDED', 'MERCHANT_MISMATCH'];
for (const [changes, code, , why] of ended) {
  test(`a certificate by itself, as that of a balancer: ${why}`, () => {
    const expected = code === undefined || BOUND.includes(code) ? 'good' : code === 'REVOCATION_UNKNOWN' ? 'unknown' : 'refused';
    assert.equal(judgeAlone(peerOf(key('CN=agent')), { ...registers, ...changes }, NOT_BEFORE_MS), expected);
  });
}

test('a refusal names the certificate as it was read', () => {
  const bans = foldBans([announced('block', thumbprintMark('t'))]);
  assert.throws(
    () => identify(arrived(peerOf(key('CN=1'))), { ...registers, bans }, NOT_BEFORE_MS),
    (error: Refusal) => {
      assert.deepEqual(error.options.members, { subject: 's', serialNumber: '01' });
      return true;
    },
  );
});
