import { isWithinValidity } from '../certificates/policy.ts';
import { type ErrorCode, Refusal, type RefusalOptions } from '../protocol/errors.ts';
import { allHeaders, HEADER } from '../protocol/headers.ts';
import { bindingMark, nameMark, serialMark, thumbprintMark } from '../protocol/marks.ts';
import type { Arrived, Identified, Peer } from '../protocol/messages.ts';
import type { Binding, Snapshot } from '../registry/snapshot.ts';
import type { Bans } from './bans.ts';
import type { Crls } from './crls.ts';
import type { Ocsp } from './ocsp.ts';

/** Everything an identity hangs on besides the certificate itself; each request takes it as it stands then. */
export type Registers = {
  readonly snapshot: Snapshot;
  readonly bans: Bans;
  readonly crls: Pick<Crls, 'judge'>;
  readonly ocsp: Pick<Ocsp, 'judge' | 'refresh'>;
};

/**
 * Which merchant a request is from: what the certificate is bound to, and among that what the Merchant-Number header says.
 * Everything is decided anew on every request: a connection may outlive the certificate's validity, its revocation, its
 * binding or the merchant's good standing. Throws a Refusal; contract.md section 2.
 */
export function identify(arrived: Arrived, registers: Registers, nowMs: number): Identified {
  const { peer } = arrived;
  checkCertificate(peer, registers, nowMs);
  const bound = boundNumbers(peer, registers, nowMs);
  const { snapshot, bans } = registers;
  const merchant = snapshot.findMerchant(chooseNumber(bound, allHeaders(arrived.rawHeaders, HEADER.merchantNumber)));
  if (merchant === undefined)
    throw refused('CERTIFICATE_UNBOUND', peer, { cause: 'a binding names a merchant that the registry does not have' });
  if (merchant.status !== 'active' || bans.isSuspended(merchant.number)) throw refused('MERCHANT_SUSPENDED', peer);
  return { ...arrived, merchant };
}

/** Whether any merchant could still be served on a connection of this peer; what cannot be told now does not count against it. */
export function isServed(peer: Peer, registers: Registers, nowMs: number): boolean {
  const { snapshot, bans } = registers;
  try {
    checkCertificate(peer, registers, nowMs);
    return boundNumbers(peer, registers, nowMs).some(
      (number) => snapshot.findMerchant(number)?.status === 'active' && !bans.isSuspended(number),
    );
  } catch (error) {
    if (error instanceof Refusal) return error.code === 'REVOCATION_UNKNOWN';
    throw error;
  }
}

/** A refusal that names the certificate as we read it, so that the merchant knows which one is meant. */
function refused(code: ErrorCode, { subject, serialNumber }: Peer, options: RefusalOptions = {}): Refusal {
  const members = serialNumber === '' ? {} : { subject, serialNumber };
  return new Refusal(code, { members, ...options });
}

/** The certificate itself: fit, within its validity, neither blocked nor revoked. Throws a Refusal. */
export function checkCertificate(peer: Peer, { snapshot, bans, crls, ocsp }: Registers, nowMs: number): void {
  if (peer.refusal !== undefined) throw refused(peer.refusal.code, peer, { detail: sentence(peer.refusal.reason) });
  if (!isWithinValidity(peer, nowMs)) throw refused('CERTIFICATE_EXPIRED', peer);
  if (marksOf(peer).some((mark) => snapshot.blocked.has(mark) || bans.isBlocked(mark))) throw refused('CERTIFICATE_REVOKED', peer);
  const judged = [crls.judge(peer.authority, peer.serialNumber, nowMs), ocsp.judge(peer, nowMs)];
  if (judged.includes('revoked')) throw refused('CERTIFICATE_REVOKED', peer);
  if (judged.includes('unknown')) throw refused('REVOCATION_UNKNOWN', peer, { retryAfterSeconds: 5 });
}

/** What can be said of a certificate by itself, whoever it is bound to: a balancer's, which belongs to no merchant. */
export function judgeAlone(peer: Peer, registers: Registers, nowMs: number): 'good' | 'refused' | 'unknown' {
  try {
    checkCertificate(peer, registers, nowMs);
    return 'good';
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return error.code === 'REVOCATION_UNKNOWN' ? 'unknown' : 'refused';
  }
}

const marksOf = ({ authority, serialNumber, thumbprint, bindingKey }: Peer): string[] => [
  serialMark(authority, serialNumber),
  thumbprintMark(thumbprint),
  nameMark(bindingKey),
];

/** The merchants that the certificate's name is bound to now, at least one. Throws a Refusal. */
export function boundNumbers(peer: Peer, { snapshot, bans }: Registers, nowMs: number): readonly string[] {
  const bound = snapshot.findBound(peer.bindingKey);
  const left = bound.filter(({ merchantNumber }) => !bans.isUnbound(bindingMark(peer.bindingKey, merchantNumber)));
  const present = left.filter((binding) => isWithinValidity(binding, nowMs));
  const numbers = present.filter((binding) => mayHaveKey(binding, peer)).map(({ merchantNumber }) => merchantNumber);
  if (numbers.length > 0) return numbers;
  if (present.length > 0)
    throw refused('CERTIFICATE_UNBOUND', peer, { detail: 'The name is bound to other keys than that of this certificate.' });
  if (left.length > 0) throw refused('CERTIFICATE_UNBOUND', peer, { detail: 'The name is not bound yet, or no longer.' });
  throw refused('CERTIFICATE_UNBOUND', peer);
}

const mayHaveKey = ({ pins }: Binding, { keyid }: Peer): boolean => pins.length === 0 || pins.includes(keyid);

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
