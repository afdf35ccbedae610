import { ERROR_TABLE, type ErrorRow } from './error-table.ts';
import type { KeyOutcome, Retry } from './outcome.ts';

/** The table of refusals; see error-table.ts. */
export const ERRORS = ERROR_TABLE;
export type ErrorCode = keyof typeof ERRORS;
export const ERROR_CODES = Object.keys(ERRORS) as ErrorCode[];
export const errorRow = (code: ErrorCode): ErrorRow => ERRORS[code];

export type RefusalOptions = {
  /** A more exact public sentence. It must not repeat what the merchant sent. */
  readonly detail?: string;
  /** Further public members of the problem document, e.g. limit, used, resetsAt. */
  readonly members?: Readonly<Record<string, unknown>>;
  readonly outcome?: KeyOutcome;
  readonly retry?: Retry;
  readonly retryAfterSeconds?: number;
  /** Extra answer headers as flat name, value list. */
  readonly headers?: readonly string[];
  /** Closes the connection after the answer: its framing can no longer be trusted. */
  readonly closes?: boolean;
  /** For our log only. */
  readonly cause?: unknown;
};

/** We decided to refuse. Everything else that is thrown is a bug and answered with INTERNAL. */
export class Refusal extends Error {
  readonly code: ErrorCode;
  readonly options: RefusalOptions;
  constructor(code: ErrorCode, options: RefusalOptions = {}) {
    super(code, { cause: options.cause });
    this.name = 'Refusal';
    this.code = code;
    this.options = options;
  }
}
