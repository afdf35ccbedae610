import type { End } from '../certificates/expiry.ts';
import { CertificateProblem } from '../certificates/problem.ts';
import { type CrlFacts, readCrl } from '../certificates/read-crl.ts';
import { sameName } from '../protocol/distinguished-name.ts';
import type { ListenerAuthority } from './authorities.ts';
import type { CrlReader } from './crl-reader.ts';

/** As in gateway.yaml. */
export type CrlSettings = {
  readonly authorities: readonly { readonly name: string; readonly crls: readonly string[] }[];
  readonly revocation: { readonly refreshSeconds: number; readonly graceHours: number };
};

export type CrlOptions = {
  /** Whoever may sign a list: those whose certificates are accepted. */
  readonly authorities: () => readonly ListenerAuthority[];
  readonly reader: CrlReader;
  readonly nowMs: () => number;
  readonly onAlarm: (line: string) => void;
  /** A list is used from now on: the authority's name and the earliest end of its lists. */
  readonly onTaken: (authority: string, nextUpdateMs: number) => void;
};

export type Crls = {
  /** `unknown`: a list is named for the authority, and there is none or it is too old to count. A lookup costs the same for any length. */
  readonly judge: (authority: string, serialNumber: string, nowMs: number) => 'good' | 'revoked' | 'unknown';
  /** Takes up the lists that the configuration names, and forgets others. */
  readonly follow: (settings: CrlSettings) => void;
  /** Reads files that changed and fetches what is due, or everything. Resolves when all is read; never rejects. */
  readonly look: (everything?: boolean) => Promise<void>;
  /** The first end of the lists of each authority that are in use. */
  readonly ends: () => readonly End[];
};

type Source = {
  readonly authority: string;
  readonly source: string;
  facts?: CrlFacts;
  /** What the reader says to know a file again that did not change. */
  stamp?: string;
  dueAtMs: number;
  failed: boolean;
  reading?: Promise<void>;
  /** The last alarm, so that each is told once. */
  told?: string;
};

/** What the configuration names now. */
type Lists = {
  readonly sources: readonly Source[];
  readonly byAuthority: ReadonlyMap<string, readonly Source[]>;
  readonly refreshMs: number;
  readonly graceMs: number;
};

const HOUR_MS = 3_600_000;
/** A list from further ahead was made by a clock that cannot be trusted. */
const AHEAD_MS_MAX = 300_000;
/** After a failure the next try comes at least so soon. */
const RETRY_MS_MAX = 10_000;

/**
 * The revocation lists of the authorities. The last good list of each source stays in use whatever comes after it; past its
 * nextUpdate it counts for a grace time, with an alarm, and then nobody of that authority is accepted (contract.md section 2).
 */
export function createCrls(options: CrlOptions): Crls {
  let lists: Lists = { sources: [], byAuthority: new Map(), refreshMs: 0, graceMs: 0 };
  return {
    judge: (authority, serialNumber, nowMs) => {
      const sources = lists.byAuthority.get(authority);
      if (!sources) return 'good';
      if (sources.some(({ facts }) => facts?.revoked.has(serialNumber))) return 'revoked';
      return sources.every(({ facts }) => facts && nowMs <= facts.nextUpdateMs + lists.graceMs) ? 'good' : 'unknown';
    },
    follow: (settings) => {
      lists = listsOf(settings, lists.sources);
    },
    look: async (everything = false) => {
      const now = lists;
      const { reader, nowMs } = options;
      const due = now.sources.filter(({ source, dueAtMs }) => everything || reader.isCheap(source) || dueAtMs <= nowMs());
      await Promise.all(due.map((source) => lookAt(options, now, source, everything)));
      for (const source of now.sources) tellAge(options, now, source);
    },
    ends: () =>
      [...lists.byAuthority].flatMap(([name, sources]) => {
        const [first] = sources.flatMap(({ facts }) => facts ?? []).sort((a, b) => a.nextUpdateMs - b.nextUpdateMs);
        return first ? [{ kind: 'crl', name, notAfterMs: first.nextUpdateMs, madeAtMs: first.thisUpdateMs } as const] : [];
      }),
  };
}

