import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { UserError } from '../../src/lib/user-error.ts';
import { createMerchant, type MerchantClient, type MerchantOptions } from '../../src/sdk/merchant.ts';
import { makePki, type Pki } from '../support/pki.ts';

/** What callers in plain JavaScript get wrong: each mistake is one sentence that names the option and says what it must be. */
describe('options that cannot be right', () => {
  let pki: Pki;
  let good: MerchantOptions;
  let encrypted: string;
  const opened: MerchantClient[] = [];
  before(async () => {
    pki = await makePki();
    const { certificatePem, keyPem, privateKey } = pki.read('merchants/800000000000002');
    const authority = pki.read('authority').certificatePem;
    good = {
      ...{ url: 'https://localhost:1', certificate: certificatePem, key: keyPem, authority },
      platformAuthority: pki.read('signing-authority').certificatePem,
    };
    encrypted = privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' }) as string;
  });
  after(() => {
    for (const client of opened) client.close();
    pki.dispose();
  });
  const open = (changes: object): void => void opened.push(createMerchant({ ...good, ...changes }));

  const cases: readonly (readonly [why: string, changes: () => object, said: RegExp])[] = [
    ['a missing key', () => ({ key: undefined }), /^`key` must be the PEM text of a private key, found undefined$/],
    [
      'the name of a file',
      () => ({ key: 'certs/mine.key' }),
      /^`key` is not the PEM text of a private key: give the content of the file, not its name$/,
    ],
    ['a certificate for a key', () => ({ key: good.certificate }), /^`key` holds no private key that can be read$/],
    ['an encrypted key', () => ({ key: encrypted }), /^`key` is encrypted: give its `passphrase`$/],
    ['a wrong passphrase', () => ({ key: encrypted, passphrase: 'other' }), /^`key` does not open with the `passphrase` that was given$/],
    ['no certificate', () => ({ certificate: undefined }), /^`certificate` must be the PEM text of a certificate, found undefined$/],
    [
      'a spoiled certificate',
      () => ({ certificate: good.certificate.replace('MII', 'XXX') }),
      /^`certificate` holds no certificate that can be read$/,
    ],
    [
      'no authority: Node would trust every public one',
      () => ({ authority: undefined }),
      /^`authority` must be the PEM text of a certificate/,
    ],
    ['an empty authority', () => ({ authority: '' }), /^`authority` is not the PEM text of a certificate/],
    ['a spoiled platform authority', () => ({ platformAuthority: '-----BEGIN X' }), /^`platformAuthority` holds no certificate/],
    ['a public signing key', () => ({ signingKey: createPublicKey(good.key) }), /^`signingKey` must be a private key, found a public one$/],
    ['an unknown algorithm', () => ({ algorithm: 'RS256' }), /^`algorithm` must be one of rsa-v1_5-sha256, rsa-pss-sha512, /],
    ['a keyid that no header can hold', () => ({ keyid: '钥匙' }), /^`keyid` must be text of printable ASCII/],
    ['a number for a number', () => ({ merchantNumber: 800000000000001 }), /^`merchantNumber` must be text, found number$/],
    ['a timeout as text', () => ({ timeoutMs: '30000' }), /^`timeoutMs` must be an integer from 1 to /],
    ['a timeout that Node takes for 1 ms', () => ({ timeoutMs: 2 ** 31 }), /^`timeoutMs` must be an integer from 1 to /],
    ['a kept list of another shape', () => ({ keptPlatformKeys: {} }), /^`keptPlatformKeys` must be what `onPlatformKeys` gave/],
    ['no function', () => ({ onPlatformKeys: 'keys.json' }), /^`onPlatformKeys` must be a function, found string$/],
    ['nobody to trust', () => ({ platformAuthority: undefined }), /^give `platformAuthority` or `trustedKeys`/],
    ['nobody to trust, in a list', () => ({ platformAuthority: undefined, trustedKeys: [] }), /^give `platformAuthority` or `trustedKeys`/],
  ];
  for (const [why, changes, said] of cases) {
    test(why, () => {
      assert.throws(
        () => open(changes()),
        (error) => error instanceof UserError && said.test(error.message),
      );
    });
  }

  test('no options at all', () => {
    assert.throws(() => createMerchant(undefined as never), new UserError('createMerchant needs its options, found undefined'));
  });

  test('what can be right passes: bytes for text, a key object, an encrypted key with its passphrase', () => {
    open({ certificate: Buffer.from(good.certificate), key: Buffer.from(good.key), signingKey: createPrivateKey(good.key) });
    open({ key: encrypted, passphrase: 'secret', timeoutMs: 1 });
  });

  const requests: readonly (readonly [why: string, request: unknown, said: RegExp])[] = [
    ['nothing', undefined, /^a call needs a request: \{ method, path, body, idempotencyKey \}$/],
    ['a number as key', { method: 'POST', path: '/v1/orders', body: {}, idempotencyKey: 5 }, /^idempotencyKey: 1 to 255 of /],
    [
      'a bigint in the body',
      { method: 'POST', path: '/v1/orders', body: { amountFen: 1n } },
      /^the body is neither bytes, text nor a value/,
    ],
    ['a number as header', { method: 'GET', path: '/v1/orders', headers: { 'x-a': 5 } }, /^not a header that can be sent: "x-a"$/],
  ];
  for (const [why, request, said] of requests) {
    test(`a request: ${why}`, async () => {
      const merchant = createMerchant(good);
      opened.push(merchant);
      await assert.rejects(merchant.call(request as never), (error) => error instanceof UserError && said.test(error.message));
    });
  }
});
