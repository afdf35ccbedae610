import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { CertificateProblem } from '../../src/certificates/problem.ts';
import { readCertificate } from '../../src/certificates/read.ts';
import { loadAuthorities } from '../../src/identity/authorities.ts';
import { readForwardedPeer } from '../../src/identity/forwarded-peer.ts';
import type { DistinguishedName } from '../../src/protocol/distinguished-name.ts';
import {
  CLIENT_AUTH,
  extendedKeyUsage,
  extension,
  type HostileCertificate,
  hostileCertificate,
  hostilePem,
  name,
  oid,
  type RawAttribute,
  type RawName,
  sequence,
  tlv,
} from '../support/hostile-certificate.ts';
import { MERCHANT_1 } from '../support/system.ts';
import { get, lineOf, type Sender, senderOf, tell, wireOf } from './requests.ts';
import { startWorld, type World } from './world.ts';

const DAY_MS = 86_400_000;
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
type Pair = { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
const curve = (namedCurve: string): Pair => generateKeyPairSync('ec', { namedCurve });
const rsa = (modulusLength: number, publicExponent = 65_537): Pair => generateKeyPairSync('rsa', { modulusLength, publicExponent });
const rawName = (dn: DistinguishedName): RawName =>
  dn.map((relative) => relative.map(({ oid: type, value }) => [type, value, type === '2.5.4.6' ? 0x13 : 0x0c] as const));

const clientAuth = extendedKeyUsage(CLIENT_AUTH);
const withUsage = (...more: Uint8Array[]): Partial<HostileCertificate> => ({ extensions: [clientAuth, ...more] });
const usages = (...ids: string[]): Partial<HostileCertificate> => ({ extensions: [extendedKeyUsage(...ids)] });
const keyUsage = (...bits: number[]): Uint8Array => extension('2.5.29.15', tlv(0x03, Buffer.from(bits)), true);
const EXTENSION = {
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  netscapeType: '2.16.840.1.113730.1.1',
  authorityKey: '2.5.29.35',
};
const TRUE = tlv(0x01, Buffer.from([0xff]));
const NAME = 'CERTIFICATE_NAME';
const UNBOUND = 'CERTIFICATE_UNBOUND';
const MALFORMED = 'CERTIFICATE_MALFORMED';
const PURPOSE = 'CERTIFICATE_PURPOSE';
const KEY = 'CERTIFICATE_KEY';
/** The socket is closed without an answer: OpenSSL does not take it for one of our authority's, or not at all. */
const CLOSED = 'closed';

/** Certificates of our own making, most of which bear the true signature of our authority; every one comes close to merchant 1's. */
describe('certificates that nobody should have made', { timeout: 120_000 }, () => {
  let world: World;
  let merchant: Sender;
  let executed = 0;
  before(async () => {
    world = await startWorld();
    merchant = senderOf(world.system, MERCHANT_1);
    executed = await world.executions();
  });
  after(() => world?.end());

  /** Merchant 1's name, its attributes one by one. */
  const attributes = (): RawAttribute[] => (rawName(merchant.leaf.name) as RawAttribute[][]).flat();
  const isCommonName = ([type]: RawAttribute): boolean => type === '2.5.4.3';
  const others = (): RawAttribute[] => attributes().filter((attribute) => !isCommonName(attribute));
  const named = (value: string | Uint8Array, tag = 0x0c): Partial<HostileCertificate> => ({
    subject: name([...others(), ['CN', value, tag]]),
  });
  const subject = (...relatives: RawName): Partial<HostileCertificate> => ({ subject: name(relatives) });
  const altName = (...names: Uint8Array[]): Uint8Array => extension(EXTENSION.subjectAltName, sequence(...names));

  type Row = readonly [make: () => Partial<HostileCertificate>, said: string, why: string, keys?: () => Pair];
  const NAMES: readonly Row[] = [
    [() => named(MERCHANT_1, 0x14), NAME, 'the CN as a TeletexString, which has several readings'],
    [() => named(Buffer.from(MERCHANT_1, 'utf16le').swap16(), 0x1e), NAME, 'the CN as a BMPString'],
    [
      () => named(Buffer.concat([...MERCHANT_1].map((digit) => Buffer.from([0, 0, 0, digit.charCodeAt(0)]))), 0x1c),
      NAME,
      'as a UniversalString',
    ],
    [() => named(MERCHANT_1, 0x12), NAME, 'as a NumericString'],
    [() => named(Buffer.from([0xe5, 0x95, 0x86]), 0x13), NAME, 'a PrintableString with bytes beyond ASCII'],
    [() => named(''), NAME, 'an empty CN'],
    [() => named(`${MERCHANT_1}\t`), NAME, 'a tab'],
    [() => named(`${MERCHANT_1}\u007f`), NAME, 'DEL'],
    [() => named(`${MERCHANT_1}\u0085`), NAME, 'a control character of C1'],
    [() => named(`${MERCHANT_1}\u2028`), NAME, 'a line separator'],
    [() => named(`\ufeff${MERCHANT_1}`), NAME, 'a byte order mark'],
    [() => named(`${MERCHANT_1}\u00ad`), NAME, 'a soft hyphen'],
    [() => named(`${MERCHANT_1}\u2060`), NAME, 'a word joiner'],
    [() => named([...MERCHANT_1].map((digit) => String.fromCodePoint(0xff10 + Number(digit))).join('')), UNBOUND, 'full-width digits'],
    [() => named(`${MERCHANT_1}\u0301`), UNBOUND, 'a combining accent'],
    [() => named(MERCHANT_1.padStart(200, '0')), UNBOUND, 'zeros in front'],
    [() => named('9'.repeat(5_000)), NAME, 'five thousand digits'],
    [() => subject(...others(), ...attributes().filter(isCommonName), ['CN', MERCHANT_1]), NAME, 'the same CN twice'],
    [
      () => subject([...attributes().filter(isCommonName), ['CN', 'x']] as RawAttribute[], ...others()),
      NAME,
      'two CNs in one relative name',
    ],
    [() => subject(attributes()), UNBOUND, 'everything in one relative name'],
    [() => subject(...attributes().reverse()), UNBOUND, 'the name the other way round'],
    [() => subject(...attributes().slice(1)), UNBOUND, 'a part left out'],
    [() => subject(...attributes(), ['OU', 'more']), UNBOUND, 'a part more'],
    [() => subject(...attributes(), ['1.2.840.113549.1.9.1', 'a@b', 0x16]), UNBOUND, 'a mail address behind the name'],
    [() => subject(...attributes(), ['1.2.3.4.5', 'x']), UNBOUND, 'an attribute of a type that nobody knows'],
    [() => subject([], ...attributes()), NAME, 'an empty relative name'],
    [() => subject(...Array.from({ length: 100 }, (): RawAttribute => ['OU', 'x'])), NAME, 'a hundred attributes'],
    [() => ({ ...named('somebody'), ...withUsage(altName(tlv(0x82, MERCHANT_1))) }), UNBOUND, 'the number as a DNS name only'],
    [
      () => ({ ...named('somebody'), ...withUsage(altName(tlv(0xa4, name(rawName(merchant.leaf.name))))) }),
      UNBOUND,
      "merchant 1's whole name as an alternative one",
    ],
    [() => ({ ...subject(), ...withUsage(altName(tlv(0xa4, name(rawName(merchant.leaf.name))))) }), NAME, 'the same, and no subject'],
  ];
  const SHAPES: readonly Row[] = [
    [() => ({ serial: Buffer.from([0]) }), MALFORMED, 'serial number 0'],
    [() => ({ serial: Buffer.from([0x80]) }), MALFORMED, 'a negative serial number'],
    [() => ({ serial: Buffer.alloc(21, 1) }), MALFORMED, 'a serial number of 21 octets'],
    [() => ({ version: 2 }), 'CERTIFICATE_VERSION', 'version 2'],
    [() => ({ innerSignature: 'ecdsa-sha1' }), CLOSED, 'two signature algorithms'],
    [() => ({ notBeforeMs: Date.now() + DAY_MS, notAfterMs: Date.now() - DAY_MS }), MALFORMED, 'it ends before it begins'],
    [() => ({ extra: tlv(0x81, Buffer.from([0, 1])) }), MALFORMED, 'an issuerUniqueID'],
    [() => ({ extensions: [] }), PURPOSE, 'an empty list of extensions'],
    [() => withUsage(extension('1.2.3.4', Buffer.alloc(2), true)), MALFORMED, 'a critical extension that nobody knows'],
    [() => withUsage(clientAuth), CLOSED, 'an extension twice'],
    [() => withUsage(sequence(oid('1.2.3.4'), tlv(0x01, Buffer.from([1])), tlv(0x04))), MALFORMED, 'a TRUE that is 01'],
    [
      () => withUsage(extension(EXTENSION.authorityKey, sequence(tlv(0x80, Buffer.alloc(20, 7))))),
      CLOSED,
      "another authority's key identifier",
    ],
    [() => withUsage(extension('1.3.6.1.5.5.7.1.1', Buffer.from('junk'))), MALFORMED, 'an authorityInfoAccess that cannot be read'],
    [() => withUsage(extension('1.2.3.4', Buffer.alloc(20_000))), MALFORMED, 'larger than 16 KB'],
  ];
  const USES: readonly Row[] = [
    [() => usages('1.3.6.1.5.5.7.3.3'), PURPOSE, 'for code signing'],
    [() => usages('1.3.6.1.5.5.7.3.4'), PURPOSE, 'for mail'],
    [() => usages('1.3.6.1.5.5.7.3.8'), PURPOSE, 'for time stamps'],
    [() => usages('1.3.6.1.5.5.7.3.9'), PURPOSE, 'for OCSP answers'],
    [() => usages('1.3.6.1.5.5.7.3.1', '2.5.29.37.0'), PURPOSE, 'for servers and for anything'],
    [() => usages('1.3.6.1.5.5.7.3.2.1'), PURPOSE, 'a usage below clientAuth'],
    [() => usages(), PURPOSE, 'an empty list of usages'],
    [() => withUsage(keyUsage(1, 0x86)), 'CERTIFICATE_IS_AUTHORITY', 'digitalSignature and keyCertSign, without saying CA'],
    [() => withUsage(keyUsage(3, 0x08)), 'CERTIFICATE_KEY_USAGE', 'key agreement only'],
    [() => withUsage(keyUsage(6, 0x40)), 'CERTIFICATE_KEY_USAGE', 'nonRepudiation only'],
    [() => withUsage(keyUsage(0)), CLOSED, 'a key usage without any'],
    [
      () => withUsage(extension(EXTENSION.basicConstraints, sequence(TRUE, tlv(0x02, Buffer.from([0]))))),
      'CERTIFICATE_IS_AUTHORITY',
      'an authority of path length 0, not critical',
    ],
    [
      () => withUsage(extension(EXTENSION.netscapeType, tlv(0x03, Buffer.from([6, 0x40])))),
      'CERTIFICATE_INVALID',
      'netscapeCertType: server',
    ],
  ];
  const KEYS: readonly Row[] = [
    [() => ({}), KEY, 'RSA of 1536 bits', () => rsa(1536)],
    [() => ({}), KEY, 'RSA with exponent 3', () => rsa(2048, 3)],
    [() => ({}), KEY, 'P-521', () => curve('secp521r1')],
    [() => ({}), KEY, 'Ed448', () => generateKeyPairSync('ed448')],
    [() => ({}), KEY, 'an RSA key for PSS only', () => generateKeyPairSync('rsa-pss', { modulusLength: 2048 })],
    [() => ({ signer: pair.privateKey, issuer: name([['CN', 'x']]) }), CLOSED, 'self-signed under another name'],
    [() => ({ signer: world.system.pki.read('server-authority').privateKey }), CLOSED, "our authority's name, signed by its sister"],
    [() => ({ signer: world.system.pki.read('authority').privateKey }), CLOSED, "our authority's name, signed by the root"],
    [
      () => ({ signer: world.system.pki.read(`merchants/${MERCHANT_1}`).privateKey, signature: 'rsa-sha256' }),
      CLOSED,
      'signed by the merchant itself',
    ],
  ];

  /** What the gateway says to a certificate; a client that offers whatever it takes. */
  const askWith = async (changes: Partial<HostileCertificate>, keys: Pair): Promise<string> => {
    const authority = world.system.pki.read('merchants-authority');
    const certificatePem = hostilePem({
      issuer: name(rawName(authority.name)),
      subject: name(rawName(merchant.leaf.name)),
      publicKey: keys.publicKey,
      signer: authority.privateKey,
      ...changes,
    });
    const keyPem = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const sender = { ...merchant, tls: { certificatePem, keyPem } };
    const line = await lineOf(sender, { ciphers: 'DEFAULT@SECLEVEL=0' }).catch(() => undefined);
    if (!line) return CLOSED;
    const { bytes, request } = wireOf(get(merchant, '/v1/platform-certificates'));
    line.send(bytes);
    const answer = await line.answer();
    line.leave();
    if (!answer) return CLOSED;
    const told = tell(sender, request, answer);
    assert.equal(told.verified, true, told.why);
    return `${told.status} ${told.code}`;
  };

  test('without a fault the certificate is served: each below is refused for its own', async () => {
    assert.equal(await askWith({}, pair), '200 ');
  });
  for (const [rows, what] of [
    [NAMES, 'name'],
    [SHAPES, 'shape'],
    [USES, 'use'],
    [KEYS, 'key'],
  ] as const) {
    for (const [make, said, why, keys = () => pair] of rows) {
      test(`${what}: ${why}`, async () => assert.equal(await askWith(make(), keys()), said === CLOSED ? CLOSED : `403 ${said}`));
    }
  }

  test('what no client of OpenSSL can show could still come in a header or a message: it has no reading, and names nobody', () => {
    const authority = world.system.pki.read('merchants-authority');
    const authorities = loadAuthorities([{ name: 'merchants', certificates: [authority.certificate] }]);
    const rows: readonly (readonly [Partial<HostileCertificate>, string])[] = [
      [named(Buffer.concat([Buffer.from([0xc0, 0xb8]), Buffer.from(MERCHANT_1.slice(1))])), 'UTF-8 in more bytes than needed'],
      [named(Buffer.from([0xed, 0xa0, 0x80])), 'half of a surrogate pair in UTF-8'],
      [named(Buffer.from([0xff, 0xfe])), 'no UTF-8 at all'],
      [{ serial: Buffer.from([0, 1]) }, 'a serial number in more octets than needed'],
    ];
    for (const [changes, why] of rows) {
      const der = hostileCertificate({
        issuer: name(rawName(authority.name)),
        subject: name(rawName(merchant.leaf.name)),
        publicKey: pair.publicKey,
        signer: authority.privateKey,
        ...changes,
      });
      assert.throws(() => readCertificate(der), CertificateProblem, why);
      assert.equal(readForwardedPeer(der, authorities, Date.now()), undefined, why);
    }
  });

  test('none of them reached the core, and the gateway is as it was', async () => {
    assert.equal(await world.executions(), executed);
    await world.invariants();
  });
});
