import { randomBytes } from 'node:crypto';
import { readBase64, sha256 } from '../../lib/bytes.ts';
import { contentDigestOf } from '../../protocol/content-digest.ts';
import { Refusal } from '../../protocol/errors.ts';
import { allHeaders } from '../../protocol/headers.ts';
import type { Presented, SignedLine } from '../presented.ts';
import type { Scheme, SchemeAnswer, SchemeRequest } from '../scheme.ts';

/**
 * WeChat Pay API v3 (微信支付): `Authorization: WECHATPAY2-SHA256-RSA2048 mchid="..",nonce_str="..",timestamp="..",serial_no="..",signature=".."`
 * over method, path with query, timestamp, nonce and body, each behind a line feed. It signs no header and no host, not even the
 * merchant: what it leaves open decides nothing here (docs/decisions/0014-what-a-scheme-leaves-open.md).
 */
const TYPE = 'WECHATPAY2-SHA256-RSA2048';
const NAMES: readonly string[] = ['mchid', 'nonce_str', 'timestamp', 'serial_no', 'signature'];
const PARAMETER = /[ \t]*([a-z_]{1,16})="([^"\\]*)"[ \t]*(,|$)/y;
const NONCE = /^[A-Za-z0-9_-]{16,64}$/;
const TIMESTAMP = /^[1-9][0-9]{0,11}$/;
const SERIAL = /^[0-9A-Fa-f]{2,40}$/;

const invalid = (detail: string): Refusal => new Refusal('SIGNATURE_INVALID', { detail });

type Fields = {
  readonly mchid: string;
  readonly nonce: string;
  readonly timestamp: string;
  readonly serial: string;
  readonly signature: Buffer;
};

function present(request: SchemeRequest): Presented {
  const { mchid, nonce, timestamp, serial, signature } = readFields(request.rawHeaders);
  checkMerchant(request.merchant, mchid);
  const { method, target, body } = request;
  const head = `${method}\n${target}\n${timestamp}\n${nonce}\n`;
  return {
    key: { by: 'serial', serialNumber: serial.length % 2 === 0 ? serial.toUpperCase() : `0${serial.toUpperCase()}` },
    createdAtSeconds: Number(timestamp),
    nonce,
    signed: Buffer.concat([Buffer.from(head, 'latin1'), body, Buffer.from('\n')]),
    record: `${head}${contentDigestOf(sha256(body))}\n`,
    lines: () => linesOf(request, timestamp, nonce),
    signature,
  };
}

const linesOf = ({ method, target, body }: SchemeRequest, timestamp: string, nonce: string): SignedLine[] => [
  { name: 'method', bytes: Buffer.from(method, 'latin1') },
  { name: 'path and query', bytes: Buffer.from(target, 'latin1') },
  { name: 'timestamp', bytes: Buffer.from(timestamp, 'latin1') },
  { name: 'nonce_str', bytes: Buffer.from(nonce, 'latin1') },
  { name: 'body', bytes: Buffer.from(body), isBody: true },
];

function readFields(rawHeaders: readonly string[]): Fields {
  const [value, ...more] = allHeaders(rawHeaders, 'authorization');
  if (value === undefined || more.length > 0) throw invalid('Authorization must be sent once.');
  if (!value.startsWith(`${TYPE} `)) throw invalid(`Of WeChat Pay's signatures only ${TYPE} is accepted.`);
  const fields = readParameters(value.slice(TYPE.length + 1));
  const [mchid = '', nonce = '', timestamp = '', serial = '', encoded = ''] = NAMES.map((name) => fields.get(name));
  if (!NONCE.test(nonce)) throw invalid('nonce_str is not 16 to 64 letters and digits.');
  if (!TIMESTAMP.test(timestamp)) throw invalid('timestamp is not whole seconds.');
  if (!SERIAL.test(serial))
    throw new Refusal('KEY_UNKNOWN', { detail: 'serial_no is not the serial number of a certificate in hexadecimal.' });
  const signature = readBase64(encoded);
  if (!signature) throw invalid('signature is not canonical base64.');
  return { mchid, nonce, timestamp, serial, signature };
}

/** Each of the five names once, and nothing else. */
function readParameters(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (let at = 0; at < text.length; at = PARAMETER.lastIndex) {
    PARAMETER.lastIndex = at;
    const match = PARAMETER.exec(text);
    const [, name = '', value = '', end] = match ?? [];
    if (!match || !NAMES.includes(name) || fields.has(name) || (end === ',' && PARAMETER.lastIndex === text.length))
      throw invalid(`Authorization must name ${NAMES.join(', ')}, each once and in quotes.`);
    fields.set(name, value);
  }
  if (fields.size < NAMES.length) throw invalid(`Authorization must name ${NAMES.join(', ')}, each once and in quotes.`);
  return fields;
}

/** `mchid` is not signed, so it may only repeat whom certificate and key prove. */
function checkMerchant({ number, signatureOptions }: SchemeRequest['merchant'], mchid: string): void {
  if (mchid !== (signatureOptions['wechatpay-v3'].mchid ?? number))
    throw new Refusal('MERCHANT_MISMATCH', { detail: "mchid is not this merchant's." });
}

/** `Wechatpay-*` over timestamp, nonce and body: bound neither to the status nor to the request, which our own signature is. */
async function signAnswer({ body, nowMs, findSigner }: SchemeAnswer): Promise<string[]> {
  const found = findSigner('rsa-v1_5-sha256');
  if (!found) throw new Error('wechatpay-v3 is enabled and there is no RSA key for answers');
  const timestamp = String(Math.floor(nowMs / 1000));
  const nonce = randomBytes(16).toString('hex');
  const signature = await found.signer.sign(Buffer.concat([Buffer.from(`${timestamp}\n${nonce}\n`), body, Buffer.from('\n')]));
  return [
    ...['Wechatpay-Timestamp', timestamp],
    ...['Wechatpay-Nonce', nonce],
    ...['Wechatpay-Serial', found.serialNumber],
    ...['Wechatpay-Signature', signature.toString('base64')],
    ...['Wechatpay-Signature-Type', TYPE],
  ];
}

export const WECHATPAY_V3: Scheme = {
  name: 'wechatpay-v3',
  algorithms: ['rsa-v1_5-sha256'],
  coversHeaders: false,
  coversMerchant: false,
  bound: { header: 'authorization' },
  isPresent: ({ rawHeaders }) => allHeaders(rawHeaders, 'authorization').some((value) => /^WECHATPAY2-/i.test(value)),
  present,
  answerAlgorithms: ['rsa-v1_5-sha256'],
  signAnswer,
};
