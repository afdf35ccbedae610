import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type PathPolicy, STANDARD_POLICY } from '../../src/certificates/policy.ts';
import { loadAuthorities } from '../../src/identity/authorities.ts';
import {
  basicConstraints,
  CLIENT_AUTH,
  extendedKeyUsage,
  extension,
  type HostileCertificate,
  hostilePem,
  name,
  type RawName,
  tlv,
} from '../support/hostile-certificate.ts';
import { type Leaf, makePki, type Pki } from '../support/pki.ts';
import { type Client, type PeerServer, startPeerServer } from './tls-peer.ts';

/** `identity` of gateway.yaml, over real TLS: what a switch lets through, and that its neighbours stay refused. */
let pki: Pki;
let authority: Leaf;
let server: PeerServer;
before(async () => {
  pki = await makePki();
  authority = pki.read('merchants-authority');
  server = await startPeerServer(pki, loadUnder({}));
});
after(async () => {
  await server.close();
  pki.dispose();
});

const loadUnder = (changes: Partial<PathPolicy>) =>
  loadAuthorities([{ name: 'merchants', certificates: [join(pki.directory, 'merchants-authority.crt')] }], {
    ...STANDARD_POLICY,
    ...changes,
  });

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsaKeys = (modulusLength: number) => generateKeyPairSync('rsa', { modulusLength });
const [rsa2048, rsa3072] = [rsaKeys(2048), rsaKeys(3072)];
const keyUsage = (unused: number, bits: number): Buffer => extension('2.5.29.15', tlv(0x03, Buffer.from([unused, bits])), true);
const rawName = ({ name: dn }: Leaf): RawName =>
  dn.map((relative) => relative.map(({ oid, value }) => [oid, value, oid === '2.5.4.6' ? 0x13 : 0x0c] as const));
const pemOfKey = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();
const made = (changes: Partial<HostileCertificate>, keys: { publicKey: KeyObject; privateKey: KeyObject } = ec): Client => ({
  cert: hostilePem({
    issuer: name(rawName(authority)),
    subject: name([['CN', '800000000000001']]),
    publicKey: keys.publicKey,
    signer: authority.privateKey,
    ...changes,
  }),
  key: pemOfKey(keys.privateKey),
});

type Case = readonly [switches: Partial<PathPolicy>, client: () => Client, reason: RegExp | undefined, why: string];
const clientAuth = [extendedKeyUsage(CLIENT_AUTH)];
const cases: readonly Case[] = [
  [{}, () => made({ extensions: [basicConstraints(false)] }), /^CERTIFICATE_PURPOSE .*says no extended key usage/, 'no usage, by default'],
  [{ clientAuthRequired: false }, () => made({ extensions: [basicConstraints(false)] }), undefined, 'no usage, switched'],
  [{ clientAuthRequired: false }, () => made({ extensions: clientAuth }), undefined, 'clientAuth, switched'],
  [
    { clientAuthRequired: false },
    () => made({ extensions: [extendedKeyUsage('1.3.6.1.5.5.7.3.1')] }),
    /^CERTIFICATE_PURPOSE .*no clientAuth usage among/,
    'serverAuth only, switched',
  ],
  [
    { clientAuthRequired: false },
    () => made({ extensions: [extendedKeyUsage('2.5.29.37.0')] }),
    /^CERTIFICATE_PURPOSE .*no clientAuth usage among/,
    'any usage, switched',
  ],
  [
    { clientAuthRequired: false },
    () => made({ extensions: [basicConstraints(true)] }),
    /^CERTIFICATE_IS_AUTHORITY .*that of an authority/,
    'CA:TRUE, switched',
  ],
  [
    {},
    () => made({ extensions: [...clientAuth, keyUsage(5, 0x20)] }),
    /^CERTIFICATE_KEY_USAGE .*does not allow signatures/,
    'keyEncipherment only',
  ],
  [{}, () => made({ extensions: [...clientAuth, keyUsage(2, 0x84)] }), /^CERTIFICATE_IS_AUTHORITY .*allows issuing/, 'keyCertSign too'],
  [{}, () => made({}, rsa2048), undefined, 'RSA 2048, by default'],
  [{ rsaBitsMin: 3072 }, () => made({}, rsa2048), /^CERTIFICATE_KEY .*shorter than 3072 bits/, 'RSA 2048, switched'],
  [{ rsaBitsMin: 3072 }, () => made({}, rsa3072), undefined, 'RSA 3072, switched'],
  [{ rsaBitsMin: 3072 }, () => made({}), undefined, 'the switch is about RSA alone'],
];

for (const [switches, client, reason, why] of cases) {
  test(`${reason ? 'refused with its own reason' : 'accepted'}: ${why}`, async () => {
    server.authorities = loadUnder(switches);
    const { peer } = await server.meet(client());
    assert.ok(peer);
    if (reason === undefined) assert.equal(peer.refusal, undefined);
    else {
      assert.match(`${peer.refusal?.code} ${peer.refusal?.reason}`, reason);
    }
  });
}

describe('chainDepthMax', () => {
  /** The leaf with so many certificates behind it, most of them of no use. */
  const withChain = (count: number): Client => {
    const { certificatePem, keyPem } = pki.read('merchants/800000000000002');
    const others = Array.from({ length: count - 2 }, (_, index) => made({ subject: name([['CN', `padding ${index}`]]) }).cert as string);
    return { cert: certificatePem + others.join(''), key: keyPem };
  };
  for (const [count, chainDepthMax, isRefused, why] of [
    [2, 4, false, 'leaf and issuer, as our files have them'],
    [4, 4, false, 'as many as the bound'],
    [5, 4, true, 'one more'],
    [40, 4, true, 'many'],
    [5, 5, false, 'one more under a higher bound'],
  ] as const) {
    test(`a peer that sends ${count} certificates under a bound of ${chainDepthMax}: ${why}`, async () => {
      server.authorities = loadUnder({ chainDepthMax });
      const { peer } = await server.meet(withChain(count));
      assert.equal(peer?.refusal !== undefined, isRefused, String(peer?.refusal?.reason));
      if (isRefused)
        assert.match(`${peer?.refusal?.code} ${peer?.refusal?.reason}`, /^CERTIFICATE_CHAIN .*chain of more than 4 certificates/);
    });
  }
  test('an authority further from the root than the bound is a mistake of the configuration', () => {
    loadUnder({ chainDepthMax: 3 });
    assert.throws(() => loadUnder({ chainDepthMax: 2 }), { name: 'UserError', message: /path of 3 certificates.*chainDepthMax is 2/ });
  });
});

test('an authority with a key shorter than the switch is a mistake of the configuration', async () => {
  const weak = await pki.issueMerchant({ kind: 'rsa-2048', authority: 'authority', profile: 'authority' });
  const load = (rsaBitsMin: number) =>
    loadAuthorities([{ name: 'weak', certificates: [weak.certificate] }], { ...STANDARD_POLICY, rsaBitsMin });
  load(2048);
  assert.throws(() => load(3072), /cannot be used as authority weak: the RSA key is shorter than 3072 bits/);
});