/** Sources that were known before keep what they hold. */
function listsOf({ authorities, revocation }: CrlSettings, known: readonly Source[]): Lists {
  const sources = authorities.flatMap(({ name, crls }) =>
    crls.map((source): Source => {
      const held = known.find((other) => other.authority === name && other.source === source);
      return held ?? { authority: name, source, dueAtMs: 0, failed: false };
    }),
  );
  return {
    sources,
    byAuthority: Map.groupBy(sources, ({ authority }) => authority),
    refreshMs: revocation.refreshSeconds * 1000,
    graceMs: revocation.graceHours * HOUR_MS,
  };
}

async function lookAt(options: CrlOptions, lists: Lists, source: Source, everything: boolean): Promise<void> {
  if (!source.facts && source.dueAtMs === 0) await recall(options, lists, source);
  source.reading ??= readOne(options, lists, source, everything).finally(() => {
    delete source.reading;
  });
  await source.reading;
}

/** The list of an earlier run, where one was kept: a source that is away at the start must not shut its authority out. */
async function recall(options: CrlOptions, lists: Lists, source: Source): Promise<void> {
  try {
    const bytes = await options.reader.recall(source.source);
    if (bytes) take(options, lists, source, bytes);
  } catch (error) {
    if (!(error instanceof CertificateProblem)) throw error;
  }
}

async function readOne(options: CrlOptions, lists: Lists, source: Source, everything: boolean): Promise<void> {
  const { nowMs, reader } = options;
  try {
    const again = everything || (source.failed && source.dueAtMs <= nowMs());
    const read = await reader.read(source.source, again ? undefined : source.stamp);
    if (!read) return;
    source.dueAtMs = nowMs() + lists.refreshMs;
    source.stamp = read.stamp;
    take(options, lists, source, read.bytes);
    if (!read.isKept) await reader.keep(source.source, read.bytes);
  } catch (error) {
    source.dueAtMs = nowMs() + Math.min(lists.refreshMs, RETRY_MS_MAX);
    source.failed = true;
    const reason = error instanceof CertificateProblem ? error.reason : (error as Error).message;
    const left = source.facts ? 'the last good one stays in use' : 'no certificate of the authority is accepted';
    alarm(options, source, `the CRL ${source.source} of authority ${source.authority} is not taken: ${reason}; ${left}`);
  }
}

/** Puts a list in use. Throws CertificateProblem when it must not be. */
function take(options: CrlOptions, { byAuthority }: Lists, source: Source, bytes: Uint8Array): void {
  const facts = readCrl(bytes);
  const problem = findProblem(facts, source, options.authorities(), options.nowMs());
  if (problem) throw new CertificateProblem(problem);
  source.facts = facts;
  source.failed = false;
  delete source.told;
  const ends = (byAuthority.get(source.authority) ?? []).map((other) => other.facts?.nextUpdateMs ?? 0);
  options.onTaken(source.authority, Math.min(...ends));
}

function tellAge(options: CrlOptions, { graceMs }: Lists, source: Source): void {
  const { facts, authority } = source;
  if (!facts || source.failed || options.nowMs() <= facts.nextUpdateMs) return;
  const end = new Date(facts.nextUpdateMs + graceMs).toISOString();
  alarm(options, source, `the CRL ${source.source} of authority ${authority} is past its nextUpdate and counts until ${end}`);
}

/** Each is told once, until the source says something else. */
function alarm({ onAlarm }: CrlOptions, source: Source, line: string): void {
  if (source.told !== line) onAlarm(line);
  source.told = line;
}

/** Why a list cannot be used: signer, time, or an older one than is held. */
function findProblem(
  facts: CrlFacts,
  { authority, facts: held }: Source,
  authorities: readonly ListenerAuthority[],
  nowMs: number,
): string | undefined {
  const named = authorities.filter(({ name, facts: { subject } }) => name === authority && sameName(subject, facts.issuer));
  if (named.length === 0) return 'its issuer is not the authority';
  const maySign = named.filter(({ facts: { keyUsage } }) => keyUsage === undefined || keyUsage.has('cRLSign'));
  if (!maySign.some(({ facts: { publicKey } }) => facts.isSignedBy(publicKey))) return 'the authority has not signed it';
  if (facts.thisUpdateMs > nowMs + AHEAD_MS_MAX) return 'it is from the future';
  if (held && facts.thisUpdateMs < held.thisUpdateMs) return 'it is older than the one in use';
  return undefined;
}
