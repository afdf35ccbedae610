import type { TLSSocket } from 'node:tls';
import { parseName, printName } from '../protocol/distinguished-name.ts';
import { keyidOf } from '../protocol/keyid.ts';
import type { Peer } from '../protocol/messages.ts';
import type { ListenerAuthority } from './authorities.ts';
import { readPeer } from './peer.ts';

/** A balancer that may tell us who its clients are: by the SHA-256 of its public key, its subject (RFC 4514), or both. */
export type BalancerPin = { readonly publicKey?: string | undefined; readonly subject?: string | undefined };

type Proven = { readonly publicKey: string; readonly subject: string };

const fits = (pin: BalancerPin, { publicKey, subject }: Proven): boolean =>
  (pin.publicKey !== undefined || pin.subject !== undefined) &&
  (pin.publicKey === undefined || pin.publicKey === publicKey) &&
  (pin.subject === undefined || printName(parseName(pin.subject)) === subject);

/**
 * The balancer at the other end of a connection, as readPeer reads merchants; undefined unless its certificate is in order and one of
 * the pins fits. The authority alone is not enough: it may issue certificates to others.
 */
export function readBalancer(
  socket: TLSSocket,
  authorities: readonly ListenerAuthority[],
  pins: readonly BalancerPin[],
  nowMs: number,
): Peer | undefined {
  const peer = readPeer(socket, authorities, nowMs);
  const publicKey = socket.getPeerX509Certificate()?.publicKey;
  if (peer === undefined || peer.refusal !== undefined || publicKey === undefined) return undefined;
  const proven = { publicKey: keyidOf(publicKey), subject: peer.subject };
  return pins.some((pin) => fits(pin, proven)) ? peer : undefined;
}
