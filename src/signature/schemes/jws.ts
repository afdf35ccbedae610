import { readBase64url, sha256 } from '../../lib/bytes.ts';
import { contentDigestOf } from '../../protocol/content-digest.ts';
import { Refusal } from '../../protocol/errors.ts';
import { allHeaders, COVERED_WHEN_SENT } from '../../protocol/headers.ts';
import type { JwsOptions } from '../../protocol/merchant.ts';
import { B64_OF_THE_OTHER_PROFILE } from '../../protocol/mistakes/of-content.ts';
import { findRequestValue } from '../../protocol/signature-base.ts';
import { checkHost } from '../coverage.ts';
import { JWS_ALGORITHMS, type JwsHeader, OBIE, OWN, readJwsHeader } from '../jws-header.ts';
import { nonceOfBytes } from '../nonce.ts';
import type { Contradiction, Presented, SignedLine } from '../presented.ts';
import type { Scheme, SchemeAnswer, SchemeRequest } from '../scheme.ts';

/**
 * Detached JWS in `x-jws-signature`, as UK Open Banking (OBIE) has it: `HEADER..SIGNATURE` over the body, PS256 or ES256.
 *
 * By itself it signs neither method, path nor any header. `jws` therefore demands claims of our own (htm, htu, iat, jti and one for each
 * header that decides); `jws-obie` is the form without them, to be enabled on purpose (docs/decisions/0016-plain-open-banking-signatures.md).
 */
const FIELD = 'x-jws-signature';
/** 128 bits and more in base64url, a UUID too. */
const ID = /^[A-Za-z0-9_-]{22,64}$/;

type Parts = { readonly protectedText: string; readonly header: JwsHeader; readonly signature: Buffer };

const invalid = (detail: string): Refusal => new Refusal('SIGNATURE_INVALID', { detail });
const uncovered = (name: string, detail: string): Refusal => new Refusal('SIGNATURE_COVERAGE', { detail, members: { component: name } });

function readParts({ rawHeaders, merchant }: SchemeRequest): Parts {
  const [value = '', ...more] = allHeaders(rawHeaders, FIELD);
  if (more.length > 0) throw invalid(`${FIELD} must be sent once.`);
  const [protectedText = '', payload, encoded, ...rest] = value.split('.');
  if (payload !== '' || encoded === undefined || rest.length > 0) throw invalid(`${FIELD} is not a detached JWS: HEADER..SIGNATURE.`);
  const signature = readBase64url(encoded);
  if (!signature) throw invalid('The signature is not canonical base64url.');
  const header = readJwsHeader(protectedText);
  checkProfile(header, merchant.signatureOptions.jws);
  return { protectedText, header, signature };
}

/** The form of the merchant's profile and no other; what is said of Open Banking's issuer is what is agreed with the merchant. */
function checkProfile({ isEncoded, claims }: JwsHeader, { profile, issuer, trustAnchor }: JwsOptions): void {
  if (isEncoded !== (profile === 'obie-3.1.4'))
    throw new Refusal('SIGNATURE_INVALID', {
      detail: `The merchant's profile is ${profile}: b64 must be ${isEncoded ? 'false and listed in crit' : 'left out'}.`,
      members: { mistake: B64_OF_THE_OTHER_PROFILE.id, hint: B64_OF_THE_OTHER_PROFILE.hint },
    });
  if (claims[OBIE.issuer] !== undefined && claims[OBIE.issuer] !== issuer)
    throw new Refusal('MERCHANT_MISMATCH', { detail: `${OBIE.issuer} is not the one agreed with this merchant.` });
  if (claims[OBIE.trustAnchor] !== undefined && claims[OBIE.trustAnchor] !== trustAnchor)
    throw invalid(`${OBIE.trustAnchor} is not the one agreed with this merchant.`);
}

const isMoment = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** When it was signed, whole seconds. */
function readMoment(claims: JwsHeader['claims'], name: string): number {
  const value = claims[name];
  if (!isMoment(value)) throw invalid(`${name} is not whole seconds.`);
  return value;
}

