import { X509Certificate } from 'node:crypto';
import { isWithinValidity } from '../certificates/policy.ts';
import type { Peer } from '../protocol/messages.ts';
import type { ListenerAuthority } from './authorities.ts';
import { judgeCertificate, type Purpose } from './peer.ts';

/**
 * Who a certificate names that a trusted balancer saw in its own handshake. The path is verified here once more, without OpenSSL's
 * help: the leaf by the key of a known authority, that one and all above it (whose signatures were checked when they were loaded)
 * being authorities and within validity, then our own policy. The balancer is believed in one thing only: that the peer holds the key.
 *
 * Undefined: nobody we know. A Peer with `refusal`: as in readPeer.
 */
export function readForwardedPeer(der: Uint8Array, authorities: readonly ListenerAuthority[], nowMs: number): Peer | undefined {
  return readPresented(der, authorities, 'connect', nowMs);
}

/** As readForwardedPeer, for any purpose. */
export function readPresented(
  der: Uint8Array,
  authorities: readonly ListenerAuthority[],
  purpose: Purpose,
  nowMs: number,
): Peer | undefined {
  const leaf = findX509(der);
  const isPathGood = ({ certificate, above }: ListenerAuthority) => [certificate, ...above].every(isInForce(nowMs));
  return leaf && judgeCertificate(leaf, authorities, isPathGood, nowMs, purpose);
}

function findX509(der: Uint8Array): X509Certificate | undefined {
  try {
    return new X509Certificate(der);
  } catch {
    return undefined;
  }
}

const isInForce =
  (nowMs: number) =>
  ({ ca, validFromDate, validToDate }: X509Certificate): boolean =>
    ca && isWithinValidity({ notBeforeMs: validFromDate.getTime(), notAfterMs: validToDate.getTime() }, nowMs);
