import { privateKey, signPlainly } from './keys.ts';
import { type Draft, type Form, type HeaderPair, type Message, NOW_SECONDS, type Signed } from './message.ts';

/** One thing that is wrong with a signed request, and the code of the refusal it must get. */
type Wrong = {
  readonly name: string;
  readonly code: string;
  /** Undefined: not for this form. */
  readonly make: (form: Form, good: Signed) => Message | undefined;
};

const SIGNERS = /^(signature|authorization)$/i;
const isForm = ({ scheme }: Form): boolean => scheme === 'sorted-rsa2';
const isRfc9421 = ({ scheme }: Form): boolean => scheme === 'rfc9421';
const withHeader = (message: Message, name: string, change: (value: string) => string): Message => ({
  ...message,
  headers: message.headers.map((header) => (header[0] === name ? ([name, change(header[1])] as const) : header)),
});

/** The same, signed properly although it says something else. */
const signedWith = (
  form: Form,
  changes: Partial<Draft>,
  sign = (base: Buffer) => signPlainly(form.algorithm, privateKey(form.key), base),
) => form.make({ ...form.draft, ...changes }, sign).message;

/** Changes the text of the signature wherever the scheme has it. */
function withSignature(form: Form, { message, signature }: Signed, change: (text: string) => string): Message {
  const text = signature.toString('base64');
  if (isForm(form)) return { ...message, body: message.body.replace(encodeURIComponent(text), encodeURIComponent(change(text))) };
  const headers = message.headers.map(
    ([name, value]): HeaderPair => [name, SIGNERS.test(name) ? value.replace(text, change(text)) : value],
  );
  return { ...message, headers };
}

const flipped = (text: string): string => {
  const bytes = Buffer.from(text, 'base64');
  bytes[0] = (bytes[0] as number) ^ 1;
  return bytes.toString('base64');
};

/** Other trailing bits that decoders drop, or no padding: the same bytes in another spelling. */
const otherSpelling = (text: string): string => (text.endsWith('=') ? text.replace(/=+$/, '') : `${text}====`);

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
    code: MISMATCH,
    make: (form, { message }) => (form.draft.body === '' || isForm(form) ? undefined : { ...message, body: '' }),
  },
  { name: 'another method', code: MISMATCH, make: (form, { message }) => (isForm(form) ? undefined : { ...message, method: 'PUT' }) },
  {
    name: 'another path',
    code: MISMATCH,
    make: (form, { message }) => (isForm(form) ? undefined : { ...message, target: message.target.replace('orders', 'refunds') }),
  },
  {
    name: 'a query that was not signed',
    code: MISMATCH,
    make: (form, { message }) =>
      isForm(form) ? undefined : { ...message, target: `${message.target}${message.target.includes('?') ? '&' : '?'}b=2` },
  },
  {
    name: 'a letter of the path percent-encoded',
    code: MISMATCH,
    make: (form, { message }) => (isForm(form) ? undefined : { ...message, target: message.target.replace('/v1/o', '/v1/%6F') }),
  },
  { name: 'a bit of the signature flipped', code: MISMATCH, make: (form, good) => withSignature(form, good, flipped) },
  {
    name: 'a signature of zeros',
    code: MISMATCH,
    make: (form, good) => withSignature(form, good, () => Buffer.alloc(good.signature.length).toString('base64')),
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
      isForm(form) ? undefined : { ...message, headers: message.headers.filter(([name]) => !/^(signature.*|authorization)$/i.test(name)) },
  },
  {
    name: 'signed with another key',
    code: MISMATCH,
    make: (form) =>
      form.key === 'rsa' ? signedWith(form, {}, (base) => signPlainly(form.algorithm, privateKey('other-rsa'), base)) : undefined,
  },
  { name: 'signed too long ago', code: 'TIMESTAMP_SKEW', make: (form) => signedWith(form, { createdAtSeconds: NOW_SECONDS - 301 }) },
  { name: 'signed too far ahead', code: 'TIMESTAMP_SKEW', make: (form) => signedWith(form, { createdAtSeconds: NOW_SECONDS + 301 }) },
  {
    name: 'a key that nobody has',
    code: 'KEY_UNKNOWN',
    make: (form) => signedWith(form, { keyid: isRfc9421(form) ? 'unknown' : form.name === 'unionpay' ? '4711' : 'f'.repeat(32) }),
  },
  {
    name: 'another nonce',
    code: MISMATCH,
    make: ({ draft, ...form }, { message }) =>
      isForm({ draft, ...form })
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
    make: (form, { message }) => (isRfc9421(form) ? withHeader(message, 'Host', (host) => `${host}:8443`) : undefined),
  },
  {
    name: 'the merchant number of another',
    code: MISMATCH,
    make: (form, { message }) => (isRfc9421(form) ? withHeader(message, 'Merchant-Number', () => '800000000000002') : undefined),
  },
  {
    name: 'the key of another order',
    code: MISMATCH,
    make: (form, { message }) =>
      isRfc9421(form) && form.draft.body !== '' ? withHeader(message, 'Idempotency-Key', () => 'order-A-2') : undefined,
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
    make: (form, { message }) => {
      if (!isRfc9421(form) || form.draft.body === '') return undefined;
      const other = signedWith(form, { body: '{}' });
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
      isRfc9421(form) ? undefined : { ...message, headers: [...message.headers, ['Idempotency-Key', 'order-A-1']] },
  },
  {
    name: 'another operation',
    code: 'SIGNATURE_COVERAGE',
    make: (form, { message }) =>
      isForm(form) ? { ...message, body: message.body.replace('method=orders.create', 'method=orders.close') } : undefined,
  },
];
