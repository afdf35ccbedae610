import assert from 'node:assert/strict';
import { createHmac, createPublicKey } from 'node:crypto';
import { test } from 'node:test';
import { type AlgorithmName, verifyBytes } from '../../src/protocol/algorithms.ts';
import { fitsContentDigest } from '../../src/protocol/content-digest.ts';
import {
  type Component,
  findFieldValue,
  readSignatureInput,
  serialiseComponent,
  serialiseParams,
  signatureBase,
} from '../../src/protocol/signature-base.ts';
import { findComponentValue } from '../../src/signature/components.ts';

/** RFC 9421 appendix B.1: keys; B.2 to B.4: messages and signatures. */
const spki = (base64: string) => createPublicKey({ key: Buffer.from(base64, 'base64'), type: 'spki', format: 'der' });
const KEYS = {
  'test-key-rsa-pss': spki(
    'MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+' +
      'oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHqgDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W' +
      'Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI2wIDAQAB',
  ),
  'test-key-ecc-p256': spki(
    'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lfw0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==',
  ),
  'test-key-ed25519': spki('MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs='),
} as const;

const REQUEST_DIGEST = 'sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:';
const RESPONSE_DIGEST = 'sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:';
const CLIENT_CERT =
  ':MIIBqDCCAU6gAwIBAgIBBzAKBggqhkjOPQQDAjA6MRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxGzAZBgNVBAMMEkxBIEludGVybWVkaWF0ZSBDQTAeFw0yMDAxMTQyMjU1MzNa' +
  'Fw0yMTAxMjMyMjU1MzNaMA0xCzAJBgNVBAMMAkJDMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8YnXXfaUgmnMtOXU/IncWalRhebrXmckC8vdgJ1p5Be5F/3YC8OthxM4+k1M6aEAEFcG' +
  'zkJiNy6J84y7uzo9M6NyMHAwCQYDVR0TBAIwADAfBgNVHSMEGDAWgBRm3WjLa38lbEYCuiCPct0ZaSED2DAOBgNVHQ8BAf8EBAMCBsAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0RAQH/' +
  'BBMwEYEPYmRjQGV4YW1wbGUuY29tMAoGCCqGSM49BAMCA0gAMEUCIBHda/r1vaL6G3VliL4/Di6YK0Q6bMjeSkC3dFCOOB8TAiEAx/kHSB4urmiZ0NX5r5XarmPk0wmuydBVoU4hBVZ1yhk=:';

const requestTo = (host: string) => ({
  method: 'POST',
  target: '/foo?param=Value&Pet=dog',
  rawHeaders: [
    'Host',
    host,
    'Date',
    'Tue, 20 Apr 2021 02:07:55 GMT',
    'Content-Type',
    'application/json',
    'Content-Digest',
    REQUEST_DIGEST,
    'Content-Length',
    '18',
    'Client-Cert',
    CLIENT_CERT,
  ],
});
const ANSWER = [
  'Date',
  'Tue, 20 Apr 2021 02:07:56 GMT',
  'Content-Type',
  'application/json',
  'Content-Digest',
  RESPONSE_DIGEST,
  'Content-Length',
  '23',
];
type FindValue = (component: Component) => string | undefined;
const ofRequest: FindValue = (component) => findComponentValue(requestTo('example.com'), component);
const ofInternalRequest: FindValue = (component) => findComponentValue(requestTo('service.internal.example'), component);
const ofAnswer: FindValue = ({ name }) => (name === '@status' ? '200' : findFieldValue(ANSWER, name));

type Vector = readonly [
  section: string,
  algorithm: AlgorithmName,
  keyid: keyof typeof KEYS,
  findValue: FindValue,
  input: string,
  signature: string,
];
const VECTORS: readonly Vector[] = [
  [
    'B.2.1 minimal',
    'rsa-pss-sha512',
    'test-key-rsa-pss',
    ofRequest,
    '();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"',
    'd2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==',
  ],
  [
    'B.2.2 selective coverage',
    'rsa-pss-sha512',
    'test-key-rsa-pss',
    ofRequest,
    '("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example"',
    'LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==',
  ],
  [
    'B.2.3 full coverage',
    'rsa-pss-sha512',
    'test-key-rsa-pss',
    ofRequest,
    '("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss"',
    'bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==',
  ],
  [
    'B.2.4 response',
    'ecdsa-p256-sha256',
    'test-key-ecc-p256',
    ofAnswer,
    '("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256"',
    'wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==',
  ],
  [
    'B.2.6 ed25519',
    'ed25519',
    'test-key-ed25519',
    ofRequest,
    '("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"',
    'wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==',
  ],
  [
    'B.3 behind a TLS-terminating proxy',
    'ecdsa-p256-sha256',
    'test-key-ecc-p256',
    ofInternalRequest,
    '("@path" "@query" "@method" "@authority" "client-cert");created=1618884473;keyid="test-key-ecc-p256"',
    'xVMHVpawaAC/0SbHrKRs9i8I3eOs5RtTMGCWXm/9nvZzoHsIg6Mce9315T6xoklyy0yzhD9ah4JHRwMLOgmizw==',
  ],
];

