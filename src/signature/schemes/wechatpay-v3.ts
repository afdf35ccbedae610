import { readBase64 } from '../../lib/bytes.ts';
import { Refusal } from '../../protocol/errors.ts';
import { allHeaders } from '../../protocol/headers.ts';
import { linesAndBody, readAuthorization, signTimeNonceBody } from '../line-form.ts';
import type { Presented } from '../presented.ts';
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
/** Also as long as milliseconds, so that the check of the time can say that it is them. */
const SECONDS = /^[1-9][0-9]{0,13}$/;
const SERIAL = /^[0-9A-Fa-f]{2,40}$/;

const invalid = (detail: string): Refusal => new Refusal('SIGNATURE_INVALID', { detail });

function present(request: SchemeRequest): Presented {
  const { method, target, rawHeaders, body, merchant } = request;
  const [mchid, nonce, timestamp, serial, encoded] = readParameters(readAuthorization(rawHeaders, TYPE));
  // `mchid` is not signed, so it may only repeat whom certificate and key prove.
  if (mchid !== (merchant.signatureOptions['wechatpay-v3'].mchid ?? merchant.number))
    throw new Refusal('MERCHANT_MISMATCH', { detail: "mchid is not this merchant's." });
  if (!NONCE.test(nonce)) throw invalid('nonce_str is not 16 to 64 characters of A-Z a-z 0-9 _ -');
  if (!SECONDS.test(timestamp)) throw invalid('timestamp is not whole seconds.');
  if (!SERIAL.test(serial))
    throw new Refusal('KEY_UNKNOWN', { detail: 'serial_no is not the serial number of a certificate in hexadecimal.' });
  const signature = readBase64(encoded);
  if (!signature) throw invalid('signature is not canonical base64.');
  const lines = [['method', method] as const, ['path and query', target] as const, ['timestamp', timestamp] as const];
  return {
    key: { by: 'serial', serialNumber: serial.length % 2 === 0 ? serial.toUpperCase() : `0${serial.toUpperCase()}` },
    createdAtSeconds: Number(timestamp),
    nonce,
    ...linesAndBody([...lines, ['nonce_str', nonce]], body),
    signature,
  };
}

/** The values of the five names, each of which stands once, and nothing else. */
function readParameters(text: string): [string, string, string, string, string] {
  const fields = new Map<string, string>();
  for (let at = 0; at < text.length || fields.size < NAMES.length; at = PARAMETER.lastIndex) {
    PARAMETER.lastIndex = at;
    const [, name = '', value = '', end] = PARAMETER.exec(text) ?? [];
    if (!NAMES.includes(name) || fields.has(name) || (end === ',') !== fields.size + 1 < NAMES.length)
      throw invalid(`Authorization must name ${NAMES.join(', ')}, each once and in quotes.`);
    fields.set(name, value);
  }
  return NAMES.map((name) => fields.get(name) as string) as [string, string, string, string, string];
}

async function signAnswer(answer: SchemeAnswer): Promise<string[]> {
  const timestamp = String(Math.floor(answer.nowMs / 1000));
  const signed = await signTimeNonceBody(answer, timestamp);
  if (!signed) return [];
  const { nonce, signature, by } = signed;
  return [
    ...['Wechatpay-Timestamp', timestamp],
    ...['Wechatpay-Nonce', nonce],
    ...['Wechatpay-Serial', by.serialNumber],
    ...['Wechatpay-Signature', signature],
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
  signAnswer,
};
