import type { Core, CoreCall, CoreReply } from '../../src/ports/core.ts';
import type { CoreAnswer } from '../../src/protocol/messages.ts';
import type { Random } from './random.ts';
import type { Life, Scheduler } from './scheduler.ts';
import type { Witness } from './witness.ts';

export type CoreFaults = {
  readonly notSent: number;
  readonly requestLost: number;
  /** That the connection breaks while the request goes on: the process knows nothing, the core may still begin. */
  readonly reset: number;
  readonly answerLost: number;
  readonly answerSpoilt: number;
  readonly delayed: number;
  /** How often a payment is refused for business reasons; how often it takes a second step, `PROCESSING` meanwhile. */
  readonly fails: number;
  readonly takesTime: number;
  /** How long the second step takes at most, ms. */
  readonly takesMsMax: number;
  /** Whether a refused payment is kept under its key. */
  readonly recordsFailures: boolean;
  /** Whether its query holds the original answer, or only the core's account of what became of the key. */
  readonly tellsOriginal: boolean;
};

export type SimulatedCore = {
  /** The core as one process reaches it. */
  readonly connect: (life: Life) => Core;
  readonly setAway: (away: boolean) => void;
  /** What an operator reads in the core's own books. */
  readonly look: (derivedKey: string) => Execution['status'] | undefined;
  /** Told of every conclusion, to push it. */
  readonly onConcluded: (listener: (derivedKey: string, status: 'SUCCEEDED' | 'FAILED') => void) => void;
};

type Payment = { readonly amountFen: number; readonly currency: string; readonly orderNo: string; readonly merchantNumber: string };
type Execution = { status: 'PROCESSING' | 'SUCCEEDED' | 'FAILED'; readonly payment: Payment; readonly serial: number };
type Claims = { readonly merchant: string; readonly target: string; readonly exp: number; readonly key?: string; readonly jti: string };

const json = (status: number, body: object): CoreAnswer => ({
  status,
  contentType: 'application/json',
  body: Buffer.from(JSON.stringify(body)),
});

/** What an execution answers, to the request itself and inside the query. */
function answerOf({ status, payment, serial }: Execution): { readonly status: number; readonly body: object } {
  if (status === 'FAILED') return { status: 422, body: { code: 'INSUFFICIENT_FUNDS', message: 'too little' } };
  return { status: status === 'PROCESSING' ? 202 : 201, body: { ...payment, status, paymentNo: `P${serial}` } };
}

const claimsOf = ({ headers }: CoreCall): Claims => {
  const token = headers[headers.indexOf('Hufu-Assertion') + 1] as string;
  return JSON.parse(Buffer.from(token.split('.')[1] as string, 'base64url').toString()) as Claims;
};

/**
 * A core that keeps its part (contract.md section 6): once per derived key, nothing begun after `exp` by its own clock, and
 * from its beginning on an execution is visible. It does not know orders: that each runs once is the gateway's doing.
 */
