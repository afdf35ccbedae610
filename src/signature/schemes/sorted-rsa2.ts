import { readBase64, sha256 } from '../../lib/bytes.ts';
import { contentDigestOf } from '../../protocol/content-digest.ts';
import { Refusal } from '../../protocol/errors.ts';
import { allHeaders, HEADER } from '../../protocol/headers.ts';
import type { RegisteredHandle } from '../../protocol/key-handle.ts';
import { type Fields, joinFields, readForm, sortedFields } from '../form.ts';
import { contentOf } from '../form-content.ts';
import { nonceOfBytes } from '../nonce.ts';
import type { Presented } from '../presented.ts';
import type { Scheme, SchemeAnswer, SchemeRequest } from '../scheme.ts';

/**
 * Form posts whose fields are signed as sorted `name=value&...`, in two dialects: Alipay v2 (支付宝, `sign` with RSA2) and UnionPay
 * (银联, `signature` over the hexadecimal SHA-256 of that text). Neither path nor method nor headers are signed, so signed fields must
 * say the same: `method` is the operation's id, and each path parameter is repeated in the field of its name; a query is refused
 * (docs/decisions/0014-what-a-scheme-leaves-open.md). What is read and forwarded is `biz_content`, or an object made of the fields.
 */
type Dialect = {
  readonly name: 'alipay' | 'unionpay';
  readonly signature: string;
  /** Fields that must have this value. */
  readonly fixed: readonly (readonly [name: string, value: RegExp])[];
  readonly merchant: string;
  readonly time: string;
  /** Digits of year to second in order; the time of China (UTC+8). */
  readonly timeForm: RegExp;
  /** The bytes that RSA signs. */
  readonly bytesOf: (text: string) => Buffer;
  readonly keyOf: (fields: Fields) => RegisteredHandle;
  /** Fields of the protocol, which are no content. */
  readonly own: readonly string[];
};

const invalid = (detail: string): Refusal => new Refusal('SIGNATURE_INVALID', { detail });

const DIALECTS: readonly Dialect[] = [
  {
    name: 'alipay',
    signature: 'sign',
    fixed: [
      ['sign_type', /^RSA2$/],
      ['charset', /^utf-8$/i],
    ],
    merchant: 'app_id',
    time: 'timestamp',
    timeForm: /^(\d{4})-(\d{2})-(\d{2}) (\d{2}):(\d{2}):(\d{2})$/,
    bytesOf: (text) => Buffer.from(text, 'utf8'),
    keyOf: (fields) => {
      const serial = fields.get('app_cert_sn');
      return serial === undefined ? { by: 'merchant' } : { by: 'alipaySerial', serial };
    },
    own: ['version', 'format', 'app_cert_sn', 'alipay_root_cert_sn', 'alipay_sdk', 'notify_url', 'return_url', 'method'],
  },
  {
    name: 'unionpay',
    signature: 'signature',
    fixed: [
      ['signMethod', /^01$/],
      ['encoding', /^UTF-8$/i],
    ],
    merchant: 'merId',
    time: 'txnTime',
    timeForm: /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})$/,
    bytesOf: (text) => Buffer.from(sha256(text).toString('hex'), 'latin1'),
    keyOf: (fields) => {
      const serial = fields.get('certId');
      if (serial === undefined) return { by: 'merchant' };
      if (!/^[1-9][0-9]{0,48}$/.test(serial))
        throw new Refusal('KEY_UNKNOWN', { detail: 'certId is not the serial number of a certificate in decimal.' });
      const hex = BigInt(serial).toString(16).toUpperCase();
      return { by: 'serial', serialNumber: hex.length % 2 === 0 ? hex : `0${hex}` };
    },
    own: ['version', 'certId', 'backUrl', 'frontUrl', 'method'],
  },
];
const SIGNATURES: readonly string[] = DIALECTS.map(({ signature }) => signature);
const CHINA_OFFSET_MS = 28_800_000;

function present(request: SchemeRequest): Presented {
  if (request.target.includes('?'))
    throw new Refusal('SIGNATURE_COVERAGE', { detail: 'The query is not signed in this scheme and must not be sent.' });
  const fields = readForm(request.body, SIGNATURES);
  const [dialect, ...others] = DIALECTS.filter(({ signature }) => fields.has(signature));
  if (!dialect || others.length > 0) throw invalid(`The form has one of the fields ${SIGNATURES.join(' and ')}.`);
  for (const [name, value] of dialect.fixed)
    if (!value.test(fields.get(name) ?? '')) throw invalid(`The field ${name} is missing, or names what is not supported.`);
  checkNames(request, dialect, fields);
  const signature = readBase64(fields.get(dialect.signature) as string);
  if (!signature) throw invalid(`${dialect.signature} is not canonical base64, percent-encoded.`);
  return {
    key: dialect.keyOf(fields),
    createdAtSeconds: readTime(dialect, fields),
    ...readSigned(request, dialect, fields),
    signature,
    dialect: dialect.name,
  };
}

