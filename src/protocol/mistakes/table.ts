import type { Suspect } from './suspect.ts';

/** A mistake that was made, by its stable name, with a sentence for people. */
export type Mistake = { readonly id: string; readonly hint: string };

/** A mistake about a signature: made when the signature holds over what the mistake would have made of the request. */
export type SignatureMistake = Mistake & {
  /** Names of schemes; absent: all. */
  readonly appliesTo?: readonly string[];
  readonly made: (suspect: Suspect) => boolean;
};
