import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { type ListenerAuthority, loadAuthorities } from '../../src/identity/authorities.ts';
import { foldBans } from '../../src/identity/bans.ts';
import type { Registers } from '../../src/identity/identify.ts';
import { checkSignerCertificate, findConnectionCertificate, findConnectionKey } from '../../src/identity/message-signer.ts';
import type { Announced } from '../../src/ports/announcements.ts';
import { bindingKeyOf, parseName } from '../../src/protocol/distinguished-name.ts';
import { Refusal } from '../../src/protocol/errors.ts';
import type { RegisteredHandle } from '../../src/protocol/key-handle.ts';
import { bindingMark, nameMark, serialMark } from '../../src/protocol/marks.ts';
import type { KeySource, Merchant } from '../../src/protocol/merchant.ts';
import type { Snapshot } from '../../src/registry/snapshot.ts';
import { type IssueMerchant, makePki, type Pki } from '../support/pki.ts';

const [ONE, TWO, WITHOUT, ALSO] = ['800000000000001', '800000000000002', '800000000000003', '800000000000004'];
const NOW = Date.now();
const SUBJECT = 'CN=signer,O=Tea,C=CN';
const BINDING = bindingKeyOf('merchants', parseName(SUBJECT));
const FOR_EVER = { notBeforeMs: 0, notAfterMs: Number.MAX_SAFE_INTEGER, pins: [] };
const YEAR_MS = 365 * 86_400_000;

let pki: Pki;
let authorities: ListenerAuthority[];
before(async () => {
  pki = await makePki();
  authorities = loadAuthorities([{ name: 'merchants', certificates: [pki.read('merchants-authority').certificate] }]);
});
after(() => pki.dispose());

const merchant = (number: string, sources: readonly KeySource[]): Merchant =>
  ({ number, keySources: new Set(sources) }) as unknown as Merchant;
const merchants = new Map([ONE, TWO].map((number) => [number, merchant(number, ['registered', 'message'])]));
for (const number of [WITHOUT, ALSO]) merchants.set(number, merchant(number, ['registered', 'connection']));
const registersWith = (numbers: readonly string[], changes: Partial<Registers> = {}): Registers => ({
  snapshot: {
    findBound: (key: string) => (key === BINDING ? numbers.map((merchantNumber) => ({ merchantNumber, ...FOR_EVER })) : []),
    findMerchant: (number: string) => merchants.get(number),
    blocked: new Set(),
  } as unknown as Snapshot,
  ocsp: { judge: () => 'good', refresh: () => undefined },
  bans: foldBans([]),
  crls: { judge: () => 'good' },
  ...changes,
});

const chainOf = async (options: IssueMerchant = {}): Promise<Buffer[]> => {
  const leaf = await pki.issueMerchant({ subject: SUBJECT, ...options });
  return [new X509Certificate(leaf.certificatePem).raw];
};
const said = (run: () => unknown): string => {
  try {
    run();
    return 'trusted';
  } catch (error) {
    assert.ok(error instanceof Refusal, String(error));
    return error.code;
  }
};

const judged: readonly (readonly [IssueMerchant, number, string, string])[] = [
  // certificate                                 in years  said                   why
  [{}, 0, 'trusted', 'in order'],
  [{ kind: 'rsa-2048' }, 0, 'trusted', 'RSA'],
  [{ subject: 'CN=somebody else' }, 0, 'CERTIFICATE_UNBOUND', 'a name that nobody registered'],
  [{ subject: 'CN=signer,O=Tea ,C=CN'.replace(' ', '\\ ') }, 0, 'CERTIFICATE_UNBOUND', 'a name with one space more'],
  [{ notAfterMs: Date.now() - 1_000 }, 0, 'CERTIFICATE_EXPIRED', 'expired'],
  [{ notBeforeMs: Date.now() + 60_000 }, 0, 'CERTIFICATE_EXPIRED', 'not valid yet'],
  [{ profile: 'server' }, 0, 'CERTIFICATE_PURPOSE', 'made for a server'],
  [{ profile: 'authority' }, 0, 'CERTIFICATE_IS_AUTHORITY', 'an authority'],
  [{ notAfterMs: Date.now() + 20 * YEAR_MS }, 15, 'CERTIFICATE_INVALID', 'it outlives its authority'],
  [{ authority: 'server-authority' }, 0, 'KEY_UNKNOWN', 'another authority below the same root'],
  [{ authority: 'authority' }, 0, 'KEY_UNKNOWN', 'the root itself'],
  [{ authority: 'signing-authority' }, 0, 'KEY_UNKNOWN', 'the authority of our own signing keys'],
];
for (const [options, years, expected, why] of judged) {
  test(`a signer's certificate in a message: ${why}`, async () => {
    const chain = await chainOf(options);
    assert.equal(
      said(() => checkSignerCertificate(chain, authorities, registersWith([ONE]), Date.now() + years * YEAR_MS)),
      expected,
    );
  });
}

test('what it brings: the key for the merchants of its name that may sign so, and the facts of the certificate', async () => {
  const leaf = await pki.issueMerchant({ subject: SUBJECT });
  const { raw } = new X509Certificate(leaf.certificatePem);
  const { certificate, key } = checkSignerCertificate([raw], authorities, registersWith([ONE, WITHOUT, TWO]), Date.now());
  assert.deepEqual([certificate.bindingKey, certificate.subject, certificate.authority], [BINDING, SUBJECT, 'merchants']);
  assert.deepEqual([key.keyid, key.algorithm, key.merchantNumbers], [leaf.keyid, 'ecdsa-p256-sha256', [ONE, TWO]]);
  assert.ok(key.publicKey.equals(leaf.publicKey));
});

