import { readFileSync } from 'node:fs';
import { createHttpPool, type HttpResult } from '../lib/http.ts';
import { JsonProblem, parseStrictJson } from '../lib/json.ts';
import { allHeaders, HEADER } from '../protocol/headers.ts';

/** What the risk service is told of a request. Nothing of class C2 or C3 is in it: payer and device are keyed hashes. */
export type RiskQuestion = {
  readonly requestId: string;
  readonly merchantNumber: string;
  readonly merchantKind: string;
  readonly operation: string;
  readonly level: 'A1' | 'A2';
  readonly access: 'read' | 'write';
  readonly channel: string;
  /** Address of the peer. */
  readonly address: string;
  /** The rule of the access policy that let it in. */
  readonly rule: string;
  /** Whether a pass counts only when somebody has confirmed this request. */
  readonly confirmation: boolean;
  readonly amountFen?: number;
  readonly currency?: string;
  readonly payer?: string;
  readonly device?: string;
};

/** `unavailable`: no verdict that counts came in time. */
export type RiskVerdict =
  | { readonly verdict: 'pass'; readonly confirmed: boolean }
  | { readonly verdict: 'reject' | 'step-up'; readonly reference?: string }
  | { readonly verdict: 'unavailable'; readonly reason: string };

export type RiskOptions = {
  readonly url: string;
  /** PEM file of the authority of its certificate. */
  readonly authority?: string | undefined;
  readonly timeoutMs: number;
  readonly connections: number;
};

export type Risk = {
  /** Asks once, follows nothing, never rejects. */
  readonly ask: (question: RiskQuestion) => Promise<RiskVerdict>;
  readonly close: () => Promise<void>;
};

const HEADER_BYTES_MAX = 8_192;
const ANSWER_BYTES_MAX = 4_096;
/** Most questions that wait for a connection; more are unavailable at once. */
const WAITING_MAX = 1_000;
const REFERENCE = /^[A-Za-z0-9._:-]{1,64}$/;
const JSON_TYPE = /^application\/json(?:[ \t]*;[ \t]*charset="?utf-8"?)?$/i;

/** The risk service behind HTTP/1.1 with connections that are kept. */
export function createRisk({ url: written, authority, timeoutMs, connections }: RiskOptions): Risk {
  const url = new URL(written);
  const pool = createHttpPool({
    url,
    connections,
    connectTimeoutMs: timeoutMs,
    headerBytesMax: HEADER_BYTES_MAX,
    answerBytesMax: ANSWER_BYTES_MAX,
    waitingMax: WAITING_MAX,
    ...(authority !== undefined && { tls: { ca: readFileSync(authority) } }),
  });
  const headers = [HEADER.contentType, 'application/json', 'accept', 'application/json'];
  const ask: Risk['ask'] = async (question) => {
    const body = Buffer.from(JSON.stringify(question));
    return readVerdict(await pool.send({ method: 'POST', path: url.pathname, headers, body, timeoutMs }));
  };
  return { ask, close: pool.close };
}

const unavailable = (reason: string): RiskVerdict => ({ verdict: 'unavailable', reason });

/** Only 200 with one JSON object of known members is a verdict; whatever else came is none. Nothing of the answer is repeated. */
export function readVerdict(result: HttpResult): RiskVerdict {
  if (result.kind !== 'answered') return unavailable(result.reason);
  if (result.status !== 200) return unavailable(`status ${result.status}`);
  const types = allHeaders(result.rawHeaders, HEADER.contentType);
  if (types.length !== 1 || !JSON_TYPE.test(types[0] as string)) return unavailable('the answer is not application/json');
  if (result.body.length > ANSWER_BYTES_MAX) return unavailable('the answer is too large');
  try {
    return verdictOf(parseStrictJson(result.body));
  } catch (error) {
    if (error instanceof JsonProblem) return unavailable('the answer is not strict JSON');
    throw error;
  }
}

function verdictOf(value: unknown): RiskVerdict {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return unavailable('the answer is no object');
  const { verdict, confirmed = false, reference, ...others } = value as Record<string, unknown>;
  if (Object.keys(others).length > 0) return unavailable('the answer has unknown members');
  if (typeof confirmed !== 'boolean') return unavailable('confirmed is neither true nor false');
  if (reference !== undefined && (typeof reference !== 'string' || !REFERENCE.test(reference)))
    return unavailable('reference has no good form');
  if (verdict === 'pass') return { verdict, confirmed };
  if (verdict === 'reject' || verdict === 'step-up') return { verdict, ...(reference !== undefined && { reference: reference as string }) };
  return unavailable('verdict is none of pass, reject, step-up');
}
