import type { KeyObject } from 'node:crypto';
import { type AlgorithmName, verifyBytes } from '../algorithms.ts';
import type { RequestFacts } from '../signature-base.ts';
import type { Attempts } from './attempts.ts';

/** A request as its signature sees it. */
export type SuspectRequest = RequestFacts & { readonly body: Buffer };

/** A part of what was signed: a line, without its end. */
export type SuspectLine = { readonly name: string; readonly bytes: Buffer; readonly isBody?: true };

/** What the signer may have seen instead. `origin` stands before the target in `@target-uri`: scheme and authority, or nothing. */
export type Altered = Partial<SuspectRequest> & { readonly origin?: string };

/** A further key that may have made the signature. `environment`: it is registered as belonging to that one and never verifies here. */
export type OtherKey = {
  readonly keyid: string;
  readonly algorithm: AlgorithmName;
  readonly publicKey: KeyObject;
  readonly environment?: string;
  /** It is that of the certificate the caller connected with, and no signing key. */
  readonly isOfConnection?: true;
};

/**
 * A request whose signature does not hold, and what it takes to find out why, whatever the scheme. Everything in it is the caller's own:
 * its message, its keys. Only schemes with public keys have suspects, so nothing that could be computed here is a secret.
 */
export type Suspect = {
  /** The scheme's name; `appliesTo` of a mistake refers to it. */
  readonly scheme: string;
  readonly request: SuspectRequest;
  /** What must have been signed: text whose bytes are latin1. */
  readonly base: string;
  /** The same in its parts. */
  readonly lines: readonly SuspectLine[];
  readonly signature: Buffer;
  /** What is signed for a text, where it is not the text itself; undefined: nothing that this signature is over. */
  readonly signedFor?: (text: Buffer) => Buffer | undefined;
  /** The very bytes that the message says were signed, where they say something else than this request. */
  readonly claimed?: Buffer;
  readonly algorithm: AlgorithmName;
  readonly publicKey: KeyObject;
  /** The base that the same signer would have made of another request; undefined where the scheme does not sign what differs. */
  readonly baseOf: (altered: Altered) => string | undefined;
  /** Other keys of the same merchant. */
  readonly otherKeys: readonly OtherKey[];
  /** Names that this gateway is known by, without port. */
  readonly hosts: readonly string[];
} & Attempts;

/** The bytes that are signed for a base. */
export function bytesFor({ signedFor }: Suspect, base: string): Buffer | undefined {
  const text = Buffer.from(base, 'latin1');
  return signedFor ? signedFor(text) : text;
}

/** Whether the signature is one over this base. No base: no. One attempt. */
export function verifiesOver(suspect: Suspect, base: string | undefined, by: Pick<Suspect, 'algorithm' | 'publicKey'> = suspect): boolean {
  // What the message claims is something else than the base: whatever signed it, it was not that.
  if (base === undefined || (suspect.claimed && base === suspect.base)) return false;
  return suspect.attempt(() => {
    const bytes = bytesFor(suspect, base);
    return bytes !== undefined && verifyBytes(by.algorithm, by.publicKey, bytes, suspect.signature);
  }, base.length);
}

/** Whether the signature is one over what the signer would have made of another request. */
export const verifiesFor = (suspect: Suspect, altered: Altered): boolean => verifiesOver(suspect, suspect.baseOf(altered));
