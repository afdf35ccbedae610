import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Expiry, endOf } from '../../certificates/expiry.ts';
import { CertificateProblem } from '../../certificates/problem.ts';
import { readCrl } from '../../certificates/read-crl.ts';
import type { GatewayConfig } from '../../config/schema.ts';
import { readFailure } from '../../config/yaml-file.ts';
import { keptCrlFile } from '../../identity/crl-reader.ts';
import { findWritingFile } from '../../keys/secret-keys.ts';
import { SESSION_SECONDS } from '../../listeners/ticket-keys.ts';

/** A revocation list of gateway.yaml as it lies on this machine; without the members behind `source` when there is none yet. */
export type CrlRow = {
  readonly authority: string;
  /** File or URL, as gateway.yaml names it. */
  readonly source: string;
  /** Where it lies here: the file itself, or the copy that the gateway kept of what it fetched. */
  readonly file: string;
  readonly thisUpdate?: string;
  readonly ageHours?: number;
  readonly nextUpdate?: string;
  readonly daysLeft?: number;
  readonly revoked?: number;
  readonly warning?: Expiry['warning'];
};

/** The secret that ticket keys are made of; `age` is that of its file, the keys themselves change every day. */
export type TicketRow = {
  readonly file: string;
  readonly isShared: boolean;
  readonly secretAgeDays?: number;
  /** The day (UTC) whose keys make tickets now, and how long they have done so. */
  readonly keysOf: string;
  readonly keysAgeHours: number;
  readonly sessionSeconds: number;
};

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const roundedDown = (value: number): number => Math.floor(value * 10) / 10;

/** The lists that gateway.yaml names. What cannot be read is noted. */
export function collectCrls(config: GatewayConfig, nowMs: number, note: (problem: string) => void): CrlRow[] {
  return config.authorities.flatMap(({ name: authority, crls }) =>
    crls.map((source): CrlRow => {
      const file = source.startsWith('http://') ? keptCrlFile(config.dataDirectory, source) : source;
      const row = { authority, source, file };
      try {
        const { thisUpdateMs, nextUpdateMs, revoked } = readCrl(readFileSync(file));
        const { warning, daysLeft } = endOf({ kind: 'crl', name: authority, notAfterMs: nextUpdateMs, madeAtMs: thisUpdateMs }, nowMs);
        return {
          ...row,
          thisUpdate: new Date(thisUpdateMs).toISOString(),
          ageHours: roundedDown((nowMs - thisUpdateMs) / HOUR_MS),
          nextUpdate: new Date(nextUpdateMs).toISOString(),
          daysLeft,
          revoked: revoked.size,
          ...(warning && { warning }),
        };
      } catch (error) {
        note(`${source} (revocation list of ${authority}): ${error instanceof CertificateProblem ? error.reason : readFailure(error)}`);
        return row;
      }
    }),
  );
}

/** Who may resume whose sessions, and how old what opens them is. */
export function describeTickets(secretsDirectory: string, nowMs: number): TicketRow {
  const file = findWritingFile(secretsDirectory, 'tls-tickets', nowMs) ?? join(secretsDirectory, 'tls-tickets.key');
  const found = statSync(file, { throwIfNoEntry: false });
  return {
    file,
    isShared: found !== undefined,
    ...(found && { secretAgeDays: roundedDown((nowMs - found.mtimeMs) / DAY_MS) }),
    keysOf: new Date(nowMs).toISOString().slice(0, 10),
    keysAgeHours: roundedDown((nowMs % DAY_MS) / HOUR_MS),
    sessionSeconds: SESSION_SECONDS,
  };
}
