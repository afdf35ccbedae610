import { Refusal } from '../protocol/errors.ts';
import { findHeader } from '../protocol/headers.ts';

/** A Host header without its port, lower case. */
const nameOf = (host: string): string => host.toLowerCase().replace(/:\d+$/, '');

/**
 * The name that TLS was asked for and the name of the request are one, or another host's certificate and tickets would stand for
 * this request (RFC 9110 section 7.4). Throws a Refusal MISDIRECTED.
 *
 * | server name | Host                 | decision                                             |
 * |-------------|----------------------|------------------------------------------------------|
 * | none        | any                  | not decided here: IP addresses have no server name   |
 * | a           | a                    | passes                                               |
 * | a           | b, a host of ours    | refused                                              |
 * | a           | b, no host of ours   | not decided here: the signature check refuses it     |
 */
export function checkHost(serverName: string | undefined, rawHeaders: readonly string[], hosts: ReadonlySet<string>): void {
  const host = nameOf(findHeader(rawHeaders, 'host') ?? '');
  if (serverName !== undefined && hosts.has(host) && host !== serverName) throw new Refusal('MISDIRECTED', { closes: true });
}
