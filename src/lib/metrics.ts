import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** What the gateway counts. Labels are bounded: operation ids and codes come from our own tables, never from a request. */
export type Metrics = {
  readonly registry: Registry;
  readonly requests: Counter<'operation' | 'status' | 'code'>;
  readonly seconds: Histogram<'operation'>;
  readonly stageSeconds: Histogram<'stage'>;
  readonly alarms: Counter<string>;
  readonly connections: Gauge<'listener'>;
  readonly refusedConnections: Counter<'listener' | 'reason'>;
  readonly evictedConnections: Counter<'listener'>;
  readonly forgedIdentities: Counter<'listener'>;
  readonly closedConnections: Counter<string>;
  readonly reloads: Counter<'result'>;
  readonly announcementVersion: Gauge<string>;
  readonly crlNextUpdate: Gauge<'authority'>;
};

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    requests: new Counter({
      name: 'hufu_requests_total',
      help: 'Requests by operation, status and code of the refusal',
      labelNames: ['operation', 'status', 'code'],
      registers,
    }),
    seconds: new Histogram({
      name: 'hufu_request_seconds',
      help: 'From the last byte of the request to the first of the answer',
      labelNames: ['operation'],
      buckets: SECONDS,
      registers,
    }),
    stageSeconds: new Histogram({
      name: 'hufu_stage_seconds',
      help: 'Time in each stage of the pipeline',
      labelNames: ['stage'],
      buckets: SECONDS,
      registers,
    }),
    alarms: new Counter({ name: 'hufu_alarms_total', help: 'Events that a person must look at', registers }),
    connections: new Gauge({ name: 'hufu_connections', help: 'Open merchant connections', labelNames: ['listener'], registers }),
    refusedConnections: new Counter({
      name: 'hufu_refused_connections_total',
      help: 'Connections closed before HTTP',
      labelNames: ['listener', 'reason'],
      registers,
    }),
    evictedConnections: new Counter({
      name: 'hufu_evicted_connections_total',
      help: 'Connections closed to make room for others',
      labelNames: ['listener'],
      registers,
    }),
    forgedIdentities: new Counter({
      name: 'hufu_forged_identities_total',
      help: 'Requests whose headers name another client certificate than the one of the connection',
      labelNames: ['listener'],
      registers,
    }),
    closedConnections: new Counter({
      name: 'hufu_closed_connections_total',
      help: 'Connections closed because their certificate came to be refused',
      registers,
    }),
    reloads: new Counter({
      name: 'hufu_reloads_total',
      help: 'Configurations read anew: taken, or refused and the old one kept',
      labelNames: ['result'],
      registers,
    }),
    announcementVersion: new Gauge({
      name: 'hufu_announcement_version',
      help: "Version of the operators' changes that this process has applied",
      registers,
    }),
    crlNextUpdate: new Gauge({
      name: 'hufu_crl_next_update_seconds',
      help: "When the first of an authority's revocation lists is to be replaced, seconds since 1970; 0: one is missing",
      labelNames: ['authority'],
      registers,
    }),
  };
}
