import { BODY_MISTAKES, findBodyMistake } from './of-body.ts';
import { ATTACHED_CONTENT, B64_OF_THE_OTHER_PROFILE, CONTENT_MISTAKES, OTHER_CONTENT } from './of-content.ts';
import { DIGEST_IN_HEX, DIGEST_OF_ANOTHER_BODY, SIGNATURE_OF_ANOTHER_REQUEST } from './of-digest.ts';
import { FORM_MISTAKES } from './of-form.ts';
import { KEY_NAME_MISTAKES } from './of-key-name.ts';
import { ENCODING_MISTAKES, KEY_MISTAKES, LINE_MISTAKES, PRIMITIVE_MISTAKES, TEXT_MISTAKES } from './of-signature.ts';
import { TARGET_MISTAKES } from './of-target.ts';
import { TIME_MISTAKES } from './of-time.ts';
import { type Suspect, verifiesFor } from './suspect.ts';
import type { Mistake, SignatureMistake } from './table.ts';

/** In this order, so that what costs nothing and what is usual comes first; between the two lists come those with the body. */
const BEFORE_BODY: readonly SignatureMistake[] = [
  ...ENCODING_MISTAKES,
  ...KEY_MISTAKES,
  ...FORM_MISTAKES,
  ...LINE_MISTAKES,
  ...CONTENT_MISTAKES,
];
const AFTER_BODY: readonly SignatureMistake[] = [...TARGET_MISTAKES, ...TEXT_MISTAKES, ...PRIMITIVE_MISTAKES];

/** Schemes that sign the body itself, not a digest of it that is sent beside it. */
const WITH_BODY = ['wechatpay-v3', 'alipay-v3', 'jws', 'jws-obie', 'cms'];

/**
 * Why a signature over a body that is as signed does not hold: the first mistake that is proven, or nothing. A mistake is proven by the
 * signature itself, which holds over what the mistake would have made of this request; only the caller's own keys and message are used.
 */
export function findSignatureMistake(suspect: Suspect): Mistake | undefined {
  const { scheme, isExhausted } = suspect;
  const wasMade = ({ appliesTo, made }: SignatureMistake): boolean =>
    !isExhausted() && (appliesTo?.includes(scheme) ?? true) && made(suspect);
  const ofBody = () => (WITH_BODY.includes(scheme) ? findBodyMistake(suspect, (body) => fitsBody(suspect, body)) : undefined);
  return BEFORE_BODY.find(wasMade) ?? ofBody() ?? [...AFTER_BODY, OTHER_CONTENT].find(wasMade);
}

/** Within one attempt, which findBodyMistake has taken. */
const fitsBody = (suspect: Suspect, body: Buffer): boolean => verifiesFor({ ...suspect, attempt: (check) => check() }, { body });

/** Every mistake that has a name, for the documents. An id that stands twice is one mistake seen in two places. */
export const ALL_MISTAKES: readonly Mistake[] = [
  ...BEFORE_BODY,
  ...AFTER_BODY,
  ...BODY_MISTAKES,
  ...[OTHER_CONTENT, B64_OF_THE_OTHER_PROFILE, ATTACHED_CONTENT],
  ...[DIGEST_IN_HEX, DIGEST_OF_ANOTHER_BODY, SIGNATURE_OF_ANOTHER_REQUEST],
  ...TIME_MISTAKES,
  ...KEY_NAME_MISTAKES,
];
