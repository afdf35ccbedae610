import type { KeyOutcome, Retry } from './outcome.ts';

/**
 * Who decided, which tells what may be said about the idempotency key (contract.md section 4):
 * `outcome` is 'unknown' wherever the key was not read, since an earlier delivery of it may be running.
 */
type Row = {
  readonly status: number;
  readonly title: string;
  /** The public sentence; a refusal may carry a more exact one. */
  readonly detail: string;
  readonly outcome: KeyOutcome;
  readonly retry: Retry;
  /** What to do, for the merchant; printed in docs/errors.md. */
  readonly advice: string;
  /** The stage that decides. */
  readonly stage: 'http' | 'identify' | 'route' | 'verify' | 'open' | 'admit' | 'journal' | 'forward' | 'any';
};

/** Every refusal there is. docs/errors.md is generated from this table, and a test reaches each row. Codes are never reused. */
export const ERRORS = {
  HTTP_INVALID: {
    status: 400,
    stage: 'http',
    title: 'The request is not well-formed HTTP',
    outcome: 'unknown',
    retry: 'fix_request',
    detail: 'The request has more than one possible reading.',
    advice: 'Send exactly one Host, no duplicate single-value headers, an origin-form target, and a body only where the operation has one.',
  },
  BODY_TOO_LARGE: {
    status: 413,
    stage: 'http',
    title: 'The body is too large',
    outcome: 'unknown',
    retry: 'fix_request',
    detail: 'The body is larger than this operation takes.',
    advice: 'Send a smaller body; the operation in the OpenAPI document names its bound.',
  },
  MEDIA_TYPE_UNSUPPORTED: {
    status: 415,
    stage: 'http',
    title: 'The media type is not supported',
    outcome: 'unknown',
    retry: 'fix_request',
    detail: 'Bodies are application/json in UTF-8 without content coding.',
    advice: 'Send Content-Type: application/json and no Content-Encoding.',
  },
  CERTIFICATE_EXPIRED: {
    status: 403,
    stage: 'identify',
    title: 'The client certificate is outside its validity',
    outcome: 'unknown',
    retry: 'never',
    detail: 'The client certificate has expired or is not valid yet.',
    advice: 'Renew the certificate. A renewed one with the same name needs no change on our side.',
  },
  CERTIFICATE_INVALID: {
    status: 403,
    stage: 'identify',
    title: 'The client certificate is not acceptable',
    outcome: 'unknown',
    retry: 'never',
    detail: 'The client certificate does not satisfy the certificate policy.',
    advice: 'Ask for a certificate with clientAuth usage and an RSA key of 2048 bits or more, P-256, P-384 or Ed25519.',
  },
  CERTIFICATE_UNBOUND: {
    status: 403,
    stage: 'identify',
    title: 'The client certificate is bound to no merchant',
    outcome: 'unknown',
    retry: 'never',
    detail: "No merchant is bound to this certificate's issuer and subject.",
    advice: 'Check that you present the certificate you registered; ask the operator to bind its subject name.',
  },
  MERCHANT_MISMATCH: {
    status: 403,
    stage: 'identify',
    title: 'The merchant number is not bound to this certificate',
    outcome: 'unknown',
    retry: 'fix_request',
    detail: 'Certificate, signing key, header and body must name one merchant.',
    advice:
      'Send the Merchant-Number of the certificate you connect with, sign with a key of that merchant, and repeat the same number in the body.',
  },
  MERCHANT_SUSPENDED: {
    status: 403,
    stage: 'identify',
    title: 'The merchant is suspended',
    outcome: 'unknown',
    retry: 'never',
    detail: 'The merchant is suspended.',
    advice: 'Contact the operator.',
  },
  OPERATION_UNKNOWN: {
    status: 404,
    stage: 'route',
    title: 'There is no such operation',
    outcome: 'unknown',
    retry: 'fix_request',
    detail: 'No operation has this method and path.',
    advice: 'Compare method and path with the OpenAPI document, letter by letter; paths are never decoded or normalised.',
  },
  OPERATION_NOT_ENABLED: {
    status: 403,
    stage: 'route',
    title: 'The operation is not enabled for this merchant',
    outcome: 'unknown',
    retry: 'never',
    detail: "The merchant's contract does not include this operation.",
    advice: 'Ask the operator to enable the operation.',
  },
  CHANNEL_NOT_ALLOWED: {
    status: 403,
    stage: 'route',
    title: 'The operation is not allowed on this channel',
    outcome: 'unknown',
    retry: 'never',
    detail: 'This operation or merchant may not use this channel.',
    advice: 'Use the channel named in the contract (internet or dedicated line).',
  },
  OUTSIDE_WINDOW: {
    status: 403,
    stage: 'route',
    title: 'The operation is closed now',
    outcome: 'unknown',
    retry: 'same_key_later',
    detail: 'The operation is outside its business hours.',
    advice: 'Send the same request with the same key when the operation opens.',
  },
  SIGNATURE_MISSING: {
    status: 401,
    stage: 'verify',
    title: 'The request is not signed',
    outcome: 'unknown',
    retry: 'fix_request',
    detail: 'Exactly one signature with label "hufu" and tag "hufu-request" is required.',
    advice: 'Send Signature-Input and Signature with the label hufu and the parameter tag="hufu-request".',
  },
  SIGNATURE_INVALID: {
    status: 401,
    stage: 'verify',
    title: 'The signature fields cannot be read',
    outcome: 'unknown',
    retry: 'fix_request',
    detail: 'Signature-Input or Signature is not well-formed.',
    advice: 'Follow RFC 9421 section 4; parameters are created (integer seconds), nonce, keyid and tag.',
  },
  SIGNATURE_COVERAGE: {
    status: 401,
    stage: 'verify',
    title: 'The signature covers too little',
    outcome: 'unknown',
    retry: 'fix_request',
    detail: 'A required component is not covered, or a covered one is absent or listed twice.',
    advice:
      'Cover @method and @target-uri always, content-digest and content-type with a body, merchant-number, idempotency-key and range when sent.',
  },
  SIGNATURE_MISMATCH: {
    status: 401,
    stage: 'verify',
    title: 'The signature does not verify',
    outcome: 'unknown',
    retry: 'fix_request',
    detail: 'The signature does not verify over the request as it arrived.',
    advice: 'Run `hufu verify --explain` on the request: it prints the exact signature base. Sign the very bytes you send.',
  },
  DIGEST_MISMATCH: {
    status: 401,
    stage: 'verify',
    title: 'Content-Digest does not match the body',
    outcome: 'unknown',
    retry: 'fix_request',
    detail: 'The digest of the body as it arrived is another one.',
    advice: 'Compute the digest over the very bytes you send, after serialising; nothing may re-serialise the body afterwards.',
  },
  KEY_UNKNOWN: {
    status: 401,
    stage: 'verify',
    title: 'The signing key is not known',
    outcome: 'unknown',
    retry: 'fix_request',
    detail: 'The keyid names no key that is valid now.',
    advice: 'Use the keyid that the operator registered; a retired key no longer works.',
  },
  TIMESTAMP_SKEW: {
    status: 401,
    stage: 'verify',
    title: 'The signature was created too long ago or in the future',
    outcome: 'unknown',
    retry: 'fix_request',
    detail: 'created is more than 300 seconds from our clock, or expires has passed.',
    advice: 'Set your clock by NTP; created is whole seconds, not milliseconds. Sign again and send the same key.',
  },
  IDEMPOTENCY_KEY_REQUIRED: {
    status: 400,
    stage: 'open',
    title: 'An Idempotency-Key is required',
    outcome: 'not_executed',
    retry: 'fix_request',
    detail: 'This operation needs an Idempotency-Key of 1 to 255 characters of A-Z a-z 0-9 . _ : -',
    advice: 'Send one fresh key for each business order and keep it for every retry.',
  },
  BODY_INVALID: {
    status: 400,
    stage: 'open',
    title: 'The body is not strict JSON',
    outcome: 'unknown',
    retry: 'fix_request',
    detail: 'The body cannot be read in exactly one way.',
    advice: 'UTF-8 without BOM, no duplicate keys, no lone surrogates, numbers in their shortest plain form.',
  },
  SCHEMA_INVALID: {
    status: 400,
    stage: 'open',
    title: 'The request does not fit its schema',
    outcome: 'unknown',
    retry: 'fix_request',
    detail: 'The body or a parameter breaks the schema of the operation.',
    advice: 'Each entry of `problems` names a place and what is wrong there.',
  },
  FIELD_NOT_ENCRYPTED: {
    status: 400,
    stage: 'open',
    title: 'A field must be encrypted',
    outcome: 'unknown',
    retry: 'fix_request',
    detail: 'The operation takes this field only encrypted.',
    advice: 'Encrypt the named field as the merchant guide says.',
  },
  NONCE_REPLAYED: {
    status: 409,
    stage: 'admit',
    title: 'The nonce was used before',
    outcome: 'unknown',
    retry: 'same_key_later',
    detail: 'A request with this nonce was received before.',
    advice: 'Sign again with a fresh nonce and the same Idempotency-Key.',
  },
  RATE_LIMITED: {
    status: 429,
    stage: 'admit',
    title: 'Too many requests',
    outcome: 'unknown',
    retry: 'same_key_later',
    detail: 'A rate of the plan is used up.',
    advice: 'Wait for Retry-After seconds, then send the same key again.',
  },
  REQUEST_IN_FLIGHT: {
    status: 409,
    stage: 'admit',
    title: 'A request with this key is under way',
    outcome: 'unknown',
    retry: 'same_key_later',
    detail: 'The first request with this Idempotency-Key has no answer yet.',
    advice: 'Wait for Retry-After seconds and send the same request again.',
  },
  IDEMPOTENCY_KEY_REUSED: {
    status: 422,
    stage: 'admit',
    title: 'The Idempotency-Key belongs to another request',
    outcome: 'unknown',
    retry: 'query_first',
    detail: 'This key was used with another body, path or content type.',
    advice: 'Query the first order. Use a new key only for a new business order.',
  },
  CONCURRENCY_LIMITED: {
    status: 429,
    stage: 'admit',
    title: 'Too many requests under way',
    outcome: 'not_executed',
    retry: 'same_key_later',
    detail: 'The plan allows fewer requests at once.',
    advice: 'Wait for an answer before you send more.',
  },
  LIMIT_SINGLE: {
    status: 403,
    stage: 'admit',
    title: 'The amount is outside the limits of one request',
    outcome: 'not_executed',
    retry: 'fix_request',
    detail: 'The amount of one request is bounded.',
    advice: 'Send an amount within `minFen` and `limit`, or ask for another plan.',
  },
  LIMIT_DAILY_AMOUNT: {
    status: 403,
    stage: 'admit',
    title: 'The daily amount is used up',
    outcome: 'not_executed',
    retry: 'same_key_later',
    detail: 'used + reserved + this amount exceeds the daily limit.',
    advice: 'Try again after `resetsAt`, or ask for another plan.',
  },
  LIMIT_DAILY_COUNT: {
    status: 403,
    stage: 'admit',
    title: 'The daily number of payments is used up',
    outcome: 'not_executed',
    retry: 'same_key_later',
    detail: 'The daily number of requests is reached.',
    advice: 'Try again after `resetsAt`, or ask for another plan.',
  },
  LIMIT_MONTHLY_AMOUNT: {
    status: 403,
    stage: 'admit',
    title: 'The monthly amount is used up',
    outcome: 'not_executed',
    retry: 'same_key_later',
    detail: 'used + reserved + this amount exceeds the monthly limit.',
    advice: 'Try again after `resetsAt`, or ask for another plan.',
  },
  LIMIT_MONTHLY_COUNT: {
    status: 403,
    stage: 'admit',
    title: 'The monthly number of payments is used up',
    outcome: 'not_executed',
    retry: 'same_key_later',
    detail: 'The monthly number of requests is reached.',
    advice: 'Try again after `resetsAt`, or ask for another plan.',
  },
  STORE_UNAVAILABLE: {
    status: 503,
    stage: 'admit',
    title: 'The gateway cannot decide now',
    outcome: 'unknown',
    retry: 'same_key_later',
    detail: 'The store that decides about limits is not reachable; the core was not called for this delivery.',
    advice: 'Send the same key again after Retry-After seconds.',
  },
  REBUILDING: {
    status: 503,
    stage: 'admit',
    title: 'The gateway is restoring its state',
    outcome: 'unknown',
    retry: 'same_key_later',
    detail: 'After a loss of the store, money operations wait until it is rebuilt from the journals.',
    advice: 'Send the same key again after Retry-After seconds.',
  },
  CLOCK_SKEW: {
    status: 503,
    stage: 'admit',
    title: 'The gateway is not sure of the time',
    outcome: 'unknown',
    retry: 'same_key_later',
    detail: "This process's clock differs from the store's by more than 2 seconds.",
    advice: 'Send the same key again after Retry-After seconds.',
  },
  JOURNAL_UNAVAILABLE: {
    status: 503,
    stage: 'journal',
    title: 'The gateway cannot write its journal',
    outcome: 'unknown',
    retry: 'same_key_later',
    detail: 'Nothing is forwarded that is not journalled first; the core was not called for this delivery.',
    advice: 'Send the same key again after Retry-After seconds.',
  },
  CORE_UNAVAILABLE: {
    status: 503,
    stage: 'forward',
    title: 'The core is not reachable',
    outcome: 'not_executed',
    retry: 'same_key_later',
    detail: 'No byte of this request was sent to the core.',
    advice: 'Send the same key again after Retry-After seconds.',
  },
  CORE_ANSWER_INVALID: {
    status: 502,
    stage: 'forward',
    title: 'The core answered something that cannot be understood',
    outcome: 'unknown',
    retry: 'query_first',
    detail: 'The payment may have been executed.',
    advice: 'Query the order, or send the same key again after Retry-After seconds. Never use a new key before that.',
  },
  OUTCOME_UNKNOWN: {
    status: 504,
    stage: 'forward',
    title: 'The outcome is not known yet',
    outcome: 'unknown',
    retry: 'query_first',
    detail: 'The request was sent to the core and no final answer is known. The payment may have been executed.',
    advice: 'Query the order, or send the same key again after Retry-After seconds. Never use a new key before that.',
  },
  NOT_EXECUTED: {
    status: 409,
    stage: 'forward',
    title: 'The request was not executed and never will be under this key',
    outcome: 'failed',
    retry: 'new_key',
    detail: 'The core knows nothing of this request, and its time to begin has passed.',
    advice: 'This key is final. Send the business order again with a new Idempotency-Key.',
  },
  INTERNAL: {
    status: 500,
    stage: 'any',
    title: 'The gateway has a fault',
    outcome: 'unknown',
    retry: 'query_first',
    detail: 'The request failed inside the gateway.',
    advice: 'Query the order, or send the same key again. Tell the operator the requestId.',
  },
} as const satisfies Record<string, Row>;

export type ErrorCode = keyof typeof ERRORS;
export const ERROR_CODES = Object.keys(ERRORS) as ErrorCode[];
export const errorRow = (code: ErrorCode): Row => ERRORS[code];

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
