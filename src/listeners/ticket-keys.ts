import { hkdfSync } from 'node:crypto';
import { sha256 } from '../lib/bytes.ts';

/** What `tls.Server.setTicketKeys` takes: name, MAC key and AES key, 16 bytes each. */
const TICKET_KEY_BYTES = 48;
const DAY_MS = 86_400_000;
const LOOK_MS = 60_000;

type TicketServer = { readonly setTicketKeys: (keys: Buffer) => unknown };

/**
 * The ticket keys of a day (UTC), made from a secret that all processes and hosts share (HKDF, RFC 5869): the same everywhere,
 * new each day, and nobody has to hand them round. Node holds one set of keys, so yesterday's tickets end at midnight, which
 * costs their owners a full handshake and nothing else.
 */
export function ticketKeysOf(secret: Buffer, scope: string, nowMs: number): Buffer {
  const info = `hufu tls tickets\0${scope}\0${Math.floor(nowMs / DAY_MS)}`;
  return Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), info, TICKET_KEY_BYTES));
}

/**
 * For whom a ticket is good: one listener, one server name, one set of authorities. A change of trust anchors thereby ends every
 * ticket that was given under the old ones, and no ticket opens another door.
 */
export function ticketScope(listener: string, host: string, authorities: readonly string[]): string {
  return sha256(JSON.stringify([listener, host, authorities])).toString('hex');
}

/** OpenSSL takes a session back only in the context it was made in, 32 bytes at most; Node's default is made of the command line. */
export const sessionContextOf = (scope: string): string => scope.slice(0, 32);

/** Gives the servers the keys of today, and of every new day. Returns what ends it. */
export function rotateTicketKeys(
  secret: Buffer,
  servers: readonly { readonly server: TicketServer; readonly scope: string }[],
  nowMs: () => number,
): () => void {
  let day = Number.NaN;
  const look = (): void => {
    const today = Math.floor(nowMs() / DAY_MS);
    if (today === day) return;
    day = today;
    for (const { server, scope } of servers) server.setTicketKeys(ticketKeysOf(secret, scope, nowMs()));
  };
  look();
  const timer = setInterval(look, LOOK_MS).unref();
  return () => clearInterval(timer);
}
