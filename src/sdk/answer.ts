import type { RequestFacts } from '../protocol/signature-base.ts';

/** An answer as it came off the wire. `rawHeaders` alternates name and value. */
export type ReceivedAnswer = { readonly status: number; readonly rawHeaders: readonly string[]; readonly body: Buffer };

/** A request as it goes on the wire, headers complete. */
export type WireRequest = RequestFacts & { readonly body: Buffer };

/** What became of the business request. `unknown`: it may have run; query, or send the same key again. */
export type CallOutcome = 'succeeded' | 'failed' | 'unknown';

/** What to do next. A new key is allowed only where it says so. */
export type Retry = 'never' | 'fix_request' | 'same_key_later' | 'query_first' | 'new_key';

export const RETRIES: readonly Retry[] = ['never', 'fix_request', 'same_key_later', 'query_first', 'new_key'];

/** What a call led to. It is never thrown away: a network error is an Answer too, with status 0. */
export type Answer = {
  /** HTTP status; 0 when no answer came. Not to be believed unless `verified`. */
  readonly status: number;
  /** The answer is proved to be the gateway's, to this very request, from this very connection's certificate. */
  readonly verified: boolean;
  /** Verified, and the gateway had verified our signature: only then is it a business result. */
  readonly accepted: boolean;
  /** Why it is not verified or not accepted. */
  readonly why?: string;
  readonly outcome: CallOutcome;
  readonly retry?: Retry;
  /** Code of a refusal (docs/errors.md) or of a business failure. */
  readonly code?: string;
  /** To quote to the operator. */
  readonly requestId?: string;
  /** False when surely no byte of the request left this machine. */
  readonly sent: boolean;
  /** Names in lower case; several lines of one name are joined by ", ". */
  readonly headers: Readonly<Record<string, string>>;
  /** As it was signed: ciphertexts are still closed here. */
  readonly body: Buffer;
  /** The parsed JSON body with what was encrypted to us opened; undefined when there is none or the answer is not verified. */
  readonly value: unknown;
  /** JSON pointers of ciphertexts that none of our keys opens; they stand in `value` as they came. Absent: none. */
  readonly closed?: readonly string[];
};

/** What a caller asks for. */
export type CallRequest = {
  readonly method: string;
  /** Path and query exactly as they are to be sent and signed; nothing is encoded or normalised. */
  readonly path: string;
  /** Bytes and text are sent as they are; any other value is serialised once, as JSON. */
  readonly body?: unknown;
  /** One for each business order, kept for every retry: 1 to 255 of A-Z a-z 0-9 . _ : - */
  readonly idempotencyKey?: string;
  /** Further headers; they are signed too. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What goes out encrypted to the gateway: the whole body, or the values at these JSON pointers (`*` for any index). */
  readonly encrypt?: 'body' | readonly string[];
  /** Under which key it is encrypted: the gateway's public one when left out, or the working key of the day. */
  readonly encryptUnder?: 'publicKey' | 'workingKey';
  /** What signs: the private key when left out, or the working key of the day, where the operation allows a MAC. */
  readonly signWith?: 'privateKey' | 'workingKey';
};
