/** An amount or count held in one counter over one window. The window is fixed at admission. */
export type ReservationEntry = {
  /** Kind, scope, operation set, period start, currency: never a rule's name (contract.md section 5). */
  readonly counter: string;
  /** Fen, or 1 for counts. */
  readonly add: number;
  readonly windowEndsMs: number;
};

/** What any process needs to ask the core about a claim, from the store or a journal alone. JSON-safe. */
export type ResolveInputs = {
  readonly operationId: string;
  readonly requestId: string;
  readonly derivedKey: string;
  /** Path parameters of the resolve operation, already taken from the request. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Values the core's answer must repeat, by pointer into the answer. */
  readonly repeat: Readonly<Record<string, string | number>>;
};
