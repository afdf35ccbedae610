import { BODY_MISTAKES, findBodyMistake } from './of-body.ts';
import { DIGEST_IN_HEX, DIGEST_OF_ANOTHER_BODY, SIGNATURE_OF_ANOTHER_REQUEST } from './of-digest.ts';
import { FORM_MISTAKES } from './of-form.ts';
import { KEY_NAME_MISTAKES } from './of-key-name.ts';
import { ENCODING_MISTAKES, KEY_MISTAKES, LINE_MISTAKES, PRIMITIVE_MISTAKES, TEXT_MISTAKES } from './of-signature.ts';
import { TARGET_MISTAKES } from './of-target.ts';
import { TIME_MISTAKES } from './of-time.ts';
import { type Suspect, verifiesFor } from './suspect.ts';
import type { Mistake, SignatureMistake } from './table.ts';

/** In this order, so that what costs nothing and what is usual comes first. */
const SIGNATURE_MISTAKES: readonly SignatureMistake[] = [
  ...ENCODING_MISTAKES,
  ...KEY_MISTAKES,
  ...FORM_MISTAKES,
  ...LINE_MISTAKES,
  ...TARGET_MISTAKES,
  ...TEXT_MISTAKES,
  ...PRIMITIVE_MISTAKES,
];

/** Schemes that sign the body itself, not a digest of it that is sent beside it. */
const WITH_BODY = ['wechatpay-v3', 'alipay-v3'];

/**
 * Why a signature over a body that is as signed does not hold: the first mistake that is proven, or nothing. A mistake is proven by the
 * signature itself, which holds over what the mistake would have made of this request; only the caller's own keys and message are used.
 */
export function findSignatureMistake(suspect: Suspect): Mistake | undefined {
  const { scheme, isExhausted } = suspect;
  const found = SIGNATURE_MISTAKES.find(({ appliesTo, made }) => !isExhausted() && (appliesTo?.includes(scheme) ?? true) && made(suspect));
  if (found) return found;
  return WITH_BODY.includes(scheme) ? findBodyMistake(suspect, (body) => verifiesFor(suspect, { body })) : undefined;
}

/** Every mistake that has a name, for the documents. An id that stands twice is one mistake seen in two places. */
export const ALL_MISTAKES: readonly Mistake[] = [
  ...SIGNATURE_MISTAKES,
  ...BODY_MISTAKES,
  ...[DIGEST_IN_HEX, DIGEST_OF_ANOTHER_BODY, SIGNATURE_OF_ANOTHER_REQUEST],
  ...TIME_MISTAKES,
  ...KEY_NAME_MISTAKES,
];
