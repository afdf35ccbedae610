import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { DistinguishedName } from '../../src/protocol/distinguished-name.ts';
import { eventually } from '../support/eventually.ts';
import {
  basicConstraints,
  CLIENT_AUTH,
  extendedKeyUsage,
  type HostileCertificate,
  hostilePem,
  name,
  type RawName,
} from '../support/hostile-certificate.ts';
import { MERCHANT_1, MERCHANT_2, orderBody } from '../support/system.ts';
import { handshake } from './line.ts';
import { ask, get, lineOf, order, post, type Sender, senderOf, type Tls, type Told, tell, wireOf } from './requests.ts';
import { startWorld, type World } from './world.ts';

const DAY_MS = 86_400_000;
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
const odd = generateKeyPairSync('ec', { namedCurve: 'prime192v1' });
const pemOfKey = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();
const rawName = (dn: DistinguishedName): RawName =>
  dn.map((relative) => relative.map(({ oid, value }) => [oid, value, oid === '2.5.4.6' ? 0x13 : 0x0c] as const));

/** Adds a second authority that listeners trust. */
function trustPartners(folder: string): void {
  const file = join(folder, 'gateway.yaml');
  const text = readFileSync(file, 'utf8').replace('port: 8443', 'port: 8443\n    authorities: [merchants, partners]');
  const authorities = ['merchants', 'signing'].map(
    (path, i) => `  - { name: ${['merchants', 'partners'][i]}, certificates: [${path}-authority.crt] }`,
  );
  for (const number of [MERCHANT_1, MERCHANT_2]) {
    const merchant = join(folder, 'merchants', `${number}.yaml`);
    writeFileSync(merchant, readFileSync(merchant, 'utf8').replace('names:\n  - ', 'names:\n  - authority: merchants\n    '));
  }
  writeFileSync(file, `${text}\nauthorities:\n${authorities.join('\n')}\n`);
}

