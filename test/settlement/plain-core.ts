import type { Core, CoreCall, CoreReply } from '../../src/ports/core.ts';

type Execution = {
  readonly outcome: 'SUCCEEDED' | 'FAILED' | 'PROCESSING';
  readonly payment: Readonly<Record<string, unknown>>;
  readonly serial: number;
};
type Claims = { readonly merchant: string; readonly target: string; readonly exp: number; readonly key: string };

/** A core in memory that keeps its part (contract.md section 6): once per key, nothing after `exp`, everything visible. */
export type PlainCore = Core & {
  /** What the next payments become; default SUCCEEDED. */
  outcome: Execution['outcome'];
  /** What happens to the answers of payments and questions; default nothing. */
  answer: 'given' | 'lost' | 'spoilt';
  /** Whether it can be reached. */
  up: boolean;
  /** Executions that moved money, fen by derived key. */
  readonly moved: Map<string, number>;
  /** Payments that arrived, also repeated and expired ones, and questions. */
  readonly calls: { payments: number; questions: number };
  /** Ends what is PROCESSING. */
  readonly finish: (outcome: 'SUCCEEDED' | 'FAILED') => void;
};

const answered = (status: number, body: object): CoreReply => ({
  kind: 'answered',
  answer: { status, contentType: 'application/json', body: Buffer.from(JSON.stringify(body)) },
  replayed: false,
});

function claimsOf({ headers }: CoreCall): Claims {
  const token = headers[headers.indexOf('Hufu-Assertion') + 1] as string;
  return JSON.parse(Buffer.from(token.split('.')[1] as string, 'base64url').toString()) as Claims;
}

function told({ outcome, payment, serial }: Execution): { readonly httpStatus: number; readonly body: object } {
  if (outcome === 'FAILED') return { httpStatus: 422, body: { code: 'INSUFFICIENT_FUNDS', message: 'too little' } };
  return { httpStatus: outcome === 'SUCCEEDED' ? 201 : 202, body: { ...payment, status: outcome, paymentNo: `P${serial}` } };
}

export function createPlainCore(nowMs: () => number): PlainCore {
  const executions = new Map<string, Execution>();

  const pay = (call: CoreCall): CoreReply => {
    core.calls.payments += 1;
    const { key, merchant, target, exp } = claimsOf(call);
    if (nowMs() >= exp * 1000) return answered(401, { code: 'ASSERTION_EXPIRED', message: 'late' });
    const known = executions.get(key);
    const request = JSON.parse(call.body.toString()) as { amountFen: number };
    const payment = { ...request, orderNo: target.split('/')[3], merchantNumber: merchant };
    const execution = known ?? { outcome: core.outcome, payment, serial: executions.size + 1 };
    executions.set(key, execution);
    if (!known && execution.outcome === 'SUCCEEDED') core.moved.set(key, request.amountFen);
    const { httpStatus, body } = told(execution);
    return answered(httpStatus, body);
  };

  const question = (call: CoreCall): CoreReply => {
    core.calls.questions += 1;
    const execution = executions.get(decodeURIComponent(call.target.split('/').at(-1) as string));
    if (!execution) return answered(404, { code: 'EXECUTION_NOT_FOUND', message: 'nothing' });
    if (execution.outcome === 'PROCESSING') return answered(200, { status: 'PROCESSING' });
    return answered(200, { status: execution.outcome, ...told(execution), ...execution.payment });
  };

  const core: PlainCore = {
    outcome: 'SUCCEEDED',
    answer: 'given',
    up: true,
    moved: new Map(),
    calls: { payments: 0, questions: 0 },
    finish: (outcome) => {
      for (const [key, execution] of executions) {
        if (execution.outcome !== 'PROCESSING') continue;
        executions.set(key, { ...execution, outcome });
        if (outcome === 'SUCCEEDED') core.moved.set(key, execution.payment.amountFen as number);
      }
    },
    close: async () => {},
    call: async (call) => {
      if (!core.up) return { kind: 'notSent', reason: 'no connection' };
      const reply = call.method === 'GET' ? question(call) : pay(call);
      if (core.answer === 'lost') return { kind: 'noAnswer', reason: 'reset' };
      return core.answer === 'spoilt' ? answered(500, { code: 'X' }) : reply;
    },
  };
  return core;
}
