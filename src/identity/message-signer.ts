import { defaultAlgorithm } from '../protocol/algorithms.ts';
import { Refusal } from '../protocol/errors.ts';
import type { RegisteredHandle } from '../protocol/key-handle.ts';
import type { KeySource, Merchant, MerchantKey } from '../protocol/merchant.ts';
import type { MessageSigner, Peer } from '../protocol/messages.ts';
import type { ListenerAuthority } from './authorities.ts';
import { readPresented } from './forwarded-peer.ts';
import { boundNumbers, checkCertificate, type Registers } from './identify.ts';

/**
 * Checks the signer's certificate that came in a message (x5c of a JWS, certificates of a CMS), as strictly as one that connects:
 * its signature under the key of an authority of ours, whose own path is in force; strict reading and policy for signers;
 * validity; block list and revocation lists; the binding of its name. Certificates after the first prove nothing here and are only counted.
 *
 * Throws a Refusal: KEY_UNKNOWN for no or an unknown certificate, CERTIFICATE_* and REVOCATION_UNKNOWN as for one that connects,
 * MERCHANT_MISMATCH when no merchant of its name may sign so. Whether one of them is the request's merchant is for the caller to compare.
 * @param chain DER, the signer's own certificate first
 */
export function checkSignerCertificate(
  chain: readonly Uint8Array[],
  authorities: readonly ListenerAuthority[],
  registers: Registers,
  nowMs: number,
): MessageSigner {
  const [der] = chain;
  const chainMax = Math.max(0, ...authorities.map(({ policy }) => policy.chainDepthMax));
  if (der === undefined || chain.length > chainMax)
    throw new Refusal('KEY_UNKNOWN', { detail: `The message must bring the signer's certificate, and at most ${chainMax} in all.` });
  const certificate = readPresented(der, authorities, 'sign', nowMs);
  if (certificate === undefined)
    throw new Refusal('KEY_UNKNOWN', { detail: "The signer's certificate in the message is of no authority that is accepted here." });
  // Nothing is waited for here: a responder that was not asked yet is asked now, and a strict authority's answer counts for the next request.
  registers.ocsp.refresh(certificate);
  checkCertificate(certificate, registers, nowMs);
  const merchantNumbers = numbersWith('message', certificate, registers, nowMs);
  if (merchantNumbers.length === 0)
    throw new Refusal('MERCHANT_MISMATCH', { detail: "The merchant's contract does not let it sign with a certificate in the message." });
  const key = keyOf(certificate, merchantNumbers);
  if (key === undefined) throw new Refusal('CERTIFICATE_INVALID');
  return { certificate, key };
}

/**
 * The key of the certificate that a request came with, when the signature names it (by the default keyid) and the merchant may
 * sign so (`keySources: [connection]`). Call it for an identified request only: its certificate was checked and is bound to the merchant.
 * The key is that of every merchant that the certificate may sign for: where several are, the signature must say for whom.
 */
export function findConnectionKey(
  keyid: string,
  peer: Peer,
  merchant: Merchant,
  registers: Registers,
  nowMs: number,
): MerchantKey | undefined {
  if (keyid !== peer.keyid || !merchant.keySources.has('connection')) return undefined;
  return keyOf(peer, numbersWith('connection', peer, registers, nowMs));
}

/** The merchants of a certificate's name that may sign with keys of this source. Throws a Refusal when none is bound. */
function numbersWith(source: KeySource, peer: Peer, registers: Registers, nowMs: number): readonly string[] {
  return boundNumbers(peer, registers, nowMs).filter((number) => registers.snapshot.findMerchant(number)?.keySources.has(source));
}

/** The same where a signature names the certificate instead of the key, by serial number or thumbprint. */
export function findConnectionCertificate(
  handle: RegisteredHandle,
  peer: Peer,
  merchant: Merchant,
  registers: Registers,
  nowMs: number,
): readonly MerchantKey[] {
  const isMeant =
    (handle.by === 'serial' && handle.issuer === undefined && handle.serialNumber === peer.serialNumber) ||
    (handle.by === 'thumbprint' && handle.thumbprint === peer.thumbprint);
  const key = isMeant ? findConnectionKey(peer.keyid, peer, merchant, registers, nowMs) : undefined;
  return key ? [key] : [];
}

function keyOf({ keyid, publicKey, notBeforeMs, notAfterMs }: Peer, merchantNumbers: readonly string[]): MerchantKey | undefined {
  if (publicKey === undefined) return undefined;
  return { keyid, algorithm: defaultAlgorithm(publicKey), publicKey, merchantNumbers, notBeforeMs, notAfterMs };
}