test('certificates after the first prove nothing and are bounded; none at all names nobody', async () => {
  const [leaf] = (await chainOf()) as [Buffer];
  const foreign = (await chainOf({ authority: 'server-authority' }))[0] as Buffer;
  const check = (chain: Buffer[]): string => said(() => checkSignerCertificate(chain, authorities, registersWith([ONE]), Date.now()));
  assert.equal(check([leaf, Buffer.from('junk')]), 'trusted');
  assert.equal(check([foreign, leaf]), 'KEY_UNKNOWN');
  assert.equal(check([leaf, leaf, leaf, leaf, leaf]), 'KEY_UNKNOWN');
  assert.equal(check([]), 'KEY_UNKNOWN');
});

const ban = (kind: Announced['kind'], subject: string) =>
  foldBans([{ kind, subject, actor: 'operator', reason: 'test', atMs: 1, before: '', after: '' }]);
const ended: readonly (readonly [(serial: string) => Partial<Registers>, string, string])[] = [
  [() => ({ crls: { judge: () => 'revoked' } }), 'CERTIFICATE_REVOKED', 'on the revocation list'],
  [() => ({ crls: { judge: () => 'unknown' } }), 'REVOCATION_UNKNOWN', 'no list to look at'],
  [(serial) => ({ bans: ban('block', serialMark('merchants', serial)) }), 'CERTIFICATE_REVOKED', 'blocked by serial number'],
  [() => ({ bans: ban('block', nameMark(BINDING)) }), 'CERTIFICATE_REVOKED', 'blocked by name'],
  [() => ({ bans: ban('unbind', bindingMark(BINDING, ONE)) }), 'CERTIFICATE_UNBOUND', 'unbound'],
];
for (const [changes, expected, why] of ended) {
  test(`what ends a connection ends a signer too: ${why}`, async () => {
    const chain = await chainOf();
    const serial = new X509Certificate(chain[0] as Buffer).serialNumber;
    assert.equal(
      said(() => checkSignerCertificate(chain, authorities, registersWith([ONE], changes(serial)), Date.now())),
      expected,
    );
  });
}

test('a merchant whose contract does not say so cannot sign with a certificate in the message', async () => {
  const chain = await chainOf();
  assert.equal(
    said(() => checkSignerCertificate(chain, authorities, registersWith([WITHOUT]), Date.now())),
    'MERCHANT_MISMATCH',
  );
});

test('no bytes are more than a refusal', () => {
  const bytes = fc.uint8Array({ maxLength: 300 });
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 6 }), (chain) => {
      assert.equal(
        said(() => checkSignerCertificate(chain, authorities, registersWith([ONE]), Date.now())),
        'KEY_UNKNOWN',
      );
    }),
  );
});

test("a changed byte of a good certificate is nobody's", async () => {
  const [der] = (await chainOf()) as [Buffer];
  fc.assert(
    fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const changed = Buffer.from(der);
      changed[at] = (changed[at] as number) ^ change;
      assert.equal(
        said(() => checkSignerCertificate([changed], authorities, registersWith([ONE]), Date.now())),
        'KEY_UNKNOWN',
      );
    }),
    { numRuns: 300 },
  );
});

test('the key of the connection signs only where the merchant may, and only under its own keyid', async () => {
  const [der] = (await chainOf()) as [Buffer];
  const { certificate } = checkSignerCertificate([der], authorities, registersWith([ONE]), Date.now());
  const find = (keyid: string, number: string) =>
    findConnectionKey(keyid, certificate, merchants.get(number) as Merchant, registersWith([number]), NOW);
  assert.deepEqual(find(certificate.keyid, WITHOUT)?.merchantNumbers, [WITHOUT]);
  assert.equal(find(certificate.keyid, ONE), undefined);
  assert.equal(find('a'.repeat(64), WITHOUT), undefined);
  const { publicKey: _none, ...unreadable } = certificate;
  assert.equal(
    findConnectionKey(certificate.keyid, unreadable, merchants.get(WITHOUT) as Merchant, registersWith([WITHOUT]), NOW),
    undefined,
  );
  const { serialNumber, thumbprint } = certificate;
  const byCertificate = (handle: RegisteredHandle, number: string) =>
    findConnectionCertificate(handle, certificate, merchants.get(number) as Merchant, registersWith([number]), NOW).map(
      ({ merchantNumbers }) => merchantNumbers,
    );
  assert.deepEqual(byCertificate({ by: 'serial', serialNumber }, WITHOUT), [[WITHOUT]]);
  assert.deepEqual(byCertificate({ by: 'thumbprint', thumbprint }, WITHOUT), [[WITHOUT]]);
  assert.deepEqual(byCertificate({ by: 'serial', serialNumber }, ONE), [], 'the contract does not let it');
  assert.deepEqual(byCertificate({ by: 'serial', serialNumber: '00' }, WITHOUT), []);
  assert.deepEqual(byCertificate({ by: 'serial', serialNumber, issuer: [] }, WITHOUT), [], 'whose issuer is not compared');
  assert.deepEqual(byCertificate({ by: 'merchant' }, WITHOUT), []);
  const ofTwo = registersWith([WITHOUT, ALSO, ONE]);
  const byHandle = findConnectionCertificate({ by: 'thumbprint', thumbprint }, certificate, merchants.get(WITHOUT) as Merchant, ofTwo, NOW);
  const byId = findConnectionKey(certificate.keyid, certificate, merchants.get(WITHOUT) as Merchant, ofTwo, NOW);
  for (const key of [...byHandle, byId]) assert.deepEqual(key?.merchantNumbers, [WITHOUT, ALSO], 'everybody that it may sign for');
});
