import { type OcspAnswer, readOcspAnswer } from '../certificates/check-ocsp.ts';
import { createOcspRequest, issuerIdOf } from '../certificates/ocsp-request.ts';
import { CertificateProblem } from '../certificates/problem.ts';
import { keyidOf } from '../protocol/keyid.ts';
import type { Peer } from '../protocol/messages.ts';
import type { ListenerAuthority } from './authorities.ts';
import type { OcspClient } from './ocsp-client.ts';
import { createRecent } from './recent.ts';

/** `authorities[].ocsp` of gateway.yaml. */
export type OcspRow = {
  /** What happens without an answer that counts: `strict` refuses, `soft` lets pass and raises an alarm. */
  readonly mode: 'strict' | 'soft' | 'off';
  /** Asked instead of what certificates name. */
  readonly url?: string | undefined;
  /** HOST or HOST:PORT: responders that certificates may name. */
  readonly hosts: readonly string[];
};

export type OcspSettings = {
  readonly authorities: readonly { readonly name: string; readonly ocsp?: OcspRow | undefined }[];
  readonly revocation: { readonly ocspTimeoutMs: number; readonly ocspSecondsMax: number };
};

/** `failed`: no answer that counts. */
export type OcspResult = OcspAnswer['status'] | 'failed';

export type OcspOptions = {
  /** As they stand now. */
  readonly authorities: () => readonly ListenerAuthority[];
  readonly ask: OcspClient['ask'];
  /** What is known of a responder's own certificate from elsewhere. */
  readonly isRevoked: (authority: string, serialNumber: string) => boolean;
  readonly nowMs: () => number;
  readonly onAlarm: (line: string) => void;
  readonly onAnswer: (authority: string, result: OcspResult) => void;
};

type Subject = Pick<Peer, 'authority' | 'issuerKeyid' | 'serialNumber' | 'responders' | 'refusal'>;

export type Ocsp = {
  /** From what is known now. `unknown`: the responder says so, or nothing is known where the authority's mode is strict. */
  readonly judge: (peer: Subject, nowMs: number) => 'good' | 'revoked' | 'unknown';
  /** Asks when nothing current is known. Undefined: there is nothing to wait for. Never rejects. */
  readonly ready: (peer: Subject) => Promise<void> | undefined;
  /** Asks anew, in the background, shortly before what is known ends: for connections that stay open. */
  readonly refresh: (peer: Subject) => void;
  /** Takes up the settings; what is known stays. */
  readonly follow: (settings: OcspSettings) => void;
};

type Entry = { readonly answer?: OcspAnswer; readonly refreshAtMs: number; readonly dueAtMs: number };

/** How many certificates are remembered. */
const KNOWN_MAX = 65_536;
/** After a failure the next question comes that much later, so that a responder that is away costs nobody 2 s a request. */
const RETRY_MS = 5_000;
/** The last part of an answer's life in which the next is fetched, and the most of it. */
const AHEAD_PART = 0.1;
const AHEAD_MS_MAX = 60_000;
const BACKGROUND_MAX = 32;
const TELL_AGAIN_MS = 600_000;
const TOLD_MAX = 256;

/**
 * What responders say about the certificates of their authorities (RFC 6960), each answer kept until it ends or `ocspSecondsMax`
 * is over. What was revoked stays so until a later answer says otherwise, whatever the mode.
 */