/** What must be claimed: the request as it was sent. */
type Expected = Readonly<Record<string, string | undefined>>;

/** Everything that decides must be claimed; gives the values it must have. */
function readExpected(request: SchemeRequest, claims: JwsHeader['claims']): Expected {
  const expected: Record<string, string | undefined> = {
    [OWN.method]: request.method,
    [OWN.uri]: findRequestValue(request, '@target-uri'),
  };
  for (const name of Object.keys(expected))
    if (claims[name] === undefined) throw uncovered(name, `${name} must be claimed and listed in crit.`);
  for (const name of COVERED_WHEN_SENT) {
    const [sent] = allHeaders(request.rawHeaders, name);
    if (sent === undefined && claims[name] !== undefined) throw uncovered(name, `${name} is claimed and not sent.`);
    if (sent !== undefined && claims[name] === undefined) throw uncovered(name, `${name} is sent and must be claimed, in crit too.`);
    if (sent !== undefined) expected[name] = sent;
  }
  return expected;
}

/** A claim that is not what was sent. It is found out after the key, so that its owner can be told how it came about. */
function findContradiction(claims: JwsHeader['claims'], expected: Expected): Contradiction | undefined {
  const [name, value] = Object.entries(expected).find(([claim, sent]) => claims[claim] !== sent) ?? [];
  if (name === undefined) return undefined;
  const isOfRequest = name === OWN.method || name === OWN.uri;
  if (!isOfRequest) return { detail: `${name} is not the one that was signed.` };
  return { detail: `${name} is not that of this request.`, members: { expected: value } };
}

/** The protected header that this request demands: the one that came, with the claims set right. */
function rightHeader(protectedText: string, expected: Expected): string {
  const came = JSON.parse(Buffer.from(protectedText, 'base64url').toString('utf8')) as object;
  return Buffer.from(JSON.stringify({ ...came, ...expected })).toString('base64url');
}

function presentBound(request: SchemeRequest, hosts: ReadonlySet<string>): Presented {
  checkHost(request, hosts);
  const parts = readParts(request);
  const { claims } = parts.header;
  const expected = readExpected(request, claims);
  const createdAtSeconds = readMoment(claims, OWN.issuedAt);
  if (claims[OBIE.issuedAt] !== undefined && claims[OBIE.issuedAt] !== createdAtSeconds)
    throw invalid(`${OBIE.issuedAt} differs from ${OWN.issuedAt}.`);
  const nonce = claims[OWN.id];
  if (typeof nonce !== 'string' || !ID.test(nonce)) throw invalid(`${OWN.id} is not 22 to 64 characters of base64url.`);
  const whole = presented(request, parts, createdAtSeconds, nonce);
  const contradiction = findContradiction(claims, expected);
  if (!contradiction) return whole;
  const {
    signed: text,
    record,
    lines,
  } = presented(request, { ...parts, protectedText: rightHeader(parts.protectedText, expected) }, createdAtSeconds, nonce);
  return { ...whole, contradiction, text, record, lines };
}

/** All that the plain form claims. */
const PLAIN_CLAIMS: readonly string[] = Object.values(OBIE);

const CLAIM_OWN = `claim ${Object.values(OWN).join(', ')}, or sign with RFC 9421`;

/** Where something that is not signed would say what is asked, the plain form is not enough. */
function checkBodyDecides({ body, target, pathParameters }: SchemeRequest): void {
  if (body.length === 0) throw uncovered('body', `A signature of no body says nothing of the request: ${CLAIM_OWN}.`);
  if (target.includes('?') || Object.keys(pathParameters).length > 0)
    throw uncovered(OWN.uri, `Path and query say here what is asked, and this form does not sign them: ${CLAIM_OWN}.`);
}

/**
 * What was signed is the nonce of a message that has none, not its signature: ECDSA has two signatures for each that verifies. So one
 * signed message counts once, whatever path it is sent to.
 */
