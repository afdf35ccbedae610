import { Refusal } from '../protocol/errors.ts';
import type { SchemeName } from '../protocol/scheme-names.ts';
import type { Scheme, SchemeRequest } from './scheme.ts';
import { ALIPAY_V3 } from './schemes/alipay-v3.ts';
import { CMS } from './schemes/cms.ts';
import { JWS, JWS_OBIE } from './schemes/jws.ts';
import { RFC9421 } from './schemes/rfc9421.ts';
import { SORTED_RSA2 } from './schemes/sorted-rsa2.ts';
import { WECHATPAY_V3 } from './schemes/wechatpay-v3.ts';

/** All schemes. Nothing outside this file enumerates them. */
const SCHEMES: Readonly<Record<SchemeName, Scheme>> = {
  rfc9421: RFC9421,
  'wechatpay-v3': WECHATPAY_V3,
  'alipay-v3': ALIPAY_V3,
  'sorted-rsa2': SORTED_RSA2,
  jws: JWS,
  'jws-obie': JWS_OBIE,
  cms: CMS,
};
const ALL: readonly Scheme[] = Object.values(SCHEMES);

export const schemeOf = (name: SchemeName): Scheme => SCHEMES[name];

/**
 * The one scheme a request is signed with. A request that could be read by two is refused whatever the merchant may use: the weaker
 * one would decide. Throws SIGNATURE_MISSING, SIGNATURE_AMBIGUOUS or SIGNATURE_SCHEME.
 */
export function chooseScheme(request: Pick<SchemeRequest, 'rawHeaders' | 'body'>, enabled: ReadonlySet<SchemeName>): Scheme {
  const [scheme, ...others] = ALL.filter(({ isPresent }) => isPresent(request));
  if (!scheme) throw new Refusal('SIGNATURE_MISSING');
  if (others.length > 0) throw new Refusal('SIGNATURE_AMBIGUOUS');
  if (!enabled.has(scheme.name)) throw new Refusal('SIGNATURE_SCHEME', { members: { scheme: scheme.name, enabled: [...enabled] } });
  return scheme;
}
