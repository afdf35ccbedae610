import { X509Certificate } from 'node:crypto';
import { readOcspAnswer } from '../certificates/check-ocsp.ts';
import { createOcspRequest, issuerIdOf } from '../certificates/ocsp-request.ts';
import { readPem } from '../certificates/pem.ts';
import { CertificateProblem } from '../certificates/problem.ts';
import { readCertificate } from '../certificates/read.ts';
import { sha256 } from '../lib/bytes.ts';
import type { OcspClient } from './ocsp-client.ts';

export type StaplesOptions = {
  readonly ask: OcspClient['ask'];
  readonly nowMs: () => number;
  readonly onAlarm: (line: string) => void;
};

/** What responders say about our own server certificates, to be shown in handshakes (RFC 6066 section 8, RFC 8446 section 4.4.2.1). */
export type Staples = {
  /** The answer for a certificate, DER; undefined when there is none that counts. Asks nobody, so that no handshake waits. */
  readonly find: (certificate: Uint8Array) => Buffer | undefined;
  /** Takes up the chains (PEM) that a door shows now, and begins to ask for those that are new. */
  readonly follow: (door: string, chains: readonly string[]) => void;
  /** Asks for what is due. Never rejects. */
  readonly look: () => Promise<void>;
};

type Staple = {
  readonly subject: string;
  readonly url: URL;
  readonly serialNumber: string;
  readonly issuer: X509Certificate;
  bytes?: Buffer;
  endMs: number;
  dueAtMs: number;
  asking: boolean;
  told: string;
};

const TIMEOUT_MS = 2_000;
const RETRY_MS = 60_000;
/** The next answer is fetched when half of the time of the last one is over, at the latest after an hour. */
const REFRESH_MS_MAX = 3_600_000;

/** Keeps answers for the certificates that name a responder (authorityInfoAccess). Only good ones are shown. */
export function createStaples(options: StaplesOptions): Staples {
  const doors = new Map<string, ReadonlyMap<string, Staple>>();
  const all = (): Staple[] => [...doors.values()].flatMap((staples) => [...staples.values()]);
  const known = (mark: string): Staple | undefined => [...doors.values()].find((staples) => staples.has(mark))?.get(mark);
  const look = async (): Promise<void> => {
    const due = all().filter(({ asking, dueAtMs }) => !asking && dueAtMs <= options.nowMs());
    await Promise.all([...new Set(due)].map((staple) => askFor(options, staple)));
  };
  return {
    find: (certificate) => {
      const staple = known(markOf(certificate));
      return staple && options.nowMs() <= staple.endMs ? staple.bytes : undefined;
    },
    follow: (door, chains) => {
      const staples = chains.flatMap((pem) => {
        const [leaf, issuer] = readPem(pem, 'a server certificate');
        const mark = markOf(leaf);
        const staple = known(mark) ?? readStaple(leaf, issuer, options.onAlarm);
        return staple ? [[mark, staple] as const] : [];
      });
      doors.set(door, new Map(staples));
      void look();
    },
    look,
  };
}

const markOf = (certificate: Uint8Array): string => sha256(certificate).toString('base64url');

/** Undefined for a certificate that names no responder we can ask. */
function readStaple(leaf: Uint8Array, issuer: Uint8Array | undefined, onAlarm: (line: string) => void): Staple | undefined {
  const { responders, serialNumber } = readCertificate(leaf);
  const named = responders.find((responder) => URL.canParse(responder) && responder.startsWith('http://'));
  if (named === undefined) return undefined;
  const subject = `the server certificate ${serialNumber}`;
  if (issuer === undefined) {
    onAlarm(`${subject} names a responder, but its file lacks the certificate of its issuer: nothing is stapled`);
    return undefined;
  }
  const times = { endMs: Number.NEGATIVE_INFINITY, dueAtMs: Number.NEGATIVE_INFINITY };
  return { subject, url: new URL(named), serialNumber, issuer: new X509Certificate(issuer), ...times, asking: false, told: '' };
}

async function askFor({ ask, nowMs, onAlarm }: StaplesOptions, staple: Staple): Promise<void> {
  const { url, issuer, serialNumber, subject } = staple;
  staple.asking = true;
  try {
    const id = { ...issuerIdOf(issuer.raw), serialNumber };
    const bytes = await ask(url, createOcspRequest(id), TIMEOUT_MS);
    const { status, endMs } = readOcspAnswer(bytes, { id, issuer, nowMs: nowMs(), isRevoked: () => false });
    if (status !== 'good') throw new Error(`its responder says that it is ${status}`);
    staple.bytes = bytes;
    staple.endMs = endMs;
    staple.dueAtMs = nowMs() + Math.min((endMs - nowMs()) / 2, REFRESH_MS_MAX);
    staple.told = '';
  } catch (error) {
    staple.dueAtMs = nowMs() + RETRY_MS;
    const line = `nothing new is stapled for ${subject}: ${error instanceof CertificateProblem ? error.reason : (error as Error).message}`;
    if (staple.told !== line) onAlarm(line);
    staple.told = line;
  } finally {
    staple.asking = false;
  }
}
