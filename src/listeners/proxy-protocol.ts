import { isIPv4, isIPv6 } from 'node:net';
import { plainAddress } from '../lib/networks.ts';
import type { Reading } from './first-bytes.ts';

/** Who connected to the balancer; undefined when the balancer speaks for itself (its health check, `LOCAL`). */
export type ProxySource = string | undefined;

/** HAProxy's "The PROXY protocol", section 2.1: the longest header of version 1, with its CRLF. */
const V1_BYTES_MAX = 107;
/** Section 2.2: what follows the first 16 bytes of version 2. Addresses take 36; the rest are TLVs, of which we know of no long ones. */
const V2_REST_BYTES_MAX = 1_024;
const V2_HEAD_BYTES = 16;
const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V1_SIGNATURE = Buffer.from('PROXY ', 'latin1');

const INVALID: Reading<ProxySource> = { kind: 'invalid' };
const MORE: Reading<ProxySource> = { kind: 'more' };

/**
 * Reads a PROXY header, version 1 or 2, from the first bytes of a connection. Strict: TCP over IPv4 or IPv6 only, since
 * address lists and rates need an address; one spelling of each number; nothing longer than any balancer sends.
 * What it says of some bytes never changes when more follow, unless it said `more`.
 */
export function readProxyHeader(bytes: Buffer): Reading<ProxySource> {
  if (bytes.length === 0) return MORE;
  if (isBeginning(bytes, V2_SIGNATURE)) return readVersion2(bytes);
  if (isBeginning(bytes, V1_SIGNATURE)) return readVersion1(bytes);
  return INVALID;
}

/** Whether the bytes begin as the signature does, as far as they go. */
function isBeginning(bytes: Buffer, signature: Buffer): boolean {
  const length = Math.min(bytes.length, signature.length);
  return bytes.subarray(0, length).equals(signature.subarray(0, length));
}

const PORT = /^(0|[1-9]\d{0,4})$/;
const isPort = (text: string): boolean => PORT.test(text) && Number(text) <= 65_535;

function readVersion1(bytes: Buffer): Reading<ProxySource> {
  const end = bytes.subarray(0, V1_BYTES_MAX).indexOf('\r\n', 0, 'latin1');
  if (end < 0) return bytes.length >= V1_BYTES_MAX ? INVALID : MORE;
  const [, family, source = '', destination = '', ...ports] = bytes.subarray(0, end).toString('latin1').split(' ');
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isPlainIPv6 : () => false;
  if (!isAddress(source) || !isAddress(destination) || ports.length !== 2 || !ports.every(isPort)) return INVALID;
  return { kind: 'done', bytes: end + 2, value: plainAddress(source) };
}

const isPlainIPv6 = (text: string): boolean => isIPv6(text) && !text.includes('%');

/** Octets of both addresses and both ports, by the byte that names family and transport. */
const V2_FAMILIES: Readonly<Record<number, { readonly addressBytes: number }>> = {
  17: { addressBytes: 4 },
  33: { addressBytes: 16 },
};
const V2_LOCAL = 0x20;
const V2_PROXY = 0x21;

function readVersion2(bytes: Buffer): Reading<ProxySource> {
  if (bytes.length < V2_HEAD_BYTES) return MORE;
  const command = bytes[12];
  const rest = bytes.readUInt16BE(14);
  if ((command !== V2_LOCAL && command !== V2_PROXY) || rest > V2_REST_BYTES_MAX) return INVALID;
  const family = V2_FAMILIES[bytes[13] as number];
  if (command === V2_PROXY && (family === undefined || rest < 2 * family.addressBytes + 4)) return INVALID;
  const end = V2_HEAD_BYTES + rest;
  if (bytes.length < end) return MORE;
  // Of a health check everything is skipped, as section 2.2 has it.
  if (command === V2_LOCAL || family === undefined) return { kind: 'done', bytes: end, value: undefined };
  const body = bytes.subarray(V2_HEAD_BYTES, end);
  if (!areTlvsWhole(body.subarray(2 * family.addressBytes + 4))) return INVALID;
  return { kind: 'done', bytes: end, value: plainAddress(addressText(body.subarray(0, family.addressBytes))) };
}

/** Type, two bytes of length, value, up to the very end (section 2.2.1). */
function areTlvsWhole(tlvs: Buffer): boolean {
  let at = 0;
  while (at + 3 <= tlvs.length) at += 3 + tlvs.readUInt16BE(at + 1);
  return at === tlvs.length;
}

function addressText(octets: Buffer): string {
  if (octets.length === 4) return octets.join('.');
  const groups = Array.from({ length: 8 }, (_, index) => octets.readUInt16BE(2 * index).toString(16));
  if (octets.subarray(0, 12).equals(MAPPED)) return octets.subarray(12).join('.');
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

const MAPPED = Buffer.from('00000000000000000000ffff', 'hex');
