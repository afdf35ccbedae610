import type { OutcomeKind } from './outcome.ts';

/** How a merchant reaches us. */
export type Channel = 'internet' | 'dedicated';

/** A value inside a JSON document, RFC 6901: `/payer/accountNo`; '' is the whole document. */
export type JsonPointer = string;

/** A rule that reads an outcome off an answer of the core; the first that matches decides, none means unknown. */
export type OutcomeRule = {
  readonly status: readonly number[];
  readonly pointer?: JsonPointer;
  readonly values?: readonly (string | number | boolean)[];
  readonly means: OutcomeKind;
};

/**
 * A value that a successful answer of the core must repeat. `request` is a pointer into the body, `path:name` for a path
 * parameter, or `merchantNumber` for the merchant number of the identity; a body pointer that finds nothing asks for nothing.
 */
export type RepeatRule = { readonly request: JsonPointer | `path:${string}` | 'merchantNumber'; readonly answer: JsonPointer };

/** How to ask the core what became of a request. */
export type ResolveRule = {
  /** The operation that is asked; a GET that changes nothing. */
  readonly operationId: string;
  /** Its path parameters: from the body by pointer, or from the path by `path:name`, or the derived key by `derivedKey`. */
  readonly parameters: Readonly<Record<string, JsonPointer | `path:${string}` | 'derivedKey'>>;
  readonly rules: readonly OutcomeRule[];
  /** The answers that say "not found"; any other 404 leaves the outcome unknown. */
  readonly notFoundRules?: readonly Omit<OutcomeRule, 'means'>[];
  /** When "not found" counts as failed: once every admission of the key has expired, or never. */
  readonly notFound: 'afterExpiry' | 'never';
};

/** C1 public, C2 personal (masked in logs), C3 secret (never in logs): vocabulary of JR/T 0171. */
export type DataClass = 'C1' | 'C2' | 'C3';

export type Problem = { readonly pointer: JsonPointer; readonly message: string };

/** A place of a body whose value may be, or must be, a JWE. */
export type SealedField = { readonly pointer: JsonPointer; readonly required: boolean };

/** One operation of an OpenAPI 3.1 document with its `x-hufu` extension, compiled once at load time. */
export type Operation = {
  readonly id: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path segments; `{name}` stands for a parameter. */
  readonly path: string;
  readonly level: 'A1' | 'A2';
  readonly channels: readonly Channel[];
  /** Business hours in the business time zone, minutes of the day; undefined: always open. May pass midnight (from > to). */
  readonly window?: { readonly fromMinute: number; readonly toMinute: number };
  /** `required` on every write of level A2. */
  readonly idempotency: 'required' | 'none';
  /** Signed values that make the key where a signature scheme signs no Idempotency-Key: body pointers and `path:name`. */
  readonly idempotencyFrom?: readonly (JsonPointer | `path:${string}`)[];
  /** Body pointers whose value must equal the identity's merchant number. */
  readonly merchant: readonly JsonPointer[];
  readonly amount?: JsonPointer;
  readonly currency?: JsonPointer;
  readonly payer?: JsonPointer;
  /** Where the body names the device of who pays. */
  readonly device?: JsonPointer;
  /** Whether it carries many orders at once; absent: one. */
  readonly batch?: boolean;
  /** Where the body names its scene (业务场景). */
  readonly scene?: JsonPointer;
  /** `totals`: amounts are reserved and settled. `single`: only per-request bounds are checked. */
  readonly limits: 'totals' | 'single' | 'none';
  readonly outcome: { readonly rules: readonly OutcomeRule[]; readonly repeat: readonly RepeatRule[] };
  readonly resolve?: ResolveRule;
  /** Whether the same derived key may be sent once more after the query proved execution, to get the full answer. */
  readonly repeatable: boolean;
  readonly timeoutMs: number;
  readonly answeredBy: 'core' | 'gateway';
  /** What may or must be encrypted; absent: nothing. `*` in a pointer stands for any array index. */
  readonly encryption?: {
    readonly body: 'optional' | 'required' | 'none';
    readonly fields: readonly SealedField[];
    readonly answer: readonly SealedField[];
  };
  /** Which bytes of an encrypted request the core gets; absent: opened. */
  readonly forward?: 'opened' | 'sealed';
  /** Whether a MAC under a working key is enough of a signature; absent: refused. */
  readonly mac?: 'allowed' | 'refused';
  readonly hasBody: boolean;
  /** Largest request body, bytes. */
  readonly bodyBytesMax: number;
  /** Pointers into the body (`*` for any array index) with their class; C1 is not listed. */
  readonly dataClasses: readonly { readonly pointer: JsonPointer; readonly dataClass: DataClass }[];
  /** Path and query parameters with their class; C1 is not listed. */
  readonly parameterClasses?: readonly { readonly in: 'path' | 'query'; readonly name: string; readonly dataClass: DataClass }[];
  /** Problems of a parsed body, empty when it fits the schema. */
  readonly checkBody: (body: unknown) => readonly Problem[];
  /** Problems of path and query parameters (all text), empty when they fit. */
  readonly checkParameters: (path: Readonly<Record<string, string>>, query: readonly (readonly [string, string])[]) => readonly Problem[];
  /** Problems of the core's answer; answers of a status the document does not describe have one problem. */
  readonly checkAnswer: (status: number, body: unknown) => readonly Problem[];
};