function presentPlain(request: SchemeRequest): Presented {
  checkBodyDecides(request);
  const parts = readParts(request);
  // Claims of the other form, which say what the request must be: here nothing would compare them.
  const other = Object.keys(parts.header.claims).find((name) => !PLAIN_CLAIMS.includes(name));
  if (other !== undefined) throw uncovered(OWN.method, `${other} is claimed without ${OWN.method}, in whose form alone it counts.`);
  for (const name of Object.values(OBIE)) {
    if (parts.header.claims[name] === undefined) throw uncovered(name, `${name} must be claimed and listed in crit.`);
  }
  const createdAtSeconds = readMoment(parts.header.claims, OBIE.issuedAt);
  const whole = presented(request, parts, createdAtSeconds, '');
  return { ...whole, nonce: nonceOfBytes(whole.signed) };
}

function presented(
  { body }: SchemeRequest,
  { protectedText, header, signature }: Parts,
  createdAtSeconds: number,
  nonce: string,
): Presented {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const head = `${protectedText}.`;
  return {
    key: header.key,
    algorithm: header.algorithm,
    createdAtSeconds,
    nonce,
    signed: Buffer.concat([Buffer.from(head), header.isEncoded ? Buffer.from(bytes.toString('base64url')) : bytes]),
    record: `${head}${contentDigestOf(sha256(body))}`,
    lines: (): SignedLine[] => [
      { name: 'protected header', bytes: Buffer.from(protectedText, 'base64url') },
      { name: 'payload', bytes, isBody: true },
    ],
    signature,
  };
}

/** Open Banking's form of an answer: bound neither to the status nor to the request, which our own signature is. */
async function signAnswer({ body, contentType, nowMs, findSigner, signatureOptions }: SchemeAnswer): Promise<string[]> {
  const { profile, trustAnchor, answerIssuer } = signatureOptions.jws;
  const signer = findSigner(JWS_ALGORITHMS.ES256)?.signer;
  // Better only our own signature, which is on every answer, than no answer.
  if (!signer) return [];
  const encoding = profile === 'obie-3.1.3' ? { b64: false } : {};
  const claims = { [OBIE.issuedAt]: Math.floor(nowMs / 1000), [OBIE.issuer]: answerIssuer, [OBIE.trustAnchor]: trustAnchor };
  const crit = Object.keys({ ...encoding, ...claims });
  const header = { alg: 'ES256', kid: signer.keyid, typ: 'JOSE', cty: contentType, ...encoding, ...claims, crit };
  const protectedText = Buffer.from(JSON.stringify(header)).toString('base64url');
  const payload = profile === 'obie-3.1.3' ? body : Buffer.from(body.toString('base64url'));
  const signature = await signer.sign(Buffer.concat([Buffer.from(`${protectedText}.`), payload]));
  return [FIELD, `${protectedText}..${signature.toString('base64url')}`];
}

/** Whether the protected header claims the method. It only chooses which of the two schemes reads the request; both read strictly. */
function claimsMethod(value: string): boolean {
  const header = Buffer.from(value.slice(0, Math.max(0, value.indexOf('.'))), 'base64url');
  return /"htm"\s*:/.test(header.toString('latin1'));
}

const COMMON = {
  algorithms: Object.values(JWS_ALGORITHMS),
  coversMerchant: false,
  bound: { header: FIELD },
  signAnswer,
} as const;

const findField = ({ rawHeaders }: Pick<SchemeRequest, 'rawHeaders'>): string | undefined => allHeaders(rawHeaders, FIELD)[0];

/** With our claims: method, URI, time, id and every header that decides are signed. */
export const JWS: Scheme = {
  ...COMMON,
  name: 'jws',
  coversHeaders: true,
  isPresent: (request) => claimsMethod(findField(request) ?? ''),
  present: presentBound,
};

/** As Open Banking has it: the body and who sent it when. */
export const JWS_OBIE: Scheme = {
  ...COMMON,
  name: 'jws-obie',
  coversHeaders: false,
  isPresent: (request) => {
    const value = findField(request);
    return value !== undefined && !claimsMethod(value);
  },
  present: presentPlain,
};
