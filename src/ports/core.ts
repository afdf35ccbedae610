import type { CoreAnswer } from '../protocol/messages.ts';

/** One HTTP request to the core. Headers are a flat name, value list, complete but for framing. */
export type CoreCall = {
  readonly method: string;
  /** Path and query, appended to the core's base. */
  readonly target: string;
  readonly headers: readonly string[];
  readonly body: Buffer;
  /** Until the last byte of the answer. */
  readonly timeoutMs: number;
};

/**
 * `notSent`: it is proven that not one byte of the request left this process.
 * `noAnswer`: bytes may have been sent and no complete answer came; the outcome is unknown.
 */
export type CoreReply =
  | { readonly kind: 'answered'; readonly answer: CoreAnswer; readonly replayed: boolean }
  | { readonly kind: 'notSent'; readonly reason: string }
  | { readonly kind: 'noAnswer'; readonly reason: string };

export type Core = {
  /** Sends once; never retries. Never throws. */
  readonly call: (call: CoreCall) => Promise<CoreReply>;
  readonly close: () => Promise<void>;
};
