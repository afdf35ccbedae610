import { readBase64 } from '../../lib/bytes.ts';
import { Refusal } from '../../protocol/errors.ts';
import { allHeaders } from '../../protocol/headers.ts';
import { linesAndBody, readAuthorization, signTimeNonceBody } from '../line-form.ts';
import type { Presented } from '../presented.ts';
import type { Scheme, SchemeAnswer, SchemeRequest } from '../scheme.ts';

/**
 * Alipay OpenAPI v3 (支付宝): `Authorization: ALIPAY-SHA256withRSA app_id=..,app_cert_sn=..,nonce=..,timestamp=..,sign=..`, the sign over
 * the parameters before it as they stand, method, path with query and body, each behind a line feed. The time is milliseconds.
 * Without `app_cert_sn` it is one of the merchant's keys. No header is signed: docs/decisions/0014-what-a-scheme-leaves-open.md.
 */
const TYPE = 'ALIPAY-SHA256withRSA';
const NAMES: readonly string[] = ['app_id', 'app_cert_sn', 'nonce', 'timestamp', 'expired_seconds'];
const SIGN = ',sign=';
const NONCE = /^[A-Za-z0-9_-]{16,64}$/;
/** Also as short as seconds, so that the check of the time can say that it is them. */
const MILLISECONDS = /^[1-9][0-9]{9,13}$/;
const SECONDS = /^[1-9][0-9]{0,5}$/;
const SERIAL = /^[0-9a-f]{32}$/;

const invalid = (detail: string): Refusal => new Refusal('SIGNATURE_INVALID', { detail });

function present(request: SchemeRequest): Presented {
  const { method, target, rawHeaders, body, merchant } = request;
  // It would be signed behind the body, where a longer body reads the same.
  if (allHeaders(rawHeaders, 'alipay-app-auth-token').length > 0)
    throw new Refusal('SIGNATURE_COVERAGE', { detail: 'alipay-app-auth-token is not accepted: a merchant signs for itself.' });
  const { text, fields, signature } = readParameters(readAuthorization(rawHeaders, TYPE));
  const serial = fields.get('app_cert_sn');
  if (fields.get('app_id') !== (merchant.signatureOptions['alipay-v3'].appId ?? merchant.number))
    throw new Refusal('MERCHANT_MISMATCH', { detail: "app_id is not this merchant's." });
  if (serial !== undefined && !SERIAL.test(serial))
    throw new Refusal('KEY_UNKNOWN', { detail: 'app_cert_sn is not 32 lower-case hexadecimal digits.' });
  return {
    key: serial === undefined ? { by: 'merchant' } : { by: 'alipaySerial', serial },
    ...readTimes(fields),
    ...linesAndBody([['parameters', text] as const, ['method', method] as const, ['path and query', target] as const], body),
    signature,
  };
}

/** Everything before `,sign=` is signed as it stands; each name stands once. */
function readParameters(parameters: string): {
  readonly text: string;
  readonly fields: ReadonlyMap<string, string>;
  readonly signature: Buffer;
} {
  const end = parameters.lastIndexOf(SIGN);
  if (end === -1) throw invalid('Authorization must end with sign.');
  const text = parameters.slice(0, end);
  const fields = new Map<string, string>();
  for (const pair of text.split(',')) {
    const [, name = '', value = ''] = /^([a-z_]{1,16})=([\x21-\x7e]{1,128})$/.exec(pair) ?? [];
    if (!NAMES.includes(name) || fields.has(name)) throw invalid(`Authorization names each of ${NAMES.join(', ')} once at most.`);
    fields.set(name, value);
  }
  const signature = readBase64(parameters.slice(end + SIGN.length));
  if (!signature) throw invalid('sign is not canonical base64.');
  return { text, fields, signature };
}

function readTimes(fields: ReadonlyMap<string, string>): Pick<Presented, 'createdAtSeconds' | 'expiresAtSeconds' | 'nonce'> {
  const nonce = fields.get('nonce') ?? '';
  const timestamp = fields.get('timestamp') ?? '';
  const lifetime = fields.get('expired_seconds');
  if (!NONCE.test(nonce)) throw invalid('nonce is not 16 to 64 characters of A-Z a-z 0-9 _ -');
  if (!MILLISECONDS.test(timestamp)) throw invalid('timestamp is not milliseconds.');
  if (lifetime !== undefined && !SECONDS.test(lifetime)) throw invalid('expired_seconds is not whole seconds.');
  const createdAtSeconds = Math.floor(Number(timestamp) / 1000);
  return { createdAtSeconds, nonce, ...(lifetime !== undefined && { expiresAtSeconds: createdAtSeconds + Number(lifetime) }) };
}

async function signAnswer(answer: SchemeAnswer): Promise<string[]> {
  const timestamp = String(answer.nowMs);
  const signed = await signTimeNonceBody(answer, timestamp);
  if (!signed) return [];
  const { nonce, signature, by } = signed;
  return [
    ...['alipay-timestamp', timestamp],
    ...['alipay-nonce', nonce],
    ...['alipay-sn', by.alipaySerial],
    ...['alipay-signature', signature],
  ];
}

export const ALIPAY_V3: Scheme = {
  name: 'alipay-v3',
  algorithms: ['rsa-v1_5-sha256'],
  coversHeaders: false,
  coversMerchant: false,
  bound: { header: 'authorization' },
  isPresent: ({ rawHeaders }) => allHeaders(rawHeaders, 'authorization').some((value) => /^ALIPAY-/i.test(value)),
  present,
  signAnswer,
};