/** The base of a message whose Signature-Input member is this text. */
function baseOf(text: string, findValue: FindValue): string {
  const input = readSignatureInput(text);
  assert.ok(input);
  assert.equal(serialiseParams(input), text);
  return signatureBase(
    input.components.map((component) => [serialiseComponent(component), findValue(component) as string] as const),
    text,
  );
}
const verifies = (algorithm: AlgorithmName, keyid: keyof typeof KEYS, base: string, signature: string): boolean =>
  verifyBytes(algorithm, KEYS[keyid], Buffer.from(base, 'latin1'), Buffer.from(signature, 'base64'));

for (const [section, algorithm, keyid, findValue, text, signature] of VECTORS) {
  test(`RFC 9421 ${section}`, () => {
    const base = baseOf(text, findValue);
    assert.ok(verifies(algorithm, keyid, base, signature));
    assert.ok(!verifies(algorithm, keyid, `${base}\n`, signature));
  });
}

test('RFC 9421 B.2.5 a shared secret', () => {
  const secret = 'uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==';
  const base = baseOf('("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"', ofRequest);
  const mac = createHmac('sha256', Buffer.from(secret, 'base64')).update(base).digest('base64');
  assert.equal(mac, 'pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=');
});

const TRANSFORM = '("@method" "@path" "@authority" "accept");created=1618884473;keyid="test-key-ed25519"';
const TRANSFORM_SIGNATURE = 'ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/LXlh5QMFFQ6cpLt2m0pmj3NDA==';
const [DATE, HOST] = [
  ['Date', 'Fri, 15 Jul 2022 14:24:55 GMT'],
  ['Host', 'example.org'],
] as const;
const [JSON_TYPE, ANY_TYPE] = [
  ['Accept', 'application/json'],
  ['Accept', '*/*'],
] as const;
/** RFC 9421 appendix B.4: what may happen to a message on its way, and what may not. */
const transformed: readonly (readonly [
  method: string,
  query: string,
  headers: readonly (readonly string[])[],
  verifies: boolean,
  why: string,
])[] = [
  ['GET', '', [HOST, DATE, JSON_TYPE, ANY_TYPE], true, 'as it was signed'],
  [
    'GET',
    '&param=added',
    [HOST, DATE, JSON_TYPE, ANY_TYPE, ['Accept-Language', 'en-US,en;q=0.5']],
    true,
    'a field and a query parameter more',
  ],
  ['GET', '', [HOST, ['Referer', 'https://developer.example.org/demo'], ['Accept', 'application/json, */*']], true, 'two lines in one'],
  ['GET', '', [JSON_TYPE, ANY_TYPE, DATE, HOST], true, 'fields in another order'],
  ['POST', '', [['Host', 'example.com'], DATE, JSON_TYPE, ANY_TYPE], false, 'another method and authority'],
  ['GET', '', [HOST, DATE, ANY_TYPE, JSON_TYPE], false, 'the lines of a field in another order'],
];
for (const [method, query, headers, isValid, why] of transformed) {
  test(`RFC 9421 B.4 ${isValid ? 'verifies' : 'does not verify'}: ${why}`, () => {
    const request = { method, target: `/demo?name1=Value1&Name2=value2${query}`, rawHeaders: headers.flat() };
    const base = baseOf(TRANSFORM, (component) => findComponentValue(request, component));
    assert.equal(verifies('ed25519', 'test-key-ed25519', base, TRANSFORM_SIGNATURE), isValid);
  });
}

test('RFC 9421 B.2: the digests of both messages', () => {
  assert.ok(fitsContentDigest(REQUEST_DIGEST, Buffer.from('{"hello": "world"}')));
  assert.ok(fitsContentDigest(RESPONSE_DIGEST, Buffer.from('{"message": "good dog"}')));
});

test('RFC 9421 section 2.5: the signature base of figure 1', () => {
  const names = ['@method', '@authority', '@path', 'content-digest', 'content-length', 'content-type'];
  const input = { components: names.map((name) => ({ name, params: {} })), params: { created: 1618884473, keyid: 'test-key-rsa-pss' } };
  const params = serialiseParams(input);
  assert.equal(
    signatureBase(
      names.map((name) => [`"${name}"`, ofRequest({ name, params: {} }) as string]),
      params,
    ),
    `"@method": POST
"@authority": example.com
"@path": /foo
"content-digest": ${REQUEST_DIGEST}
"content-length": 18
"content-type": application/json
"@signature-params": ("@method" "@authority" "@path" "content-digest" "content-length" "content-type");created=1618884473;keyid="test-key-rsa-pss"`,
  );
});
