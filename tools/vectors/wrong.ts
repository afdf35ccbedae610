import type { KeyName } from './keys.ts';
import { type Draft, type Form, type HeaderPair, type Message, NOW_SECONDS, type Signed } from './message.ts';
import type { Sign } from './signatures.ts';
import { WRONG_CMS } from './wrong-cms.ts';
import { WRONG_JWS } from './wrong-jws.ts';

/** One thing that is wrong with a signed request, and the code of the refusal it must get. */
export type Wrong = {
  readonly name: string;
  readonly code: string | ((form: Form) => string);
  /** Undefined: not for this form. */
  readonly make: (form: Form, good: Signed, sign: Sign) => Message | undefined;
};

const SIGNERS = /^(signature|authorization|x-jws-signature|x-cms-signature)$/i;
const isForm = ({ scheme }: Form): boolean => scheme === 'sorted-rsa2';
const isRfc9421 = ({ scheme }: Form): boolean => scheme === 'rfc9421';
const isPlainJws = ({ scheme }: Form): boolean => scheme === 'jws-obie';
/** Forms that sign neither method nor address: there the operation decides what may stand open. */
const signsNoAddress = (form: Form): boolean => isForm(form) || isPlainJws(form);
/** Forms that sign the headers that decide. */
const SIGNS_HEADERS: readonly string[] = ['rfc9421', 'jws', 'cms'];
const signsHeaders = ({ scheme }: Form): boolean => SIGNS_HEADERS.includes(scheme);
const withHeader = (message: Message, name: string, change: (value: string) => string): Message => ({
  ...message,
  headers: message.headers.map((header) => (header[0] === name ? ([name, change(header[1])] as const) : header)),
});

/** The same, signed properly although it says something else. */
const signedWith = (form: Form, changes: Partial<Draft>, sign: Sign, key = form.key) =>
  form.make({ ...form.draft, ...changes }, (base) => sign(base, key)).message;

/** The same with other bytes for a signature. */
const signedBy = (form: Form, bytes: Buffer): Message => form.make(form.draft, () => bytes).message;

/** Changes the text of the signature wherever the scheme has it; a CMS is a text of its own. */
function withSignature(form: Form, { message, signature }: Signed, change: (text: string) => string): Message {
  if (form.scheme === 'cms') return withHeader(message, 'X-CMS-Signature', change);
  const text = signature.toString(form.scheme.startsWith('jws') ? 'base64url' : 'base64');
  if (isForm(form)) return { ...message, body: message.body.replace(encodeURIComponent(text), encodeURIComponent(change(text))) };
  const headers = message.headers.map(
    ([name, value]): HeaderPair => [name, SIGNERS.test(name) ? value.replace(text, change(text)) : value],
  );
  return { ...message, headers };
}

const flipped = (signature: Buffer): Buffer => {
  const bytes = Buffer.from(signature);
  bytes[0] = (bytes[0] as number) ^ 1;
  return bytes;
};

/** Other trailing bits that decoders drop, or no padding: the same bytes in another spelling. */
const otherSpelling = (text: string): string => (text.endsWith('=') ? text.replace(/=+$/, '') : `${text}====`);

/** Keys of the same kind that are not the merchant's. */
const OTHER_KEYS: Readonly<Partial<Record<KeyName, KeyName>>> = { rsa: 'other-rsa', p256: 'platform' };
const MISMATCH = 'SIGNATURE_MISMATCH';

