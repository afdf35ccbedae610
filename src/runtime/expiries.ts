import { type End, endOf } from '../certificates/expiry.ts';
import { loadCertificateFile } from '../certificates/files.ts';
import { readPem } from '../certificates/pem.ts';
import { readCertificate } from '../certificates/read.ts';
import { type NamedCertificate, namedCertificates } from '../config/check-files.ts';
import type { GatewayConfig } from '../config/schema.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';

export type ExpiriesOptions = {
  /** Everything whose end is known now. */
  readonly ends: () => readonly End[];
  readonly metrics: Pick<Metrics, 'expirySeconds' | 'expiring'>;
  readonly log: Pick<Log, 'warn'>;
  readonly nowMs: () => number;
};

const DAY_MS = 86_400_000;
/** Lines a day; with more merchants than that the rest is a number. */
const LINES_MAX = 200;
const WITHIN = ['60 days', '30 days', '7 days', 'expired'] as const;
const IS_MERCHANTS: Readonly<Record<End['kind'], boolean>> = {
  server: false,
  authority: false,
  answer_key: false,
  encryption_key: false,
  crl: false,
  merchant_certificate: true,
  merchant_key: true,
};
const KINDS = Object.keys(IS_MERCHANTS) as End['kind'][];

/**
 * Tells 60, 30 and 7 days before that something ends: by gauges, and by one line a day for each thing and bound. Returns the look,
 * to be taken now and then. Merchants have no gauge each, or their number would be that of the time series.
 */
export function watchExpiries({ ends, metrics, log, nowMs }: ExpiriesOptions): () => void {
  let day = Number.NaN;
  let told = new Set<string>();
  let untold = 0;
  const tell = (end: End, warning: string, notAfter: string): void => {
    const line = JSON.stringify([end.kind, end.name, warning]);
    if (told.has(line)) return;
    told.add(line);
    if (told.size <= LINES_MAX) log.warn({ kind: end.kind, name: end.name, notAfter, within: warning }, 'expiry');
    else untold += 1;
  };
  return () => {
    const now = nowMs();
    if (Math.floor(now / DAY_MS) !== day) {
      day = Math.floor(now / DAY_MS);
      told = new Set();
    }
    untold = 0;
    const all = ends();
    for (const kind of KINDS) for (const within of WITHIN) metrics.expiring.set({ kind, within }, 0);
    for (const end of all) {
      const { warning, notAfter } = endOf(end, now);
      if (warning === undefined) continue;
      metrics.expiring.inc({ kind: end.kind, within: warning });
      tell(end, warning, notAfter);
    }
    if (untold > 0) log.warn({ more: untold }, 'expiry');
    setSeconds(metrics, all, now);
  };
}

function setSeconds({ expirySeconds }: ExpiriesOptions['metrics'], all: readonly End[], nowMs: number): void {
  expirySeconds.reset();
  const first = new Map<string, readonly [End['kind'], string, number]>();
  for (const { kind, name, notAfterMs } of all) {
    const label = IS_MERCHANTS[kind] ? 'first' : name;
    const known = first.get(`${kind} ${label}`);
    if (!known || notAfterMs < known[2]) first.set(`${kind} ${label}`, [kind, label, notAfterMs]);
  }
  for (const [kind, name, notAfterMs] of first.values()) expirySeconds.set({ kind, name }, Math.round((notAfterMs - nowMs) / 1000));
}

const KIND_OF_ROW: Readonly<Record<string, End['kind']>> = {
  listeners: 'server',
  authorities: 'authority',
  answers: 'answer_key',
  encryption: 'encryption_key',
};

/** The certificates that gateway.yaml names; a path ends with its shortest-lived part. Throws a UserError for a file that cannot be read. */
export const configuredEnds = (config: GatewayConfig): End[] =>
  namedCertificates(config).map(({ path, certificate }: NamedCertificate) => ({
    kind: KIND_OF_ROW[String(path[0])] as End['kind'],
    name: path.join('.'),
    notAfterMs: Math.min(...readPem(loadCertificateFile(certificate).pem, certificate).map((der) => readCertificate(der).notAfterMs)),
  }));
