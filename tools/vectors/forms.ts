import { createHash } from 'node:crypto';
import { CMS_FORMS } from './cms-forms.ts';
import { JWS_FORMS } from './jws-forms.ts';
import type { KeyName, VectorAlgorithm } from './keys.ts';
import {
  ALIPAY_SERIAL,
  type Draft,
  type Form,
  GET,
  type HeaderPair,
  latin1,
  MERCHANT,
  OPERATION,
  POST,
  SERIAL_NUMBER,
  type Signed,
} from './message.ts';

/** Every kind of signed request, written as plain text after the documents of each scheme, without any code of the gateway. */

const digestOf = (body: string): string => `sha-256=:${createHash('sha256').update(latin1(body)).digest('base64')}:`;

function makeRfc9421(draft: Draft, sign: (base: Buffer) => Buffer): Signed {
  const { method, target, host, body, createdAtSeconds, nonce, keyid } = draft;
  const withBody: HeaderPair[] =
    body === ''
      ? []
      : [
          ['Content-Type', 'application/json'],
          ['Content-Digest', digestOf(body)],
          ['Idempotency-Key', 'order-A-1'],
        ];
  const signed: readonly HeaderPair[] = [...withBody, ['Merchant-Number', MERCHANT]];
  const lines = [
    `"@method": ${method}`,
    `"@target-uri": https://${host}${target}`,
    ...signed.map(([name, value]) => `"${name.toLowerCase()}": ${value}`),
  ];
  const components = lines.map((line) => line.slice(0, line.indexOf(': '))).join(' ');
  const input = `(${components});created=${createdAtSeconds};nonce="${nonce}";keyid="${keyid}";tag="hufu-request"`;
  const base = latin1([...lines, `"@signature-params": ${input}`].join('\n'));
  const signature = sign(base);
  const headers: readonly HeaderPair[] = [
    ['Host', host],
    ...signed,
    ['Accept', 'application/json'],
    ['Signature-Input', `hufu=${input}`],
    ['Signature', `hufu=:${signature.toString('base64')}:`],
  ];
  return { message: { method, target, headers, body }, base, signature };
}

function makeWechatpay(draft: Draft, sign: (base: Buffer) => Buffer): Signed {
  const { method, target, host, body, createdAtSeconds, nonce, keyid } = draft;
  const base = latin1(`${method}\n${target}\n${createdAtSeconds}\n${nonce}\n${body}\n`);
  const signature = sign(base);
  const serial = keyid === POST.keyid ? SERIAL_NUMBER : keyid;
  const parameters = `mchid="${MERCHANT}",nonce_str="${nonce}",timestamp="${createdAtSeconds}",serial_no="${serial}"`;
  const authorization = `WECHATPAY2-SHA256-RSA2048 ${parameters},signature="${signature.toString('base64')}"`;
  return { message: { method, target, headers: withAuthorization(host, body, authorization), body }, base, signature };
}

function makeAlipay(draft: Draft, sign: (base: Buffer) => Buffer): Signed {
  const { method, target, host, body, createdAtSeconds, nonce, keyid } = draft;
  const serial = keyid === POST.keyid ? ALIPAY_SERIAL : keyid;
  const parameters = `app_id=${MERCHANT},app_cert_sn=${serial},nonce=${nonce},timestamp=${createdAtSeconds}000`;
  const base = latin1(`${parameters}\n${method}\n${target}\n${body}\n`);
  const signature = sign(base);
  const authorization = `ALIPAY-SHA256withRSA ${parameters},sign=${signature.toString('base64')}`;
  return { message: { method, target, headers: withAuthorization(host, body, authorization), body }, base, signature };
}

const withAuthorization = (host: string, body: string, authorization: string): HeaderPair[] => [
  ['Host', host],
  ...(body === '' ? [] : [['Content-Type', 'application/json'] as const]),
  ['Accept', 'application/json'],
  ['Authorization', authorization],
];

type Fields = readonly (readonly [name: string, value: string])[];
const sorted = (fields: Fields): string =>
  fields
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join('&');
const encoded = (fields: Fields): string => fields.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
/** Year to second in China, eight hours ahead. */
const chinaTime = (seconds: number): string => new Date((seconds + 28_800) * 1000).toISOString().slice(0, 19).replace('T', ' ');

function makeForm(draft: Draft, fields: Fields, name: string, base: Buffer, sign: (base: Buffer) => Buffer): Signed {
  const signature = sign(base);
  const headers: HeaderPair[] = [
    ['Host', draft.host],
    ['Content-Type', 'application/x-www-form-urlencoded; charset=UTF-8'],
  ];
  const body = encoded([...fields, [name, signature.toString('base64')]]);
  return { message: { method: draft.method, target: draft.target, headers, body }, base, signature };
}