/** At least twelve of these apply to every form. */
export const WRONG: readonly Wrong[] = [
  {
    name: 'a byte of the body changed',
    code: MISMATCH,
    make: (form, { message }) => (form.draft.body === '' ? undefined : { ...message, body: message.body.replace('1999', '9999') }),
  },
  {
    name: 'a line feed behind the body',
    code: MISMATCH,
    make: (form, { message }) => (form.draft.body === '' || isForm(form) ? undefined : { ...message, body: `${message.body}\n` }),
  },
  {
    name: 'the body taken away',
    code: (form) => (isPlainJws(form) ? 'SIGNATURE_COVERAGE' : MISMATCH),
    make: (form, { message }) => (form.draft.body === '' || isForm(form) ? undefined : { ...message, body: '' }),
  },
  {
    name: 'another method',
    code: MISMATCH,
    make: (form, { message }) => (signsNoAddress(form) ? undefined : { ...message, method: 'PUT' }),
  },
  {
    name: 'another path',
    code: MISMATCH,
    make: (form, { message }) => (signsNoAddress(form) ? undefined : { ...message, target: message.target.replace('orders', 'refunds') }),
  },
  {
    name: 'a query that was not signed',
    code: (form) => (isPlainJws(form) ? 'SIGNATURE_COVERAGE' : MISMATCH),
    make: (form, { message }) =>
      isForm(form) ? undefined : { ...message, target: `${message.target}${message.target.includes('?') ? '&' : '?'}b=2` },
  },
  {
    name: 'a letter of the path percent-encoded',
    code: MISMATCH,
    make: (form, { message }) => (signsNoAddress(form) ? undefined : { ...message, target: message.target.replace('/v1/o', '/v1/%6F') }),
  },
  { name: 'a bit of the signature flipped', code: MISMATCH, make: (form, { signature }) => signedBy(form, flipped(signature)) },
  {
    name: 'a signature of zeros',
    code: MISMATCH,
    make: (form, { signature }) => signedBy(form, Buffer.alloc(signature.length)),
  },
  {
    name: 'the signature in another spelling of base64',
    code: 'SIGNATURE_INVALID',
    make: (form, good) => withSignature(form, good, otherSpelling),
  },
  {
    name: 'no signature',
    code: 'SIGNATURE_MISSING',
    make: (form, { message }) =>
      isForm(form)
        ? undefined
        : { ...message, headers: message.headers.filter(([name]) => !/^(signature.*|authorization|x-(jws|cms)-signature)$/i.test(name)) },
  },
  {
    name: 'signed with another key',
    code: MISMATCH,
    make: (form, _good, sign) => (OTHER_KEYS[form.key] ? signedWith(form, {}, sign, OTHER_KEYS[form.key]) : undefined),
  },
  {
    name: 'signed too long ago',
    code: 'TIMESTAMP_SKEW',
    make: (form, _good, sign) => signedWith(form, { createdAtSeconds: NOW_SECONDS - 301 }, sign),
  },
  {
    name: 'signed too far ahead',
    code: 'TIMESTAMP_SKEW',
    make: (form, _good, sign) => signedWith(form, { createdAtSeconds: NOW_SECONDS + 301 }, sign),
  },
  {
    name: 'a key that nobody has',
    code: 'KEY_UNKNOWN',
    make: (form, _good, sign) => {
      const keyid = isRfc9421(form) ? 'unknown' : form.name === 'unionpay' ? '4711' : 'f'.repeat(32);
      return form.scheme === 'cms' ? undefined : signedWith(form, { keyid }, sign);
    },
  },
  {
    name: 'another nonce',
    code: MISMATCH,
    make: ({ draft, ...form }, { message }) =>
      isForm({ draft, ...form }) || form.scheme.startsWith('jws')
        ? undefined
        : { ...message, headers: message.headers.map(([name, value]) => [name, value.replace(draft.nonce, 'BAECAwQFBgcICQoLDA0ODw')]) },
  },
  {
    name: 'a Host that is not the gateway',
    code: 'HTTP_INVALID',
    make: (_form, { message }) => withHeader(message, 'Host', () => 'test.example'),
  },
  {
    name: 'the port of another system',
    code: MISMATCH,
    make: (form, { message }) => (signsHeaders(form) ? withHeader(message, 'Host', (host) => `${host}:8443`) : undefined),
  },
  {
    name: 'the merchant number of another',
    code: MISMATCH,
    make: (form, { message }) =>
      ['rfc9421', 'jws'].includes(form.scheme) ? withHeader(message, 'Merchant-Number', () => '800000000000002') : undefined,
  },
  {
    name: 'the key of another order',
    code: MISMATCH,
    make: (form, { message }) =>
      signsHeaders(form) && form.draft.body !== '' ? withHeader(message, 'Idempotency-Key', () => 'order-A-2') : undefined,
  },
  {
    name: 'the method not covered',
    code: 'SIGNATURE_COVERAGE',
    make: (form, { message }) =>
      isRfc9421(form) ? withHeader(message, 'Signature-Input', (input) => input.replace('"@method" ', '')) : undefined,
  },
  {
    name: 'a component covered twice',
    code: 'SIGNATURE_COVERAGE',
    make: (form, { message }) =>
      isRfc9421(form) ? withHeader(message, 'Signature-Input', (input) => input.replace('"@method"', '"@method" "@method"')) : undefined,
  },
  {
    name: 'another tag',
    code: 'SIGNATURE_MISSING',
    make: (form, { message }) =>
      isRfc9421(form) ? withHeader(message, 'Signature-Input', (input) => input.replace('hufu-request', 'hufu-response')) : undefined,
  },
  {
    name: 'an algorithm that the key does not have',
    code: 'SIGNATURE_INVALID',
    make: (form, { message }) =>
      isRfc9421(form) ? withHeader(message, 'Signature-Input', (input) => `${input};alg="hmac-sha256"`) : undefined,
  },
  {
    name: 'body and digest of another order',
    code: MISMATCH,
    make: (form, { message }, sign) => {
      if (!isRfc9421(form) || form.draft.body === '') return undefined;
      const other = signedWith(form, { body: '{}' }, sign);
      const digest = other.headers.find(([name]) => name === 'Content-Digest')?.[1] as string;
      return withHeader({ ...message, body: '{}' }, 'Content-Digest', () => digest);
    },
  },
  {
    name: 'a field more',
    code: MISMATCH,
    make: (form, { message }) =>
      isForm(form) ? { ...message, body: `${message.body}&${form.name === 'unionpay' ? 'memo' : 'notify_url'}=1` } : undefined,
  },
  {
    name: 'a field twice',
    code: 'SIGNATURE_INVALID',
    make: (form, { message }) => (isForm(form) ? { ...message, body: `${message.body}&version=1` } : undefined),
  },
  {
    name: 'a query on a form',
    code: 'SIGNATURE_COVERAGE',
    make: (form, { message }) => (isForm(form) ? { ...message, target: `${message.target}?a=1` } : undefined),
  },
  {
    name: 'a header that the scheme does not sign',
    code: 'SIGNATURE_COVERAGE',
    make: (form, { message }) =>
      signsHeaders(form) ? undefined : { ...message, headers: [...message.headers, ['Idempotency-Key', 'order-A-1']] },
  },
  {
    name: 'a Range that was not signed',
    code: (form) => (form.scheme === 'cms' ? MISMATCH : 'SIGNATURE_COVERAGE'),
    make: (form, { message }) => (signsHeaders(form) ? { ...message, headers: [...message.headers, ['Range', 'bytes=0-9']] } : undefined),
  },
  {
    name: 'another operation',
    code: 'SIGNATURE_COVERAGE',
    make: (form, { message }) =>
      isForm(form) ? { ...message, body: message.body.replace('method=orders.create', 'method=orders.close') } : undefined,
  },
  ...WRONG_JWS,
  ...WRONG_CMS,
];
