import { allHeaders, COVERED_WHEN_SENT } from '../headers.ts';
import { authorityOf } from '../signature-base.ts';
import type { BaseOf } from './altered-base.ts';
import type { Altered, SuspectRequest } from './suspect.ts';

/** The header of a request that holds its detached JWS. */
const FIELD = 'x-jws-signature';
type Claims = Readonly<Record<string, unknown>>;

/** The protected header that came; it was read strictly before anybody looks for mistakes. */
function readArrived({ rawHeaders }: SuspectRequest): { readonly text: string; readonly claims: Claims } | undefined {
  const text = (allHeaders(rawHeaders, FIELD)[0] ?? '').split('.', 1)[0] as string;
  try {
    return { text, claims: JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as Claims };
  } catch {
    return undefined;
  }
}

/** Characters beyond ASCII are compared as their bytes, as everything that arrives. */
const isClaimed = (claim: unknown, value: string | undefined): boolean =>
  typeof claim === 'string' ? Buffer.from(claim, 'utf8').toString('latin1') === value : claim === value;

/** Whether the claims of `jws` are those of this request; the form of Open Banking has none. */
function fits(claims: Claims, request: SuspectRequest, origin = `https://${authorityOf(request.rawHeaders)}`): boolean {
  const headers = COVERED_WHEN_SENT.map((name) => [name, allHeaders(request.rawHeaders, name)[0]] as const);
  const all = [['htm', request.method], ['htu', `${origin}${request.target}`], ...headers] as const;
  return all.every(([name, value]) => isClaimed(claims[name], value));
}

const isOfBody = ({ body, ...others }: Altered): boolean => body !== undefined && Object.keys(others).length === 0;

/** Detached JWS: the protected header that came, if an altered request is the one that it claims, and the body. */
export const ofClaims: BaseOf = (_signed, request, altered) => {
  const arrived = readArrived(request);
  if (!arrived) return undefined;
  const { text, claims } = arrived;
  const seen = { ...request, ...altered };
  if (!(claims.htm === undefined ? isOfBody(altered) : fits(claims, seen, altered.origin))) return undefined;
  return `${text}.${claims.b64 === false ? seen.body.toString('latin1') : seen.body.toString('base64url')}`;
};
