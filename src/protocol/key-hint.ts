import { type AlgorithmName, isAlgorithmName } from './algorithms.ts';
import { SIGNATURE_LABEL, TAG } from './headers.ts';
import { findFieldValue, findMember, type RequestFacts, readSignatureInput } from './signature-base.ts';

/** Which of our keys a request asks its answer to be signed with. It can only choose among published keys. */
export type KeyHint = {
  readonly keyid?: string;
  readonly algorithm?: AlgorithmName;
  /** Serial number of the certificate (upper-case hexadecimal) or keyid, as WeChat Pay's clients name it. */
  readonly serial?: string;
  /** The hint is covered by the request's verified signature: it may also choose a key that does not sign unasked. */
  readonly isCovered: boolean;
};

const ACCEPT_SIGNATURE = 'accept-signature';
const SERIAL = 'wechatpay-serial';

/**
 * The hint of a request whose signature verified over `signatureBase`: `Accept-Signature` (RFC 9421 section 5.1) with our label, or
 * `Wechatpay-Serial`. Anything but one well-formed member with nothing else in it is no hint; a hint never makes a request fail.
 */
export function readKeyHint({ rawHeaders }: Pick<RequestFacts, 'rawHeaders'>, signatureBase: string): KeyHint | undefined {
  const field = findFieldValue(rawHeaders, ACCEPT_SIGNATURE);
  if (field !== undefined) return readAccepted(rawHeaders, `\n${signatureBase}`.includes(`\n"${ACCEPT_SIGNATURE}": ${field}\n`));
  const serial = findFieldValue(rawHeaders, SERIAL);
  return serial !== undefined && /^[A-Za-z0-9._-]{1,64}$/.test(serial) ? { serial, isCovered: false } : undefined;
}

function readAccepted(rawHeaders: readonly string[], isCovered: boolean): KeyHint | undefined {
  const text = findMember(rawHeaders, ACCEPT_SIGNATURE, SIGNATURE_LABEL);
  const params = text === undefined ? undefined : readSignatureInput(text)?.params;
  if (params === undefined) return undefined;
  const { keyid, alg, tag } = params;
  if ((tag !== undefined && tag !== TAG.response) || (alg !== undefined && !isAlgorithmName(alg))) return undefined;
  if (keyid === undefined && alg === undefined) return undefined;
  return { ...(keyid !== undefined && { keyid }), ...(alg !== undefined && { algorithm: alg }), isCovered };
}
