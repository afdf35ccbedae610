import { sha256 } from '../lib/bytes.ts';
import { Refusal } from '../protocol/errors.ts';
import { HEADER } from '../protocol/headers.ts';
import type { Routed, Verified } from '../protocol/messages.ts';
import { findFieldValue } from '../protocol/signature-base.ts';
import { isWorkingKeyid, MAC_ALGORITHM, verifyMacOf, type WorkingKey } from '../protocol/working-key.ts';
import { chooseScheme } from './schemes.ts';
import { checkDigest, checkTime, type VerifyOptions, verifySignature } from './verify.ts';

export type MacOptions = VerifyOptions & {
  /** The live `mac` key of an id, if it is of this merchant. Rejects with a Refusal WORKING_KEY_UNKNOWN or STORE_UNAVAILABLE. */
  readonly findMacKey: (merchantNumber: string, keyid: string) => Promise<WorkingKey>;
};

/** Whether a request may be signed with a working key; a cheap look that verifyMac makes sure of. */
export const mayNameWorkingKey = ({ rawHeaders }: Pick<Routed, 'rawHeaders'>): boolean =>
  findFieldValue(rawHeaders, HEADER.signatureInput)?.includes('keyid="wk-') === true;

/**
 * As verifySignature, for a request whose RFC 9421 signature is a MAC under a working key: everything else about it is the same. It
 * convinces nobody but us, so the operation must allow it. No answer says anything about the MAC that was expected.
 */
export async function verifyMac(routed: Routed, options: MacOptions): Promise<Verified> {
  const scheme = chooseScheme(routed, routed.merchant.signatures);
  const presented = scheme.name === 'rfc9421' ? scheme.present(routed, options.hosts) : undefined;
  if (presented?.key.by !== 'keyid' || !isWorkingKeyid(presented.key.keyid)) return verifySignature(routed, options);
  const { keyid } = presented.key;
  if (routed.operation.mac !== 'allowed') throw new Refusal('MAC_NOT_ALLOWED');
  if (presented.algorithm !== undefined && presented.algorithm !== MAC_ALGORITHM)
    throw new Refusal('SIGNATURE_INVALID', { detail: `A working key signs with ${MAC_ALGORITHM} only.` });
  checkTime({ presented, nowMs: options.nowMs });
  const bodyDigest = checkDigest(routed, () => ({}));
  const { signed, record, signature, nonce, createdAtSeconds } = presented;
  const { key } = await options.findMacKey(routed.merchant.number, keyid);
  if (!verifyMacOf(key, signed, signature)) throw new Refusal('SIGNATURE_MISMATCH');
  return {
    ...routed,
    key: { keyid, algorithm: MAC_ALGORITHM },
    scheme: scheme.name,
    nonce,
    createdAtSeconds,
    signatureBase: record,
    signedDigest: sha256(signed),
    signature,
    bodyDigest,
  };
}