function makeAlipayForm(draft: Draft, sign: (base: Buffer) => Buffer): Signed {
  const serial = draft.keyid === POST.keyid ? ALIPAY_SERIAL : draft.keyid;
  const fields: Fields = [
    ['app_id', MERCHANT],
    ['app_cert_sn', serial],
    ['method', OPERATION],
    ['charset', 'utf-8'],
    ['sign_type', 'RSA2'],
    ['timestamp', chinaTime(draft.createdAtSeconds)],
    ['version', '1.0'],
    ['biz_content', latin1(draft.body).toString('utf8')],
  ];
  const signed = fields.filter(([name]) => name !== 'sign');
  return makeForm(draft, fields, 'sign', Buffer.from(sorted(signed), 'utf8'), sign);
}

function makeUnionPayForm(draft: Draft, sign: (base: Buffer) => Buffer): Signed {
  const serial = draft.keyid === POST.keyid ? String(BigInt(`0x${SERIAL_NUMBER}`)) : draft.keyid;
  const fields: Fields = [
    ['version', '5.1.0'],
    ['encoding', 'UTF-8'],
    ['signMethod', '01'],
    ['certId', serial],
    ['merId', MERCHANT],
    ['txnTime', chinaTime(draft.createdAtSeconds).replace(/[^0-9]/g, '')],
    ['method', OPERATION],
    ['orderNo', 'A-1'],
    ['amountFen', '1999'],
    ['currency', 'CNY'],
  ];
  return makeForm(draft, fields, 'signature', latin1(createHash('sha256').update(sorted(fields)).digest('hex')), sign);
}

const RSA: readonly VectorAlgorithm[] = ['rsa-v1_5-sha256', 'rsa-pss-sha512'];
const OTHERS: readonly (readonly [VectorAlgorithm, KeyName])[] = [
  ['ecdsa-p256-sha256', 'p256'],
  ['ecdsa-p384-sha384', 'p384'],
  ['ed25519', 'ed25519'],
];

/** Every kind of vector; the first of each scheme is the one that random changes are made of. */
export const FORMS: readonly Form[] = [
  ...[...RSA.map((algorithm) => [algorithm, 'rsa'] as const), ...OTHERS].map(
    ([algorithm, key]): Form => ({
      ...{ scheme: 'rfc9421', name: `post-${algorithm}`, about: 'An order: method, address, digest and every header that decides.' },
      ...{ algorithm, key, draft: POST, make: makeRfc9421 },
    }),
  ),
  {
    ...{ scheme: 'rfc9421', name: 'get-ecdsa-p256-sha256', about: 'A query: no body, no digest, path and query as sent.' },
    ...{ algorithm: 'ecdsa-p256-sha256', key: 'p256', draft: GET, make: makeRfc9421 },
  },
  {
    ...{ scheme: 'wechatpay-v3', name: 'post', about: 'The form of WeChat Pay API v3: five lines, each behind a line feed.' },
    ...{ algorithm: 'rsa-v1_5-sha256', key: 'rsa', draft: POST, make: makeWechatpay },
  },
  {
    ...{ scheme: 'wechatpay-v3', name: 'get', about: 'Without a body the last line is empty.' },
    ...{ algorithm: 'rsa-v1_5-sha256', key: 'rsa', draft: GET, make: makeWechatpay },
  },
  {
    ...{ scheme: 'alipay-v3', name: 'post', about: 'The form of Alipay OpenAPI v3; the time is milliseconds.' },
    ...{ algorithm: 'rsa-v1_5-sha256', key: 'rsa', draft: POST, make: makeAlipay },
  },
  {
    ...{ scheme: 'alipay-v3', name: 'get', about: 'Without a body the last line is empty.' },
    ...{ algorithm: 'rsa-v1_5-sha256', key: 'rsa', draft: GET, make: makeAlipay },
  },
  {
    ...{
      scheme: 'sorted-rsa2',
      name: 'alipay-v2',
      about: 'A form post of Alipay v2: sorted fields, the business content as JSON in one of them.',
    },
    ...{ algorithm: 'rsa-v1_5-sha256', key: 'rsa', draft: POST, make: makeAlipayForm },
  },
  {
    ...{
      scheme: 'sorted-rsa2',
      name: 'unionpay',
      about: 'A form post of UnionPay: RSA over the hexadecimal SHA-256 of the sorted fields.',
    },
    ...{ algorithm: 'rsa-v1_5-sha256', key: 'rsa', draft: POST, make: makeUnionPayForm },
  },
  ...JWS_FORMS,
  ...CMS_FORMS,
];
