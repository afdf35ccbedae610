import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { UserError } from '../../src/lib/user-error.ts';
import { createMerchant, type MerchantOptions } from '../../src/sdk/merchant.ts';
import { makePki, type Pki } from '../support/pki.ts';
import { startTestGateway, type TestGateway } from './test-gateway.ts';

/** Encryption in the SDK where its keys are missing or wrong: nothing goes out in clear text, and `call` still answers instead of throwing. */
describe('keys of the encryption that cannot be used', () => {
  let pki: Pki;
  let gateway: TestGateway;
  let options: MerchantOptions;
  let list: string;
  before(async () => {
    pki = await makePki();
    gateway = await startTestGateway(pki, () => ({ body: list }));
    const { certificatePem, keyPem } = pki.read('merchants/800000000000002');
    options = {
      ...{ url: gateway.url, merchantNumber: '800000000000002', certificate: certificatePem, key: keyPem },
      authority: pki.read('authority').certificatePem,
      platformAuthority: pki.read('signing-authority').certificatePem,
      trustedKeys: [{ keyid: 'platform-ec', pem: pki.read('signing/platform-ec').certificatePem }],
    };
  });
  after(async () => {
    await gateway.close();
    pki.dispose();
  });
  const request = { method: 'POST', path: '/v1/orders', body: { a: 'secret' }, idempotencyKey: 'k', encrypt: ['/a'] };
  const publicPem = () => pki.read('encryption/platform-enc-ec').publicKey.export({ type: 'spki', format: 'pem' }) as string;
  const row = (pem: string) => ({ keyid: 'x', pem, use: 'enc', status: 'current' });

  const lists: readonly (readonly [why: string, certificates: () => unknown])[] = [
    ['an empty list', () => []],
    ['a spoiled certificate', () => [row('-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n')]],
    ['a bare public key, for which nobody vouches', () => [row(publicPem())]],
    ['a certificate of another authority', () => [row(pki.read('server').certificatePem)]],
    ['no list', () => 'none'],
    ['a row that is none', () => [null]],
  ];
  for (const [why, certificates] of lists) {
    test(`${why}: the request is not sent, and the answer says so`, async () => {
      list = JSON.stringify({ certificates: certificates() });
      const merchant = createMerchant(options);
      const already = gateway.got.length;
      const answer = await merchant.call(request);
      merchant.close();
      assert.deepEqual([answer.status, answer.sent, answer.outcome, answer.retry], [0, false, 'unknown', 'same_key_later']);
      assert.match(answer.why ?? '', /^not sent: the gateway tells no key to encrypt to/);
      assert.ok(gateway.got.slice(already).every(({ target }) => target === '/v1/platform-certificates'));
    });
  }

  test('a gateway that cannot be reached is an answer too', async () => {
    const merchant = createMerchant({ ...options, url: 'https://localhost:9' });
    const answer = await merchant.call(request);
    merchant.close();
    assert.deepEqual([answer.status, answer.sent, answer.outcome], [0, false, 'unknown']);
  });

  test('wrong keys are told when the client is made', () => {
    const wrong: readonly (readonly [object, RegExp])[] = [
      [{ encryptTo: { keyid: 'e', pem: 'x' } }, /^`encryptTo` e is no certificate or public key/],
      [{ decryptionKeys: [{ key: 'certs/mine.key' }] }, /^`decryptionKeys` holds what is no private key in PEM/],
    ];
    for (const [changes, said] of wrong)
      assert.throws(
        () => createMerchant({ ...options, ...changes }),
        (error) => error instanceof UserError && said.test(error.message),
      );
  });
});
