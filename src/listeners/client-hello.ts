import { type Offer, readOffer } from './client-offer.ts';
import type { Reading } from './first-bytes.ts';

/**
 * The server name of a ClientHello, read before TLS begins. Node hides it when a TLS 1.2 session is resumed, and shows the
 * certificates of a chosen name one at a time only; so we look ourselves. It chooses a certificate and is compared with Host;
 * TLS reads the same bytes again and decides everything else.
 */
export type ServerName = string | undefined;

/** What chooses the TLS server of a connection; nothing more follows from it. */
export type ClientHello = {
  readonly serverName: ServerName;
  /** In hexadecimal, the name of the key that the ticket it wants to resume with was made by (RFC 5077 section 4). */
  readonly ticketKey: string | undefined;
  /** What certificates it can verify; read only where it asks for a stapled answer, since nothing else hangs on it. */
  readonly offer: Offer | undefined;
};

/** What we look at: a ClientHello with a post-quantum key share and a ticket takes less than half of it, in one record or two. */
const FIRST_BYTES_MAX = 16_384;
const RECORDS_MAX = 8;
const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
/** Types of extensions: RFC 6066, RFC 5077, RFC 8446 section 4.2. */
const SERVER_NAME = 0;
const SESSION_TICKET = 35;
const PRE_SHARED_KEY = 41;
const TICKET_KEY_BYTES = 16;
const NAME = /^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/;

/** Nothing is taken from the socket, so that TLS sees the whole. What is malformed has no name here; TLS will refuse it. */
const done = (value: ClientHello): Reading<ClientHello> => ({ kind: 'done', bytes: 0, value });
const NOTHING: ClientHello = { serverName: undefined, ticketKey: undefined, offer: undefined };

/** Reads the name (lower case) of the server_name extension, RFC 6066 section 3, the key of a ticket, and the offer. */
export function readClientHello(bytes: Buffer): Reading<ClientHello> {
  const hello = joinRecords(bytes);
  if (hello === 'more') return { kind: 'more' };
  if (hello === undefined) return done(NOTHING);
  const fields = findFields(hello);
  if (fields === undefined) return done(NOTHING);
  const { extensions } = fields;
  const name = extensions.get(SERVER_NAME);
  return done({ serverName: name && findHostName(name), ticketKey: findTicketKey(extensions), offer: readOffer(fields) });
}

/** The body of the ClientHello, which may be spread over a few records (RFC 8446 section 5.1). */
function joinRecords(bytes: Buffer): Buffer | 'more' | undefined {
  const parts: Buffer[] = [];
  let at = 0;
  while (parts.length < RECORDS_MAX) {
    if (at < bytes.length && bytes[at] !== HANDSHAKE_RECORD) return undefined;
    if (bytes.length < at + 5) return 'more';
    const end = at + 5 + bytes.readUInt16BE(at + 3);
    if (end > FIRST_BYTES_MAX) return undefined;
    if (bytes.length < end) return 'more';
    parts.push(bytes.subarray(at + 5, end));
    at = end;
    const hello = Buffer.concat(parts);
    if (hello.length > 0 && hello[0] !== CLIENT_HELLO) return undefined;
    if (hello.length >= 4 && hello.length >= 4 + hello.readUIntBE(1, 3)) return hello.subarray(4, 4 + hello.readUIntBE(1, 3));
  }
  return undefined;
}

/** RFC 8446 section 4.1.2: version, random, session id, suites, compression, extensions. Undefined where a length leads outside. */
function findFields(hello: Buffer): { readonly suites: Buffer; readonly extensions: ReadonlyMap<number, Buffer> } | undefined {
  const reader = createReader(hello);
  reader.skip(2 + 32);
  reader.take(1);
  const suites = reader.take(2);
  reader.take(1);
  const extensions = createReader(reader.take(2));
  const found = new Map<number, Buffer>();
  while (extensions.left() > 0) {
    const type = extensions.number(2);
    const content = extensions.take(2);
    if (extensions.isBroken()) return undefined;
    if (!found.has(type)) found.set(type, content);
  }
  return { suites, extensions: found };
}

/** OpenSSL begins each ticket with the name of its key, as RFC 5077 section 4 recommends: of TLS 1.3 the first identity, of TLS 1.2 the ticket itself. */
function findTicketKey(extensions: ReadonlyMap<number, Buffer>): string | undefined {
  const offered = extensions.get(PRE_SHARED_KEY);
  const ticket = offered ? createReader(createReader(offered).take(2)).take(2) : extensions.get(SESSION_TICKET);
  return ticket && ticket.length > TICKET_KEY_BYTES ? ticket.subarray(0, TICKET_KEY_BYTES).toString('hex') : undefined;
}

function findHostName(content: Buffer): ServerName {
  const names = createReader(createReader(content).take(2));
  const type = names.number(1);
  const name = names.take(2).toString('latin1').toLowerCase();
  return !names.isBroken() && type === 0 && NAME.test(name) ? name : undefined;
}

/** Reads length-prefixed fields; once a length led outside, everything is empty. */
function createReader(bytes: Buffer) {
  let at = 0;
  let broken = false;
  const slice = (length: number): Buffer => {
    if (broken || at + length > bytes.length) broken = true;
    if (broken) return Buffer.alloc(0);
    at += length;
    return bytes.subarray(at - length, at);
  };
  const number = (length: 1 | 2): number => {
    const field = slice(length);
    return field.length === 0 ? 0 : field.readUIntBE(0, length);
  };
  return {
    skip: (length: number) => void slice(length),
    number,
    /** A field behind its length, which takes 1 or 2 bytes. */
    take: (lengthBytes: 1 | 2): Buffer => slice(number(lengthBytes)),
    left: () => (broken ? 0 : bytes.length - at),
    isBroken: () => broken,
  };
}