export function createSimulatedCore(
  scheduler: Scheduler,
  random: Random,
  faults: CoreFaults,
  skewMs: number,
  witness: Witness,
): SimulatedCore {
  const executions = new Map<string, Execution>();
  let serial = 0;
  let away = false;
  let tell: (derivedKey: string, status: 'SUCCEEDED' | 'FAILED') => void = () => {};

  const conclude = (claims: Claims, execution: Execution) => {
    execution.status = random.chance(faults.fails) ? 'FAILED' : 'SUCCEEDED';
    witness.executed(claims.key as string, claims.jti, execution.status === 'SUCCEEDED');
    tell(claims.key as string, execution.status);
    if (execution.status === 'FAILED' && !faults.recordsFailures) executions.delete(claims.key as string);
  };

  const begin = (claims: Claims, call: CoreCall): CoreAnswer => {
    const payment = JSON.parse(call.body.toString()) as Payment;
    const orderNo = /^\/v1\/orders\/([^/]+)\//.exec(claims.target)?.[1] as string;
    serial += 1;
    const { amountFen, currency } = payment;
    const execution: Execution = {
      status: 'PROCESSING',
      payment: { amountFen, currency, orderNo, merchantNumber: claims.merchant },
      serial,
    };
    executions.set(claims.key as string, execution);
    witness.begun(claims.key as string, claims.jti);
    if (random.chance(faults.takesTime))
      scheduler.later(`core: finishes ${witness.nameOf(claims.key)}`, () => conclude(claims, execution), {
        delayMs: random.between(0, faults.takesMsMax),
      });
    else conclude(claims, execution);
    return plain(answerOf(execution));
  };

  const pay = (call: CoreCall): { readonly answer: CoreAnswer; readonly replayed?: true } => {
    const claims = claimsOf(call);
    witness.arrived(claims.jti);
    if (scheduler.nowMs() + skewMs >= claims.exp * 1000) return { answer: json(401, { code: 'ASSERTION_EXPIRED', message: 'late' }) };
    const execution = executions.get(claims.key as string);
    if (!execution) return { answer: begin(claims, call) };
    const { amountFen } = JSON.parse(call.body.toString()) as Payment;
    if (amountFen !== execution.payment.amountFen)
      return { answer: json(422, { code: 'IDEMPOTENCY_KEY_REUSED', message: 'another body' }) };
    witness.repeated();
    return { answer: plain(answerOf(execution)), replayed: true };
  };

  const query = (call: CoreCall): CoreAnswer => {
    const execution = executions.get(decodeURIComponent(call.target.split('/').at(-1) as string));
    if (!execution) return json(404, { code: 'EXECUTION_NOT_FOUND', message: 'nothing' });
    const { status, body } = answerOf(execution);
    if (execution.status === 'PROCESSING') return json(200, { status: 'PROCESSING' });
    if (faults.tellsOriginal) return json(200, { status: execution.status, httpStatus: status, body, ...execution.payment });
    return json(200, { ...execution.payment, status: execution.status, paymentNo: `P${execution.serial}` });
  };

  const connect = (life: Life): Core => ({
    close: async () => {},
    call: (call) =>
      new Promise((resolve) => {
        const isQuery = call.method === 'GET';
        const claims = claimsOf(call);
        const name = isQuery
          ? `question about ${witness.nameOf(call.target.split('/').at(-1))}`
          : `payment ${witness.requestName(claims.jti)}`;
        if (away || random.chance(faults.notSent)) {
          scheduler.later(`${life.name}: ${name} is not sent`, () => resolve({ kind: 'notSent', reason: 'no connection' }), { life });
          return;
        }
        const answer = (reply: CoreReply) => {
          cancel();
          resolve(reply);
        };
        const giveUp = () => answer({ kind: 'noAnswer', reason: 'time-out' });
        const cancel = scheduler.later(`${life.name}: gives up waiting for ${name}`, giveUp, { life, delayMs: call.timeoutMs });
        if (!isQuery) witness.sent(claims.key as string, claims.jti, claims.exp * 1000 - skewMs);
        if (random.chance(faults.reset)) {
          const broken = () => answer({ kind: 'noAnswer', reason: 'reset' });
          scheduler.later(`${life.name}: the connection breaks under ${name}`, broken, { life, delayMs: random.between(0, 500) });
        }
        if (random.chance(faults.requestLost)) {
          scheduler.later(`network: ${name} is lost`, () => isQuery || witness.arrived(claims.jti));
          return;
        }
        const arrive = () => {
          const { answer: back, replayed = false } = isQuery ? { answer: query(call) } : pay(call);
          if (random.chance(faults.answerLost)) {
            scheduler.later(`network: the answer to ${name} is lost`, () => answer({ kind: 'noAnswer', reason: 'reset' }), { life });
            return;
          }
          const spoilt = random.chance(faults.answerSpoilt)
            ? random.pick([json(500, { code: 'X' }), { ...json(201, {}), body: Buffer.from('{') }])
            : back;
          const reply = { kind: 'answered', answer: spoilt, replayed } as const;
          scheduler.later(`${life.name}: hears ${spoilt.status} to ${name}`, () => answer(reply), { life });
        };
        const delayMs = random.chance(faults.delayed) ? random.between(100, 6_000) : 0;
        scheduler.later(`core: gets ${name}`, arrive, { delayMs });
      }),
  });

  return {
    connect,
    setAway: (next) => {
      away = next;
    },
    look: (derivedKey) => executions.get(derivedKey)?.status,
    onConcluded: (listener) => {
      tell = listener;
    },
  };
}

const plain = ({ status, body }: { readonly status: number; readonly body: object }): CoreAnswer => json(status, body);
