import { expectTag, readChildrenOf, readElement, readUnsigned, TAG } from './der.ts';
import { CertificateProblem } from './problem.ts';
import { der, derInteger } from './write-der.ts';

/**
 * An ECDSA signature in DER (RFC 3279 section 2.2.3) as r and s side by side, each of the curve's length: what node:crypto verifies as
 * `ieee-p1363`. Throws CertificateProblem for any spelling but the one that DER has.
 * @param curveBytes length of r and of s, 32 for P-256
 */
export function readDerSignature(der: Uint8Array, curveBytes: number): Buffer {
  const [r, s, ...rest] = readChildrenOf(readElement(der, TAG.sequence), TAG.sequence);
  if (rest.length > 0) throw new CertificateProblem('an ECDSA signature has more than two numbers');
  const raw = Buffer.alloc(2 * curveBytes);
  for (const [index, element] of [r, s].entries()) {
    const bytes = readUnsigned(expectTag(element, TAG.integer));
    if (bytes.length > curveBytes) throw new CertificateProblem('an ECDSA signature has a number that is too large');
    raw.set(bytes, (index + 1) * curveBytes - bytes.length);
  }
  return raw;
}

/** The same the other way: r and s side by side become DER. */
export function writeDerSignature(raw: Uint8Array): Buffer {
  const half = raw.length / 2;
  return der(TAG.sequence, derInteger(raw.subarray(0, half)), derInteger(raw.subarray(half)));
}
