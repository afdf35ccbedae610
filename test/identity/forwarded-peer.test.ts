import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, before, test } from 'node:test';
import { loadAuthorities } from '../../src/identity/authorities.ts';
import { readForwardedPeer } from '../../src/identity/forwarded-peer.ts';
import { type IssueMerchant, makePki, type Pki } from '../support/pki.ts';

const YEAR_MS = 365 * 86_400_000;
let pki: Pki;
before(async () => {
  pki = await makePki();
});
after(() => pki.dispose());

const judged: readonly (readonly [IssueMerchant, number, string | undefined, string])[] = [
  // certificate                                   asked in years  what is said           why
  [{}, 0, undefined, 'in order'],
  [{ notAfterMs: Date.now() - 1_000 }, 0, 'CERTIFICATE_EXPIRED', 'expired'],
  [{ notBeforeMs: Date.now() + 60_000 }, 0, 'CERTIFICATE_EXPIRED', 'not valid yet'],
  [{ profile: 'server' }, 0, 'CERTIFICATE_PURPOSE', 'not for clients'],
  [{ profile: 'authority' }, 0, 'CERTIFICATE_IS_AUTHORITY', 'an authority'],
  [{ notAfterMs: Date.now() + 20 * YEAR_MS }, 15, 'CERTIFICATE_INVALID', 'it outlives its authority, which OpenSSL is not there to see'],
  [{ authority: 'server-authority' }, 0, 'nobody', 'another authority below the same root'],
  [{ authority: 'authority' }, 0, 'nobody', 'the root itself'],
];
for (const [options, years, said, why] of judged) {
  test(`a forwarded certificate: ${why}`, async () => {
    const authorities = loadAuthorities([{ name: 'merchants', certificates: [pki.read('merchants-authority').certificate] }]);
    const der = new X509Certificate((await pki.issueMerchant(options)).certificatePem).raw;
    const peer = readForwardedPeer(der, authorities, Date.now() + years * YEAR_MS);
    assert.equal(peer ? peer.refusal?.code : 'nobody', said);
  });
}

test('bytes that are no certificate name nobody', () => {
  for (const bytes of [Buffer.alloc(0), Buffer.from('junk'), Buffer.alloc(2_000, 0x30)])
    assert.equal(readForwardedPeer(bytes, [], 0), undefined);
});
