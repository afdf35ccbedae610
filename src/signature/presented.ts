import type { KeyHandle } from '../protocol/key-handle.ts';

/** A part of what was signed, as the doctor tells it. `body`: these bytes are the body, of which only length and digest are told. */
export type SignedLine = { readonly name: string; readonly bytes: Buffer; readonly isBody?: true };

/** How a message contradicts the request it stands in, for the refusal. */
export type Contradiction = { readonly detail: string; readonly members?: Readonly<Record<string, unknown>> };

/** What a request presents as its signature, whatever the scheme. Nothing in it is proven. */
export type Presented = {
  readonly key: KeyHandle;
  /** The algorithm the message names, if any; it can only confirm the key's record. */
  readonly algorithm?: string;
  readonly createdAtSeconds: number;
  readonly expiresAtSeconds?: number;
  /** Unique for the merchant; two messages that differ in what they say have two texts (see nonceOf in scheme.ts). */
  readonly nonce: string;
  /** The very bytes that must have been signed. */
  readonly signed: Buffer;
  /** The same as text for the journal and for refusals; where the body itself is signed, its digest stands in its place. */
  readonly record: string;
  /** The same in its parts, made only when a signature does not verify. */
  readonly lines: () => readonly SignedLine[];
  /** As node:crypto takes it for the key's algorithm: ECDSA is raw r and s, whatever the scheme sends. */
  readonly signature: Buffer;
  /** The JSON that a form carries in one of its signed fields: what is read and forwarded in place of the body. */
  readonly content?: Buffer;
  /** For the doctor: the text that must have been written, where `signed` is something else. */
  readonly text?: Buffer;
  /** For the doctor: what is signed for a text, where it is not the text itself; undefined: nothing that this message signs. */
  readonly signedFor?: (text: Buffer) => Buffer | undefined;
  /** What the message says was signed is not this request: it is refused, whatever its signature is. */
  readonly contradiction?: Contradiction;
  /** Which of the scheme's forms it is, where it has several. */
  readonly dialect?: string;
};