/** Merchant, operation and path parameters, none of which is signed where it stands in HTTP. */
function checkNames({ merchant, operation, pathParameters }: SchemeRequest, dialect: Dialect, fields: Fields): void {
  if (fields.get(dialect.merchant) !== (merchant.signatureOptions['sorted-rsa2'].id ?? merchant.number))
    throw new Refusal('MERCHANT_MISMATCH', { detail: `${dialect.merchant} is not this merchant's.` });
  if (fields.get('method') !== operation.id)
    throw new Refusal('SIGNATURE_COVERAGE', { detail: `The field method must name the operation, ${operation.id}.` });
  for (const [name, value] of Object.entries(pathParameters))
    if (!repeats(fields, name, value))
      throw new Refusal('SIGNATURE_COVERAGE', { detail: `The field ${name} must repeat the value in the path.` });
}

function repeats(fields: Fields, name: string, value: string): boolean {
  const sent = namesOf(name).filter((each) => fields.has(each));
  return sent.length > 0 && sent.every((each) => fields.get(each) === value);
}

/** A path parameter's name, also as SDKs write it that turn names into snake_case. */
const namesOf = (name: string): string[] => [...new Set([name, name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)])];

function readTime({ time, timeForm }: Dialect, fields: Fields): number {
  const [, year = '', month = '', day = '', hour = '', minute = '', second = ''] = timeForm.exec(fields.get(time) ?? '') ?? [];
  const text = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
  const ms = Date.parse(text);
  if (Number.isNaN(ms) || new Date(ms).toISOString() !== text) throw invalid(`${time} is not a time of its form.`);
  return (ms - CHINA_OFFSET_MS) / 1000;
}

/** The content is left out of what is kept and told: it is the body. */
function readSigned(
  { operation, pathParameters }: SchemeRequest,
  dialect: Dialect,
  fields: Fields,
): Pick<Presented, 'signed' | 'record' | 'lines' | 'nonce' | 'content'> {
  const sorted = sortedFields(fields, dialect.signature);
  const own = new Set([...dialect.own, dialect.signature, dialect.merchant, dialect.time, ...dialect.fixed.map(([name]) => name)]);
  for (const name of Object.keys(pathParameters).flatMap(namesOf)) own.add(name);
  const isOwn = (name: string) => own.has(name);
  const stranger = fields.has('biz_content') && sorted.find(([name]) => !isOwn(name) && name !== 'biz_content');
  if (stranger) throw invalid(`The field ${stranger[0]} stands beside biz_content and nothing would read it; leave it out.`);
  // In the order that was signed: the one in which fields are sent is not, and must not make another request of the same order.
  const content = contentOf(new Map(sorted), isOwn, operation.amount);
  if (!content) throw invalid('Two fields of the form contradict each other.');
  const signed = dialect.bytesOf(joinFields(sorted));
  return {
    signed,
    record: joinFields(sorted.map(([name, value]) => [name, isOwn(name) ? value : contentDigestOf(sha256(value))])),
    lines: () =>
      sorted.map(([name, value]) => ({
        name,
        bytes: Buffer.from(`${name}=${value}`, 'utf8'),
        ...(!isOwn(name) && { isBody: true as const }),
      })),
    nonce: nonceOfBytes(signed),
    content,
  };
}

/** JSON by its media type, problem documents (RFC 9457) too. */
const JSON_TYPE = /^application\/(?:[a-z.-]+\+)?json(?:[ \t]*;|$)/i;

/**
 * Alipay v2 wraps its answer: `{"METHOD_response":ANSWER,"sign":".."}`, signed over ANSWER, which is text where the answer is no JSON: encrypted
 * as a whole, or nothing. UnionPay's answers are forms, ours stay JSON.
 */
async function wrapAnswer({ body, contentType, operationId, dialect, findSigner }: SchemeAnswer): Promise<Buffer | undefined> {
  if (dialect !== 'alipay') return undefined;
  const by = findSigner('rsa-v1_5-sha256');
  if (!by) return undefined;
  const value = body.length > 0 && JSON_TYPE.test(contentType) ? body : Buffer.from(JSON.stringify(body.toString('utf8')));
  const sign = (await by.signer.sign(value)).toString('base64');
  const name = JSON.stringify(`${operationId.replaceAll('.', '_')}_response`);
  const members = [`{${name}:`, value, `,"alipay_cert_sn":"${by.alipaySerial}","sign":"${sign}"}`];
  return Buffer.concat(members.map((member) => (typeof member === 'string' ? Buffer.from(member) : member)));
}

const FORM = /^application\/x-www-form-urlencoded(?:[ \t]*;|$)/i;
const HAS_SIGNATURE = new RegExp(`(?:^|&)(?:${SIGNATURES.join('|')})=`);

export const SORTED_RSA2: Scheme = {
  name: 'sorted-rsa2',
  algorithms: ['rsa-v1_5-sha256'],
  coversHeaders: false,
  coversMerchant: false,
  bound: 'body',
  isPresent: ({ rawHeaders, body }) =>
    allHeaders(rawHeaders, HEADER.contentType).some((type) => FORM.test(type)) && HAS_SIGNATURE.test(Buffer.from(body).toString('latin1')),
  present,
  wrapAnswer,
};
