import type { Journal } from '../ports/journal.ts';
import { findHeader, HEADER } from '../protocol/headers.ts';
import type { Admitted, Sealed } from '../protocol/messages.ts';

/** What proves, later and without us, that a merchant asked and what it was told. */
export type Evidence = {
  /** Signature, key and sealed signature base of an admitted request. Returns the record's sequence. Throws JOURNAL_UNAVAILABLE. */
  readonly appendRequest: (admitted: Admitted) => number;
  /** Status, digest and signature of its answer. */
  readonly appendAnswer: (requestId: string, sealed: Sealed) => void;
};

/**
 * `sealBase` encrypts the signature base: path and query may carry C2 data. Bodies are never written: where a scheme signs the body
 * itself the base has its digest, and `signedDigest` is what the signature verifies over, so that whoever has the body can show that
 * it is the one.
 */
export function createEvidence(journal: Journal, sealBase: (base: string, requestId: string) => Buffer): Evidence {
  return {
    appendRequest: ({ requestId, merchant, operation, peer, key, scheme, signature, signatureBase, signedDigest, admissionId }) =>
      journal.append({
        type: 'request',
        data: {
          requestId,
          admissionId,
          merchantNumber: merchant.number,
          operation: operation.id,
          certificate: peer.thumbprint,
          keyid: key.keyid,
          algorithm: key.algorithm,
          scheme,
          signature: signature.toString('base64'),
          signedDigest: signedDigest.toString('base64'),
          sealedBase: sealBase(signatureBase, requestId).toString('base64'),
        },
      }),
    appendAnswer: (requestId, { status, rawHeaders }) => {
      journal.append({
        type: 'answer',
        data: {
          requestId,
          status,
          digest: findHeader(rawHeaders, HEADER.contentDigest),
          signatureInput: findHeader(rawHeaders, HEADER.signatureInput),
          signature: findHeader(rawHeaders, HEADER.signature),
        },
      });
    },
  };
}
