import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** What the gateway counts. Labels are bounded: operation ids and codes come from our own tables, never from a request. */
export type Metrics = {
  readonly registry: Registry;
  readonly requests: Counter<'operation' | 'status' | 'code'>;
  readonly seconds: Histogram<'operation'>;
  readonly stageSeconds: Histogram<'stage'>;
  readonly shadowed: Counter<'rule'>;
  readonly riskVerdicts: Counter<'verdict'>;
  readonly alarms: Counter<string>;
  readonly connections: Gauge<'listener'>;
  readonly refusedConnections: Counter<'listener' | 'reason'>;
  readonly evictedConnections: Counter<'listener'>;
  readonly forgedIdentities: Counter<'listener'>;
  readonly closedConnections: Counter<string>;
  readonly reloads: Counter<'result'>;
  readonly announcementVersion: Gauge<string>;
  readonly crlNextUpdate: Gauge<'authority'>;
  readonly ocspAnswers: Counter<'authority' | 'result'>;
  readonly expirySeconds: Gauge<'kind' | 'name'>;
  readonly expiring: Gauge<'kind' | 'within'>;
};

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const of = <const L extends string = never>(name: string, help: string, labelNames: L[] = []) => ({
    name: `hufu_${name}`,
    help,
    labelNames,
    registers: [registry],
  });
  const timed = <const L extends string>(name: string, help: string, labelNames: L[]) =>
    new Histogram({ ...of(name, help, labelNames), buckets: SECONDS });
  return {
    registry,
    requests: new Counter(of('requests_total', 'Requests by operation, status and code of the refusal', ['operation', 'status', 'code'])),
    seconds: timed('request_seconds', 'From the last byte of the request to the first of the answer', ['operation']),
    stageSeconds: timed('stage_seconds', 'Time in each stage of the pipeline', ['stage']),
    shadowed: new Counter(of('shadow_refusals_total', 'Requests that a limit on trial (shadow) would have refused, by rule', ['rule'])),
    riskVerdicts: new Counter(
      of('risk_verdicts_total', 'What the risk service said of requests: pass, reject, step-up; unavailable or let-through: no verdict', [
        'verdict',
      ]),
    ),
    alarms: new Counter(of('alarms_total', 'Events that a person must look at')),
    connections: new Gauge(of('connections', 'Open merchant connections', ['listener'])),
    refusedConnections: new Counter(of('refused_connections_total', 'Connections closed before HTTP', ['listener', 'reason'])),
    evictedConnections: new Counter(of('evicted_connections_total', 'Connections closed to make room for others', ['listener'])),
    forgedIdentities: new Counter(
      of('forged_identities_total', 'Requests whose headers name another client certificate than the one of the connection', ['listener']),
    ),
    closedConnections: new Counter(of('closed_connections_total', 'Connections closed because their certificate came to be refused')),
    reloads: new Counter(of('reloads_total', 'Configurations read anew: taken, or refused and the old one kept', ['result'])),
    announcementVersion: new Gauge(of('announcement_version', "Version of the operators' changes that this process has applied")),
    crlNextUpdate: new Gauge(
      of(
        'crl_next_update_seconds',
        "When the first of an authority's revocation lists is to be replaced, seconds since 1970; 0: one is missing",
        ['authority'],
      ),
    ),
    ocspAnswers: new Counter(
      of('ocsp_answers_total', 'What responders said about client certificates: good, revoked, unknown; failed: no answer that counts', [
        'authority',
        'result',
      ]),
    ),
    expirySeconds: new Gauge(
      of('expiry_seconds', 'Until a certificate, key or revocation list ends; negative: it has. Of merchants the first one only', [
        'kind',
        'name',
      ]),
    ),
    expiring: new Gauge(
      of('expiring', 'How many end within 60, 30 or 7 days, or have ended; each counts once, where it is most urgent', ['kind', 'within']),
    ),
  };
}
