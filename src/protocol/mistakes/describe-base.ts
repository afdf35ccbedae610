import { sha256 } from '../../lib/bytes.ts';
import type { SuspectLine } from './suspect.ts';

/** How much of a base is shown, bytes, and of how many of its lines the hash. */
const SHOWN_BYTES_MAX = 1024;
const LINES_MAX = 64;

/**
 * What was to be signed as we computed it, to compare with one's own: as a whole, its head, and line by line. Hashes are SHA-256 in
 * lower-case hexadecimal, as sha256sum prints them. Of a body that is signed itself only the digest is shown.
 */
export type DescribedBase = {
  /** Bytes. */
  readonly length: number;
  readonly sha256: string;
  readonly text: string;
  readonly lines: readonly { readonly name: string; readonly length: number; readonly sha256: string }[];
};

const hashOf = (bytes: Buffer): string => sha256(bytes).toString('hex');

/** `signed` are the very bytes, `record` is their text without the body, `lines` are their parts. */
export function describeBase(base: {
  readonly signed: Buffer;
  readonly record: string;
  readonly lines: readonly SuspectLine[];
}): DescribedBase {
  const lines = base.lines.slice(0, LINES_MAX).map(({ name, bytes }) => ({ name, length: bytes.length, sha256: hashOf(bytes) }));
  return { length: base.signed.length, sha256: hashOf(base.signed), text: base.record.slice(0, SHOWN_BYTES_MAX), lines };
}
