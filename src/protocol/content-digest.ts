import { createHash } from 'node:crypto';
import { sameBytes, sha256 } from '../lib/bytes.ts';
import { readByteSequence, serialiseByteSequence, splitMembers } from './signature-base.ts';

/** Digest algorithms of RFC 9530 that count; the insecure ones of its registry are as good as unknown. */
const HASHES: ReadonlyMap<string, (body: Uint8Array) => Buffer> = new Map([
  ['sha-256', (body) => sha256(body)],
  ['sha-512', (body) => createHash('sha512').update(body).digest()],
]);

/** A digest as it stands in Content-Digest: the algorithm's name and the raw value. */
export type Digest = { readonly algorithm: string; readonly value: Uint8Array };

/** What the digests of a message say about its body; `unknown`: none has an algorithm we know. */
export type DigestResult = 'same' | 'different' | 'unknown';

/** The value of a Content-Digest field (RFC 9530 section 2) for these very bytes, with SHA-256. */
export function contentDigest(body: Uint8Array): string {
  return contentDigestOf(sha256(body));
}

/** The same from a SHA-256 value that is already there. */
export function contentDigestOf(digest: Uint8Array): string {
  return `sha-256=${serialiseByteSequence(digest)}`;
}

/** Compares every known digest with the body; one that differs is enough to refuse. `bodySha256` spares hashing twice. */
export function compareDigests(digests: readonly Digest[], body: Uint8Array, bodySha256?: Uint8Array): DigestResult {
  let result: DigestResult = 'unknown';
  for (const { algorithm, value } of digests) {
    const hash = HASHES.get(algorithm);
    if (!hash) continue;
    const computed = algorithm === 'sha-256' && bodySha256 ? bodySha256 : hash(body);
    if (!sameBytes(computed, value)) return 'different';
    result = 'same';
  }
  return result;
}

/** The digests of a Content-Digest field; undefined unless it is spelled canonically and without duplicates. For the SDK. */
export function readContentDigest(field: string): Digest[] | undefined {
  const members = splitMembers(field);
  if (!members || new Set(members.map(({ label }) => label)).size !== members.length) return undefined;
  const digests: Digest[] = [];
  for (const { label, text } of members) {
    const value = readByteSequence(text);
    if (!value) return undefined;
    digests.push({ algorithm: label, value });
  }
  return digests;
}

/** Whether a Content-Digest field, spelled canonically and without duplicates, is that of the body. For answers, in the SDK. */
export function fitsContentDigest(field: string, body: Uint8Array): boolean {
  const digests = readContentDigest(field);
  return digests !== undefined && compareDigests(digests, body) === 'same';
}
