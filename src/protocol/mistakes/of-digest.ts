import { compareDigests, type Digest } from '../content-digest.ts';
import { findBodyMistake } from './of-body.ts';
import { isHexText } from './of-signature.ts';
import { type Suspect, verifiesOver } from './suspect.ts';
import type { Mistake } from './table.ts';

export const DIGEST_IN_HEX: Mistake = {
  id: 'digest-in-hex',
  hint: 'The digest was written in hexadecimal before it was put between the colons. It must be the raw bytes in base64.',
};

export const DIGEST_OF_ANOTHER_BODY: Mistake = {
  id: 'digest-of-another-body',
  hint: 'Content-Digest is that of another body. The signature holds over it, so it is what you signed: the body was changed after that, in your program or on the way.',
};

export const SIGNATURE_OF_ANOTHER_REQUEST: Mistake = {
  id: 'signature-of-another-request',
  hint: 'Neither Content-Digest nor the signature belongs to this request: both were made for another one, or Content-Digest was changed on the way.',
};

/** Why a body is not the one of its Content-Digest. Something fits always, unless the attempts are used up. */
export function findDigestMistake(suspect: Suspect, digests: readonly Digest[]): Mistake {
  if (digests.some(({ value }) => isHexText(value))) return DIGEST_IN_HEX;
  const ofBody = findBodyMistake(suspect, (body) => compareDigests(digests, body) === 'same');
  if (ofBody) return ofBody;
  return verifiesOver(suspect, suspect.base) ? DIGEST_OF_ANOTHER_BODY : SIGNATURE_OF_ANOTHER_REQUEST;
}
