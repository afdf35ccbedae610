import type { Log } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import type { Refusal } from '../protocol/errors.ts';
import type { Sealed, Settled } from '../protocol/messages.ts';
import type { Reached } from './stages.ts';

/** Writes one structured event for each request, once, and counts it. Nothing else in the pipeline logs or counts. */
export type Event = {
  readonly answered: (reached: Reached | Settled, sealed: Sealed) => void;
  readonly refused: (reached: Reached, sealed: Sealed, refusal: Refusal) => void;
  /** Something a person must look at. */
  readonly alarm: (alarm: string, facts: Readonly<Record<string, unknown>>) => void;
};

const rounded = (times: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(times).map(([stage, ms]) => [stage, Math.round(ms * 1000) / 1000]));

/** Only what our own tables, certificates and counters produced: no path, query, body or header value of the request. */
function factsOf(reached: Reached | Settled): Record<string, unknown> {
  return {
    requestId: reached.requestId,
    channel: reached.channel,
    address: reached.address,
    certificate: reached.peer.thumbprint,
    subject: reached.peer.subject,
    method: 'operation' in reached ? reached.operation.method : undefined,
    operation: 'operation' in reached ? reached.operation.id : undefined,
    merchantNumber: 'merchant' in reached ? reached.merchant.number : undefined,
    keyid: 'signatureBase' in reached ? reached.key.keyid : undefined,
    scheme: 'signatureBase' in reached ? reached.scheme : undefined,
    access: 'access' in reached ? reached.access.rule : undefined,
    risk: 'risk' in reached ? reached.risk : undefined,
    admissionId: 'admissionId' in reached ? reached.admissionId : undefined,
    outcome: 'outcome' in reached ? reached.outcome : undefined,
    settled: 'settled' in reached ? reached.settled : undefined,
    known: 'known' in reached ? reached.known : undefined,
    shadowed: 'shadowed' in reached && reached.shadowed.length > 0 ? reached.shadowed : undefined,
    bodyBytes: reached.body.length,
  };
}

/** Verdicts of the risk service that are refusals. */
const RISK_CODES: ReadonlyMap<string, string> = new Map([
  ['RISK_REJECTED', 'reject'],
  ['RISK_STEP_UP', 'step-up'],
  ['RISK_UNAVAILABLE', 'unavailable'],
]);

const causeOf = (cause: unknown): string | undefined =>
  cause === undefined ? undefined : cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);

export function createEvent(log: Log, metrics: Metrics, nowMs: () => number): Event {
  const count = (reached: Reached | Settled, sealed: Sealed, code: string): number => {
    const operation = 'operation' in reached ? reached.operation.id : 'none';
    const durationMs = Math.max(0, nowMs() - reached.receivedAtMs);
    metrics.requests.inc({ operation, status: sealed.status, code });
    metrics.seconds.observe({ operation }, durationMs / 1000);
    const verdict = RISK_CODES.get(code) ?? ('risk' in reached ? reached.risk : undefined);
    if (verdict !== undefined) metrics.riskVerdicts.inc({ verdict });
    if ('shadowed' in reached) for (const rule of reached.shadowed) metrics.shadowed.inc({ rule });
    for (const [stage, ms] of Object.entries(reached.times)) metrics.stageSeconds.observe({ stage }, ms / 1000);
    return durationMs;
  };
  return {
    answered: (reached, sealed) => {
      const durationMs = count(reached, sealed, '');
      log.info({ ...factsOf(reached), status: sealed.status, durationMs, times: rounded(reached.times) }, 'request');
    },
    refused: (reached, sealed, refusal) => {
      const durationMs = count(reached, sealed, refusal.code);
      const { cause } = refusal.options;
      const facts = {
        ...factsOf(reached),
        status: sealed.status,
        code: refusal.code,
        rule: refusal.options.members?.rule,
        cause: causeOf(cause),
        durationMs,
        times: rounded(reached.times),
      };
      if (refusal.code === 'INTERNAL') log.error({ ...facts, stack: cause instanceof Error ? cause.stack : undefined }, 'request');
      else log.info(facts, 'request');
    },
    alarm: (alarm, facts) => {
      metrics.alarms.inc();
      log.error({ alarm, ...facts }, 'alarm');
    },
  };
}
