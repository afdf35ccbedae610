import type { KeyName, VectorAlgorithm } from './keys.ts';
import { type Draft, type Form, GET, type HeaderPair, latin1, MERCHANT, POST, type Signed } from './message.ts';

/** Detached JWS as UK Open Banking writes it, and with the claims of our own, as plain text after docs/signatures.md. */

type Alg = 'PS256' | 'ES256';
const ALGS: Readonly<Record<Alg, readonly [VectorAlgorithm, KeyName]>> = {
  PS256: ['rsa-pss-sha256', 'rsa'],
  ES256: ['ecdsa-p256-sha256', 'p256'],
};

type Kind = { readonly alg: Alg; readonly isRaw: boolean; readonly isOwn: boolean };
export const OBIE_ISSUER = '0015800001041RHAAY/HQuZPIt3ipkh33Uxytox1E';
export const TRUST_ANCHOR = 'openbanking.org.uk';
const OBIE = 'http://openbanking.org.uk';

const base64url = (text: string): string => latin1(text).toString('base64url');

/** `isOwn`: method, address, time and id are claimed, and each header that decides. `isRaw`: the body is signed as it is. */
function claimsOf({ isOwn }: Kind, draft: Draft): Readonly<Record<string, unknown>> {
  const { method, target, host, createdAtSeconds, nonce, body } = draft;
  if (!isOwn) return { [`${OBIE}/iat`]: createdAtSeconds, [`${OBIE}/iss`]: OBIE_ISSUER, [`${OBIE}/tan`]: TRUST_ANCHOR };
  const ofBody = body === '' ? {} : { 'idempotency-key': 'order-A-1' };
  return { htm: method, htu: `https://${host}${target}`, iat: createdAtSeconds, jti: nonce, 'merchant-number': MERCHANT, ...ofBody };
}

function makeJws(kind: Kind, draft: Draft, sign: (base: Buffer) => Buffer): Signed {
  const { alg, isRaw, isOwn } = kind;
  const { method, target, host, body, keyid } = draft;
  const critical = { ...(isRaw && { b64: false }), ...claimsOf(kind, draft) };
  const header = { alg, kid: keyid, typ: 'JOSE', cty: 'application/json', ...critical, crit: Object.keys(critical) };
  const protectedText = base64url(JSON.stringify(header));
  const base = latin1(`${protectedText}.${isRaw ? body : base64url(body)}`);
  const signature = sign(base);
  const headers: readonly HeaderPair[] = [
    ['Host', host],
    ...(body === '' ? [] : [['Content-Type', 'application/json'] as const]),
    ...(isOwn ? [['Merchant-Number', MERCHANT] as const] : []),
    ...(isOwn && body !== '' ? [['Idempotency-Key', 'order-A-1'] as const] : []),
    ['x-jws-signature', `${protectedText}..${signature.toString('base64url')}`],
  ];
  return { message: { method, target, headers, body }, base, signature };
}

function formOf(scheme: string, name: string, kind: Kind, draft: Draft, about: string): Form {
  const [algorithm, key] = ALGS[kind.alg];
  return { scheme, name, about, algorithm, key, draft, make: (each, sign) => makeJws(kind, each, sign) };
}

const OWN_ABOUT = 'A detached JWS with claims for method, address, time, id and every header that decides.';
const OBIE_ABOUT = 'A detached JWS as UK Open Banking has it; only the body and who sent it when is signed.';
const own = (name: string, alg: Alg, isRaw: boolean, draft: Draft): Form =>
  formOf('jws', name, { alg, isRaw, isOwn: true }, draft, OWN_ABOUT);
const obie = (version: string, alg: Alg): Form =>
  formOf('jws-obie', `${version}-${alg.toLowerCase()}`, { alg, isRaw: version === '3.1.3', isOwn: false }, POST, OBIE_ABOUT);

/** Names say the profile: `raw` and 3.1.3 sign the body as it is (`b64: false`), the others its base64url. */
export const JWS_FORMS: readonly Form[] = [
  own('post-es256', 'ES256', false, POST),
  own('post-ps256', 'PS256', false, POST),
  own('post-raw-es256', 'ES256', true, POST),
  own('post-raw-ps256', 'PS256', true, POST),
  own('get-es256', 'ES256', false, GET),
  ...(['3.1.3', '3.1.4'] as const).flatMap((version) => [obie(version, 'PS256'), obie(version, 'ES256')]),
];

/** What is agreed with the merchant of a vector. */
export const profileOf = ({ name }: Pick<Form, 'name'>): 'obie-3.1.3' | 'obie-3.1.4' =>
  /raw|3\.1\.3/.test(name) ? 'obie-3.1.3' : 'obie-3.1.4';