export function createOcsp(options: OcspOptions): Ocsp {
  const known = createRecent<Entry>(KNOWN_MAX);
  const asking = new Map<string, Promise<void>>();
  const alarm = createAlarms(options);
  let rows = new Map<string, OcspRow>();
  let bounds: OcspSettings['revocation'] = { ocspTimeoutMs: 0, ocspSecondsMax: 0 };

  const askOnce = async (peer: Subject, row: OcspRow, key: string): Promise<void> => {
    const { authority: name } = peer;
    const held = known.find(key);
    try {
      const issuer = options.authorities().find(isIssuerOf(peer));
      if (!issuer) throw new Error('its authority is not known any more');
      const answer = await question(options, issuer, peer, { url: findUrl(row, peer), timeoutMs: bounds.ocspTimeoutMs });
      if (held?.answer?.status === 'revoked' && answer.thisUpdateMs <= held.answer.thisUpdateMs && answer.status !== 'revoked')
        throw new Error('the answer is older than the one that says revoked');
      known.keep(key, entryOf(answer, options.nowMs(), bounds.ocspSecondsMax));
      options.onAnswer(name, answer.status);
    } catch (error) {
      const dueAtMs = options.nowMs() + RETRY_MS;
      known.keep(key, { ...held, refreshAtMs: dueAtMs, dueAtMs: Math.max(dueAtMs, held?.dueAtMs ?? 0) });
      alarm(`OCSP of authority ${name} (${row.mode}): ${reasonOf(error)}`);
      options.onAnswer(name, 'failed');
    }
  };
  const ask = (peer: Subject, row: OcspRow, key: string): Promise<void> => {
    const running = asking.get(key) ?? askOnce(peer, row, key).finally(() => asking.delete(key));
    asking.set(key, running);
    return running;
  };
  const rowOf = ({ authority, refusal }: Subject): OcspRow | undefined => (refusal ? undefined : rows.get(authority));
  return {
    judge: (peer, nowMs) => {
      const row = rows.get(peer.authority);
      if (!row) return 'good';
      const answer = known.find(keyOf(peer))?.answer;
      if (answer && (answer.status === 'revoked' || nowMs <= answer.endMs)) return answer.status;
      return row.mode === 'soft' ? 'good' : 'unknown';
    },
    ready: (peer) => {
      const row = rowOf(peer);
      if (!row) return undefined;
      const key = keyOf(peer);
      return options.nowMs() <= (known.find(key)?.dueAtMs ?? -1) ? undefined : ask(peer, row, key);
    },
    refresh: (peer) => {
      const row = rowOf(peer);
      if (!row || asking.size >= BACKGROUND_MAX) return;
      const key = keyOf(peer);
      if (options.nowMs() > (known.find(key)?.refreshAtMs ?? -1)) void ask(peer, row, key);
    },
    follow: ({ authorities, revocation }) => {
      bounds = revocation;
      rows = new Map(authorities.flatMap(({ name, ocsp }) => (ocsp && ocsp.mode !== 'off' ? [[name, ocsp] as const] : [])));
    },
  };
}

const isIssuerOf =
  ({ authority, issuerKeyid }: Subject) =>
  ({ name, facts }: ListenerAuthority): boolean =>
    name === authority && keyidOf(facts.publicKey) === issuerKeyid;
const keyOf = ({ authority, issuerKeyid, serialNumber }: Subject): string => `${authority} ${issuerKeyid} ${serialNumber}`;
const reasonOf = (error: unknown): string => (error instanceof CertificateProblem ? error.reason : (error as Error).message);

function entryOf(answer: OcspAnswer, nowMs: number, secondsMax: number): Entry {
  const endMs = Math.min(answer.endMs, nowMs + secondsMax * 1000);
  const aheadMs = Math.min((endMs - nowMs) * AHEAD_PART, AHEAD_MS_MAX);
  return { answer: { ...answer, endMs }, refreshAtMs: endMs - aheadMs, dueAtMs: endMs };
}

/** Where to ask. A certificate names whatever its authority wrote, so only hosts of the list are asked: this machine reaches more than its clients do. */
function findUrl({ url, hosts }: OcspRow, { responders }: Subject): URL {
  if (url !== undefined) return new URL(url);
  const named = responders.filter((responder) => URL.canParse(responder)).map((responder) => new URL(responder));
  const allowed = named.find(
    ({ protocol, username, password, host }) => protocol === 'http:' && username === '' && password === '' && hosts.includes(host),
  );
  if (!allowed) throw new Error('the certificate names no responder that is listed in `hosts`');
  return allowed;
}

async function question(
  { ask, isRevoked, nowMs }: OcspOptions,
  { name, certificate }: ListenerAuthority,
  { serialNumber }: Subject,
  { url, timeoutMs }: { readonly url: URL; readonly timeoutMs: number },
): Promise<OcspAnswer> {
  const id = { ...issuerIdOf(certificate.raw), serialNumber };
  const bytes = await ask(url, createOcspRequest(id), timeoutMs);
  return readOcspAnswer(bytes, { id, issuer: certificate, nowMs: nowMs(), isRevoked: (serial) => isRevoked(name, serial) });
}

/** Each is told once in ten minutes: some certificates of an authority may fail while others succeed. */
function createAlarms({ nowMs, onAlarm }: Pick<OcspOptions, 'nowMs' | 'onAlarm'>): (line: string) => void {
  const told = createRecent<number>(TOLD_MAX);
  return (line) => {
    const atMs = nowMs();
    if (atMs - (told.find(line) ?? Number.NEGATIVE_INFINITY) < TELL_AGAIN_MS) return;
    told.keep(line, atMs);
    onAlarm(line);
  };
}
