import type { Form, HeaderPair, Message } from './message.ts';
import type { Sign } from './signatures.ts';
import type { Wrong } from './wrong.ts';

/** What may be wrong with a detached JWS. */

const FIELD = 'x-jws-signature';
type Header = Record<string, unknown> & { readonly crit: readonly string[] };

const isJws = ({ scheme }: Form): boolean => scheme.startsWith('jws');
const withField = (message: Message, change: (value: string) => string): Message => ({
  ...message,
  headers: message.headers.map(([name, value]): HeaderPair => [name, name === FIELD ? change(value) : value]),
});
const headerOf = (value: string): Header =>
  JSON.parse(Buffer.from(value.slice(0, value.indexOf('.')), 'base64url').toString('utf8')) as Header;
const encoded = (header: object): string => Buffer.from(JSON.stringify(header)).toString('base64url');

/** Another protected header, under the signature that was. */
const changed = (message: Message, change: (header: Header) => object): Message =>
  withField(message, (value) => `${encoded(change(headerOf(value)))}${value.slice(value.indexOf('.'))}`);

/** Another protected header, signed properly. */
const signedAnew = ({ message, base }: { message: Message; base: Buffer }, sign: Sign, change: (header: Header) => object): Message =>
  withField(message, (value) => {
    const head = encoded(change(headerOf(value)));
    const payload = base.subarray(base.indexOf('.'));
    return `${head}..${sign(Buffer.concat([Buffer.from(head), payload])).toString('base64url')}`;
  });

const withoutClaim = ({ crit, ...header }: Header, name: string): object => ({ ...header, crit: crit.filter((each) => each !== name) });

type Change = (header: Header) => object;
const anew = (name: string, code: string, change: Change, fits: (form: Form) => boolean = isJws): Wrong => ({
  ...{ name, code, make: (form, good, sign) => (fits(form) ? signedAnew(good, sign, change) : undefined) },
});

export const WRONG_JWS: readonly Wrong[] = [
  {
    name: 'alg none',
    code: 'SIGNATURE_INVALID',
    make: (form, { message }) => (isJws(form) ? changed(message, (header) => ({ ...header, alg: 'none' })) : undefined),
  },
  anew('alg HS256', 'SIGNATURE_INVALID', (header) => ({ ...header, alg: 'HS256' })),
  anew('the alg of another kind of key', 'SIGNATURE_INVALID', ({ alg, ...header }) => ({
    alg: alg === 'ES256' ? 'PS256' : 'ES256',
    ...header,
  })),
  anew('a key brought along', 'SIGNATURE_INVALID', (header) => ({ ...header, jwk: { kty: 'EC' } })),
  anew('an address to fetch keys from', 'SIGNATURE_INVALID', (header) => ({ ...header, jku: 'https://keys.example' })),
  anew('crit names what nobody knows', 'SIGNATURE_INVALID', (header) => ({ ...header, unheard: 1, crit: [...header.crit, 'unheard'] })),
  anew('no crit', 'SIGNATURE_INVALID', ({ crit: _, ...header }) => header),
  anew('a claim that is not in crit', 'SIGNATURE_COVERAGE', (header) => ({ ...header, crit: header.crit.slice(0, -1) })),
  anew('b64 of the other profile', 'SIGNATURE_INVALID', (header) =>
    header.b64 === false ? { ...withoutClaim(header, 'b64'), b64: undefined } : { ...header, b64: false, crit: ['b64', ...header.crit] },
  ),
  {
    name: 'another time in the protected header',
    code: 'SIGNATURE_MISMATCH',
    make: (form, { message }) => {
      const name = form.scheme === 'jws' ? 'iat' : 'http://openbanking.org.uk/iat';
      return isJws(form) ? changed(message, (header) => ({ ...header, [name]: (header[name] as number) - 1 })) : undefined;
    },
  },
  {
    name: 'the payload brought along',
    code: 'SIGNATURE_INVALID',
    make: (form, { message }) => (isJws(form) ? withField(message, (value) => value.replace('..', '.e30.')) : undefined),
  },
  {
    name: 'two of them',
    code: 'SIGNATURE_INVALID',
    make: (form, { message }) =>
      isJws(form) ? { ...message, headers: [...message.headers, ...message.headers.filter(([name]) => name === FIELD)] } : undefined,
  },
  anew(
    'the method is not claimed',
    'SIGNATURE_COVERAGE',
    (header) => ({ ...withoutClaim(header, 'htm'), htm: undefined }),
    ({ scheme }) => scheme === 'jws',
  ),
  anew(
    'the address of another order is claimed',
    'SIGNATURE_MISMATCH',
    (header) => ({ ...header, htu: 'https://gateway.example/v1/orders/A-2' }),
    ({ scheme }) => scheme === 'jws',
  ),
  anew(
    'another issuer',
    'MERCHANT_MISMATCH',
    (header) => ({ ...header, 'http://openbanking.org.uk/iss': 'another/issuer' }),
    ({ scheme }) => scheme === 'jws-obie',
  ),
];
