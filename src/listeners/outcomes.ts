import express, { type NextFunction, type Request, type Response } from 'express';
import helmet from 'helmet';
import { JsonProblem, parseStrictJson } from '../lib/json.ts';
import { listenPlain, type PlainListener } from './plain-http.ts';

/** What the core says became of a key. It is believed only after the core was asked. */
export type PushedOutcome = { readonly merchantNumber: string; readonly claim: string; readonly outcome: 'succeeded' | 'failed' };

/** What was made of it: the key is final, still open, or not known here. */
export type Heard = 'final' | 'open' | 'unknown';

export type OutcomesOptions = {
  readonly address: string;
  readonly port: number;
  /** Rejects when nothing can be found out now; the core may push again. */
  readonly hear: (pushed: PushedOutcome) => Promise<Heard>;
  /** Errors of the socket. */
  readonly onFault: (error: Error) => void;
};

const BODY_BYTES_MAX = 1_024;
const OUTCOMES: Readonly<Record<string, PushedOutcome['outcome']>> = { SUCCEEDED: 'succeeded', FAILED: 'failed' };
const STATUS: Readonly<Record<Heard, number>> = { final: 200, open: 202, unknown: 404 };

/**
 * Where the core may push outcomes (contract.md section 6), on loopback: `POST /outcomes` with
 * `{"merchantNumber", "claim", "outcome": "SUCCEEDED" | "FAILED"}`; `claim` is that of the assertion. What is pushed is only a reason to
 * ask the core at once, so a forged one costs a question and changes nothing.
 */
export function listenOutcomes({ address, port, hear, onFault }: OutcomesOptions): Promise<PlainListener> {
  const app = express();
  app.disable('x-powered-by').disable('etag').set('query parser', false);
  app.use(helmet());
  app.post('/outcomes', express.raw({ type: 'application/json', limit: BODY_BYTES_MAX, inflate: false }), async (request, response) => {
    const pushed = readPushed(request.body);
    if (typeof pushed === 'string') return void response.status(400).json({ error: pushed });
    const heard = await hear(pushed);
    response.status(STATUS[heard]).json({ claim: pushed.claim, state: heard });
  });
  app.use((_request, response) => void response.status(404).json({ error: 'There is only POST /outcomes here.' }));
  app.use((error: { readonly status?: number }, _request: Request, response: Response, next: NextFunction) => {
    if (response.headersSent) return next(error);
    const status = error.status !== undefined && error.status < 500 ? error.status : 503;
    response
      .status(status)
      .json({ error: status === 503 ? 'Nothing can be found out now; push it again.' : 'The request cannot be read.' });
  });
  return listenPlain(app, { address, port, onFault });
}

/** The outcome of a body, or what is wrong with it. */
function readPushed(body: unknown): PushedOutcome | string {
  if (!Buffer.isBuffer(body)) return 'Send a body of type application/json.';
  let value: unknown;
  try {
    value = parseStrictJson(body);
  } catch (error) {
    if (error instanceof JsonProblem) return `${error.reason} at byte ${error.offset}.`;
    throw error;
  }
  const { merchantNumber, claim, outcome } = (typeof value === 'object' && value !== null ? value : {}) as Readonly<
    Record<string, unknown>
  >;
  if (typeof merchantNumber !== 'string' || !/^[0-9]{15}$/.test(merchantNumber)) return 'merchantNumber: expected 15 digits.';
  if (typeof claim !== 'string' || !/^[A-Za-z0-9_-]{43}$/.test(claim))
    return 'claim: expected that of the assertion, 43 characters of base64url.';
  const known = typeof outcome === 'string' && Object.hasOwn(OUTCOMES, outcome) ? OUTCOMES[outcome] : undefined;
  return known === undefined ? 'outcome: expected SUCCEEDED or FAILED.' : { merchantNumber, claim, outcome: known };
}
