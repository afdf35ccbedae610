/** Every refusal of the core: HTTP status and the sentence for people. Codes are stable; 5xx only where the core itself is at fault. */
const FAILURES = {
  BODY_INVALID: [400, 'The body is not strict JSON.'],
  SCHEMA_INVALID: [400, 'The request does not fit its schema.'],
  IDEMPOTENCY_KEY_REQUIRED: [400, 'The operation needs an Idempotency-Key of 43 characters of base64url.'],
  HTTP_INVALID: [400, 'The request cannot be read.'],
  ASSERTION_INVALID: [401, 'Hufu-Assertion is missing or does not vouch for this request.'],
  ASSERTION_EXPIRED: [401, 'Hufu-Assertion has expired; the request was not begun.'],
  MERCHANT_MISMATCH: [403, 'The body names another merchant than the assertion.'],
  MERCHANT_UNKNOWN: [403, 'The merchant has no settlement account; the request was not begun.'],
  OPERATION_UNKNOWN: [404, 'No operation has this method and path.'],
  ORDER_NOT_FOUND: [404, 'There is no such order.'],
  PAYER_NOT_FOUND: [404, 'There is no such account to pay from.'],
  ACCOUNT_NOT_FOUND: [404, 'There is no such account.'],
  EXECUTION_NOT_FOUND: [404, 'Nothing was executed under this key.'],
  ORDER_EXISTS: [409, 'The merchant has an order of this number.'],
  ORDER_NOT_PAYABLE: [409, 'The order is paid, closed or expired.'],
  ORDER_NOT_CLOSABLE: [409, 'Only an order that is not paid can be closed.'],
  ATTEMPT_IN_PROGRESS: [409, 'Another attempt to pay this order has not ended.'],
  BODY_TOO_LARGE: [413, 'The body is too large.'],
  MEDIA_TYPE_UNSUPPORTED: [415, 'Bodies are application/json in UTF-8 without content coding.'],
  AMOUNT_MISMATCH: [422, 'Amount or currency differ from those of the order.'],
  INSUFFICIENT_FUNDS: [422, "The payer's available balance is too small."],
  IDEMPOTENCY_KEY_REUSED: [422, 'The key was used for another request.'],
  INTERNAL: [500, 'The core failed; ask what became of the request.'],
  BUSY: [503, 'The ledger is busy; the request was not begun.'],
  REFUSED: [503, 'The core was told to refuse; the request was not begun.'],
} as const satisfies Record<string, readonly [number, string]>;

export type FailureCode = keyof typeof FAILURES;

/** A refusal before anything began: nothing of it is kept under the key. Business failures are answers, not refusals. */
export class CoreRefusal extends Error {
  readonly code: FailureCode;

  /** `detail` replaces the sentence of the table; it never holds values of the request. */
  constructor(code: FailureCode, detail?: string) {
    super(detail ?? FAILURES[code][1]);
    this.name = 'CoreRefusal';
    this.code = code;
  }
}

/** What an operation decided: kept under its key for ever, whether it succeeded or failed. */
export type Answer = {
  readonly means: 'SUCCEEDED' | 'FAILED';
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
};

export function success(status: 200 | 201, body: Readonly<Record<string, unknown>>): Answer {
  return { means: 'SUCCEEDED', status, body };
}

/** A business failure: final for its key. */
export function failure(code: FailureCode): Answer {
  const [status, message] = FAILURES[code];
  return { means: 'FAILED', status, body: { code, message } };
}

/** Bytes for the wire. */
export type Reply = { readonly status: number; readonly body: Buffer; readonly replayed: boolean };

export function replyOf(answer: Answer): Reply {
  return { status: answer.status, body: Buffer.from(JSON.stringify(answer.body)), replayed: false };
}

export function refusalReply(refusal: CoreRefusal): Reply {
  const body = Buffer.from(JSON.stringify({ code: refusal.code, message: refusal.message }));
  return { status: FAILURES[refusal.code][0], body, replayed: false };
}