/** Certificates that come close to merchant 1's (B). Every request is signed with merchant 1's own key: only the certificate is wrong. */
describe('a certificate decides who is calling', { timeout: 120_000 }, () => {
  let world: World;
  let merchant: Sender;
  before(async () => {
    world = await startWorld({ configure: trustPartners });
    merchant = senderOf(world.system, MERCHANT_1);
  });
  after(() => world?.end());

  const signedByOurs = (changes: Partial<HostileCertificate> = {}, key: KeyObject = pair.privateKey): Tls => {
    const authority = world.system.pki.read('merchants-authority');
    const certificatePem = hostilePem({
      issuer: name(rawName(authority.name)),
      subject: name(rawName(merchant.leaf.name)),
      publicKey: pair.publicKey,
      signer: authority.privateKey,
      ...changes,
    });
    return { certificatePem, keyPem: pemOfKey(key) };
  };
  /** Merchant 1's name with another CN. */
  const named = (...commonNames: readonly string[]): Tls => {
    const others = rawName(merchant.leaf.name.filter((relative) => relative[0]?.oid !== '2.5.4.3'));
    return signedByOurs({ subject: name([...others, ...commonNames.map((value) => ['CN', value] as const)]) });
  };
  const changed = (change: (value: string) => string): Tls =>
    signedByOurs({
      subject: name(
        rawName(
          merchant.leaf.name.map((relative) =>
            relative.map(({ oid, value }) => ({ oid, value: oid === '2.5.4.6' ? value : change(value) })),
          ),
        ),
      ),
    });

  test('the same name from the same authority is the merchant: the cases below fail for their own reasons', async () => {
    const told = await ask({ ...merchant, tls: signedByOurs() }, order(merchant));
    assert.equal(told.status, 201, told.code);
  });

  const UNBOUND = 'CERTIFICATE_UNBOUND';
  const NAME = 'CERTIFICATE_NAME';
  const PURPOSE = 'CERTIFICATE_PURPOSE';
  const EXPIRED = 'CERTIFICATE_EXPIRED';
  const cases: readonly (readonly [tls: () => Tls | Promise<Tls>, code: string, why: string])[] = [
    [() => world.system.pki.read(`merchants/${MERCHANT_2}`), 'MERCHANT_MISMATCH', "merchant 2's own certificate (B1)"],
    [
      () => world.system.pki.issueMerchant({ authority: 'signing-authority', subject: merchant.leaf.subject }),
      UNBOUND,
      'the same name from another authority that is trusted too (B2)',
    ],
    [() => named(MERCHANT_2, MERCHANT_1), NAME, "merchant 2's number and merchant 1's in two CNs (B6)"],
    [() => named(MERCHANT_1, MERCHANT_2), NAME, 'the same the other way round (B6)'],
    [() => named(`${MERCHANT_1},O=虎符测试商户`), UNBOUND, 'a comma in the CN (B7)'],
    [() => named(`${MERCHANT_1}+OU=Merchants`), UNBOUND, 'a plus in the CN (B7)'],
    [() => named(`x/CN=${MERCHANT_1}`), UNBOUND, 'a slash in the CN (B7)'],
    [() => named(`CN=${MERCHANT_1}`), UNBOUND, 'an equals sign in the CN (B7)'],
    [() => named(`${MERCHANT_1}\0.evil`), NAME, 'NUL in the CN (B9)'],
    [() => named(`${MERCHANT_1}\r\n{"level":60}`), NAME, 'a line break in the CN (M1)'],
    [() => named(`${MERCHANT_1} `), UNBOUND, 'a space behind the CN (B11)'],
    [() => named(` ${MERCHANT_1}`), UNBOUND, 'a space before the CN (B11)'],
    [() => changed((value) => value.toLowerCase()), UNBOUND, 'the name in lower case (B11)'],
    [() => changed((value) => value.replace('商', ' 商')), UNBOUND, 'a space inside (B11)'],
    [() => changed((value) => value.replace('Merchants', 'Mеrchants')), UNBOUND, 'a Cyrillic letter (B12)'],
    [() => named(`${MERCHANT_1}\u200b`), NAME, 'a zero-width space (B12)'],
    [() => named(`\u202e${[...MERCHANT_1].reverse().join('')}`), NAME, 'a right-to-left override (B12)'],
    [() => signedByOurs({ subject: name([]) }), NAME, 'no name at all'],
    [() => world.system.pki.issueMerchant({ profile: 'server', subject: merchant.leaf.subject }), PURPOSE, 'for servers only (B15)'],
    [() => signedByOurs({ extensions: [basicConstraints(false)] }), PURPOSE, 'no extended key usage (B15)'],
    [() => signedByOurs({ extensions: [extendedKeyUsage('2.5.29.37.0')] }), PURPOSE, 'anyExtendedKeyUsage (B15)'],
    [() => signedByOurs({ version: 1 }), 'CERTIFICATE_VERSION', 'version 1 (B15)'],
    [
      () => signedByOurs({ extensions: [extendedKeyUsage(CLIENT_AUTH), basicConstraints(true)] }),
      'CERTIFICATE_IS_AUTHORITY',
      'CA:TRUE (B15)',
    ],
    [() => signedByOurs({ notAfterMs: Date.now() - 1000 }), EXPIRED, 'expired a second ago (B16)'],
    [() => signedByOurs({ notBeforeMs: Date.now() + 60_000 }), EXPIRED, 'not valid for another minute (B16)'],
    [() => signedByOurs({ publicKey: weak.publicKey }, weak.privateKey), 'CERTIFICATE_KEY', 'RSA of 1024 bits (B19)'],
    [() => signedByOurs({ signature: 'ecdsa-sha1' }), 'CERTIFICATE_SIGNATURE', 'signed with SHA-1 (B19)'],
  ];
  for (const [tls, code, why] of cases) {
    test(`403 ${code}: ${why}`, () =>
      world.harmless(async () => {
        const told = await askAs(await tls());
        assert.deepEqual([told.status, told.code, told.outcome, told.accepted], [403, code, 'unknown', false]);
      }));
  }
  /** A client that offers what a careful one would not. */
  const askAs = async (tls: Tls): Promise<Told> => {
    const sender = { ...merchant, tls };
    const line = await lineOf(sender, { ciphers: 'DEFAULT@SECLEVEL=0' });
    const { bytes, request } = wireOf(order(merchant));
    line.send(bytes);
    const answer = await line.answer();
    line.leave();
    assert.ok(answer, 'closed without an answer');
    const told = tell(sender, request, answer);
    assert.equal(told.verified, true, told.why);
    return told;
  };

  test('P-192 does not get through the handshake (B19)', () =>
    world.harmless(async () => {
      const { certificatePem: cert, keyPem: key } = signedByOurs({ publicKey: odd.publicKey }, odd.privateKey);
      const met = await handshake(world.system, { cert, key, ciphers: 'DEFAULT@SECLEVEL=0', maxVersion: 'TLSv1.2' });
      assert.equal(typeof met, 'string');
    }));

  for (const [forge, why] of [
    [{ signer: pair.privateKey }, "our authority's name, a stranger's signature"],
    [{ signer: pair.privateKey, notAfterMs: Date.now() - DAY_MS / 2 }, 'the same, expired: OpenSSL calls it expired'],
    [{ signer: pair.privateKey, extensions: [] }, 'the same without usages'],
  ] as const) {
    test(`closed without a word: ${why}`, () =>
      world.harmless(async () => {
        const sender = { ...merchant, tls: signedByOurs(forge) };
        const line = await lineOf(sender);
        line.send(wireOf(order(merchant)).bytes);
        assert.equal(await line.answer(), undefined);
        await line.closed;
      }));
  }

  test('a certificate that ends while its connection is open ends with it, and a resumed session too (B16)', async () => {
    const tls = signedByOurs({ notAfterMs: Math.ceil(Date.now() / 1000) * 1000 + 2000 });
    const sender = { ...merchant, tls };
    const line = await lineOf(sender);
    const { promise, resolve } = Promise.withResolvers<Buffer>();
    line.socket.once('session', resolve);
    const once = async (on: typeof line): Promise<Told> => {
      const { bytes, request } = wireOf(get(merchant, '/v1/platform-certificates'));
      on.send(bytes);
      const answer = await on.answer();
      assert.ok(answer);
      return tell(sender, request, answer);
    };
    assert.equal((await once(line)).status, 200);
    const session = await promise;
    await eventually(async () => assert.equal((await once(line)).code, EXPIRED));
    line.leave();
    const resumed = await lineOf(sender, { session });
    assert.equal(resumed.socket.isSessionReused(), true);
    assert.equal((await once(resumed)).code, EXPIRED);
    resumed.leave();
    await world.invariants();
  });

  const M2_BODY = JSON.stringify({ ...orderBody('B1-body', 100), merchantNumber: MERCHANT_1 });
  const mixed: readonly (readonly [
    tls: string,
    make: (m1: Sender, m2: Sender) => ReturnType<typeof order>,
    status: number,
    why: string,
  ])[] = [
    [MERCHANT_2, (_, m2) => post(m2, '/v1/orders', { body: M2_BODY }), 403, 'merchant 2 names merchant 1 in the body (B1)'],
    [MERCHANT_2, (_, m2) => order({ ...m2, number: MERCHANT_1 }), 403, 'merchant 2 names merchant 1 in the header (B1)'],
    [MERCHANT_2, (m1) => order({ ...m1, number: MERCHANT_2 }), 403, "merchant 1's key over merchant 2's connection (D11)"],
    [MERCHANT_1, (_, m2) => order({ ...m2, number: MERCHANT_1 }), 403, "merchant 2's key over merchant 1's connection (D11)"],
    [MERCHANT_1, (m1) => order({ ...m1, number: '800000000000009' }), 403, 'a number that nobody has: the same answer'],
    [MERCHANT_1, (m1) => order({ ...m1, number: `${MERCHANT_1}, ${MERCHANT_2}` }), 403, 'a list of numbers'],
    [MERCHANT_1, (m1) => order({ ...m1, number: '' }), 403, 'an empty number'],
  ];
  for (const [number, make, status, why] of mixed) {
    test(`MERCHANT_MISMATCH: ${why}`, () =>
      world.harmless(async () => {
        const [m1, m2] = [MERCHANT_1, MERCHANT_2].map((each) => senderOf(world.system, each)) as [Sender, Sender];
        const sender = number === MERCHANT_1 ? m1 : m2;
        const told = await ask({ ...sender, tls: sender.leaf }, make(m1, m2));
        assert.deepEqual([told.status, told.code], [status, 'MERCHANT_MISMATCH']);
      }));
  }
});
