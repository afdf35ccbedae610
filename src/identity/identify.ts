import { isWithinValidity } from '../certificates/policy.ts';
import { Refusal } from '../protocol/errors.ts';
import { allHeaders, HEADER } from '../protocol/headers.ts';
import type { Arrived, Identified } from '../protocol/messages.ts';
import type { Snapshot } from '../registry/snapshot.ts';

/**
 * Which merchant a request is from: what the certificate is bound to, and among that what the Merchant-Number header says.
 * Everything is decided anew on every request: a connection may outlive the certificate's validity, its binding or the merchant's
 * good standing. Throws a Refusal; contract.md section 2.
 */
export function identify(arrived: Arrived, snapshot: Snapshot, nowMs: number): Identified {
  const { peer } = arrived;
  if (peer.refusal !== undefined) throw new Refusal(peer.refusal.code, { detail: sentence(peer.refusal.reason) });
  if (!isWithinValidity(peer, nowMs)) throw new Refusal('CERTIFICATE_EXPIRED');
  const bound = snapshot.findBound(peer.bindingKey);
  if (bound.length === 0) throw new Refusal('CERTIFICATE_UNBOUND');
  const merchant = snapshot.findMerchant(chooseNumber(bound, allHeaders(arrived.rawHeaders, HEADER.merchantNumber)));
  if (merchant === undefined)
    throw new Refusal('CERTIFICATE_UNBOUND', { cause: 'a binding names a merchant that the registry does not have' });
  if (merchant.status !== 'active') throw new Refusal('MERCHANT_SUSPENDED');
  return { ...arrived, merchant };
}

/** The reasons of certificates/ are fixed sentences without the sender's words, fit to be shown. */
const sentence = (reason: string): string => `${reason.charAt(0).toUpperCase()}${reason.slice(1)}.`;

/** The header must be one of the bound numbers; other numbers get one answer, whether a merchant has them or not. */
function chooseNumber(bound: readonly string[], sent: readonly string[]): string {
  const [number, ...more] = sent;
  const [first, ...others] = bound;
  if (number === undefined && others.length === 0) return first as string;
  if (number === undefined)
    throw new Refusal('MERCHANT_MISMATCH', { detail: 'Several merchants are bound to this certificate: name one in Merchant-Number.' });
  if (more.length > 0 || !bound.includes(number)) throw new Refusal('MERCHANT_MISMATCH');
  return number;
}
