import { hkdfSync } from 'node:crypto';
import { sha256 } from '../lib/bytes.ts';

/** What `tls.Server.setTicketKeys` takes: name, MAC key and AES key, 16 bytes each. */
const TICKET_KEY_BYTES = 48;
const NAME_BYTES = 16;
const DAY_MS = 86_400_000;

/** How long a session may be resumed after it was made; the longest that a key of yesterday is of use. */
export const SESSION_SECONDS = 7_200;

/**
 * The ticket keys of a day (UTC), made from a secret that all processes and hosts share (HKDF, RFC 5869): the same everywhere,
 * new each day, and nobody has to hand them round.
 */
export function ticketKeysOf(secret: Buffer, scope: string, nowMs: number): Buffer {
  const info = `hufu tls tickets\0${scope}\0${dayOf(nowMs)}`;
  return Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), info, TICKET_KEY_BYTES));
}

/** By what a ticket tells which keys it was made with, hexadecimal. */
export const nameOfTicketKeys = (keys: Buffer): string => keys.subarray(0, NAME_BYTES).toString('hex');

export const dayOf = (nowMs: number): number => Math.floor(nowMs / DAY_MS);

/**
 * Node's server holds one set of ticket keys, and opens with the same ones it makes tickets with. So there are two servers: one with
 * the keys of today, one with those of yesterday, which takes what was made late yesterday and ends when that has ended by itself.
 */
export const mayOpenYesterdays = (nowMs: number): boolean => nowMs % DAY_MS < SESSION_SECONDS * 1000;
export const yesterday = (nowMs: number): number => nowMs - DAY_MS;

/**
 * For whom a ticket is good: one listener, one server name, one set of authorities. A change of trust anchors thereby ends every
 * ticket that was given under the old ones, and no ticket opens another door.
 */
export function ticketScope(listener: string, host: string, authorities: readonly string[]): string {
  return sha256(JSON.stringify([listener, host, authorities])).toString('hex');
}

/** OpenSSL takes a session back only in the context it was made in, 32 bytes at most; Node's default is made of the command line. */
export const sessionContextOf = (scope: string): string => scope.slice(0, 32);
