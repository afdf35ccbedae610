import type { KeyObject } from 'node:crypto';
import { lengthPrefixed } from '../lib/bytes.ts';
import type { Journal } from '../ports/journal.ts';
import { findHeader, HEADER } from '../protocol/headers.ts';
import type { UsedKey } from '../protocol/merchant.ts';
import type { Admitted, Sealed } from '../protocol/messages.ts';

/** What proves, later and without us, that a merchant asked and what it was told. */
export type Evidence = {
  /** Signature, key and sealed signature base of an admitted request. Returns the record's sequence. Throws JOURNAL_UNAVAILABLE. */
  readonly appendRequest: (admitted: Admitted) => number;
  /** Status, digest, signature and sealed signature base of its answer. */
  readonly appendAnswer: (requestId: string, sealed: Sealed, base: string) => void;
};

/** Encrypts a signature base under what it belongs to. */
export type SealBase = (of: 'request' | 'answer', base: string, requestId: string) => Buffer;

/** What a sealed signature base belongs to: AAD, so that nobody can move one below another request. */
export const evidenceAad = (of: 'request' | 'answer', requestId: string): Buffer => lengthPrefixed(['evidence', of, requestId]);

/** A key is noted again after so long, so that the parts of a journal that stay know the keys of their requests when older ones leave. */
const NOTE_AGAIN_MS = 3_600_000;
/** How many keys are remembered as noted; then all are forgotten, and noted once more. */
const NOTED_MAX = 50_000;

/**
 * A key is noted before the first request that it verified in each hour of each process, and when its keyid was that of another one.
 * `sealBase` encrypts the signature base: path and query may carry C2 data. Bodies are never written: where a scheme signs the body
 * itself the base has its digest, and `signedDigest` is what the signature verifies over, so that whoever has the body can show that
 * it is the one.
 */
export function createEvidence(journal: Journal, sealBase: SealBase, nowMs: () => number): Evidence {
  const noted = new Map<string, { readonly publicKey: KeyObject; readonly atMs: number }>();
  const noteKey = ({ keyid, algorithm, publicKey }: UsedKey) => {
    if (!publicKey) return;
    const before = noted.get(keyid);
    const atMs = nowMs();
    if (before && atMs - before.atMs < NOTE_AGAIN_MS && (before.publicKey === publicKey || before.publicKey.equals(publicKey))) return;
    const spki = publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
    journal.append({ type: 'key', data: { keyid, algorithm, spki } });
    if (noted.size >= NOTED_MAX) noted.clear();
    noted.set(keyid, { publicKey, atMs });
  };
  return {
    appendRequest: ({ requestId, merchant, operation, peer, access, key, scheme, signature, signatureBase, signedDigest, admissionId }) => {
      noteKey(key);
      return journal.append({
        type: 'request',
        data: {
          requestId,
          admissionId,
          merchantNumber: merchant.number,
          operation: operation.id,
          rule: access.rule,
          certificate: peer.thumbprint,
          keyid: key.keyid,
          algorithm: key.algorithm,
          scheme,
          signature: signature.toString('base64'),
          signedDigest: signedDigest.toString('base64'),
          sealedBase: sealBase('request', signatureBase, requestId).toString('base64'),
        },
      });
    },
    appendAnswer: (requestId, { status, rawHeaders }, base) => {
      journal.append({
        type: 'answer',
        data: {
          requestId,
          status,
          digest: findHeader(rawHeaders, HEADER.contentDigest),
          signatureInput: findHeader(rawHeaders, HEADER.signatureInput),
          signature: findHeader(rawHeaders, HEADER.signature),
          sealedBase: sealBase('answer', base, requestId).toString('base64'),
        },
      });
    },
  };
}
