import { X509Certificate } from 'node:crypto';
import { HEADER, SIGNATURE_LABEL } from '../protocol/headers.ts';
import { findMember, readSignatureInput } from '../protocol/signature-base.ts';
import type { CallRequest, ReceivedAnswer, WireRequest } from './answer.ts';
import { type PlatformList, readPlatformList, vouchedKeys } from './platform-list.ts';
import { type PinnedKey, readPinnedKeys, type TrustedKey, type TrustedKeys } from './trust.ts';
import { verifyAnswer } from './verify-answer.ts';

/** Where the gateway lists the certificates of its answer keys. */
export const PLATFORM_CERTIFICATES: CallRequest = { method: 'GET', path: '/v1/platform-certificates' };
/** An unknown keyid asks for the list once in this time, ... */
const ASK_PAUSE_MS = 60_000;
/** ... and so many different ones do: a forger who invents keyids must not make us fetch without end. */
const ASKS_MAX = 8;
/** So old a list is fetched anew beside the next call, so that the next key is known before it signs. */
const REFRESH_MS = 12 * 3_600_000;
/** The same when one of its certificates ends within a week, every hour. */
const ENDING_MS = 7 * 86_400_000;
const REFRESH_ENDING_MS = 3_600_000;

/** Whether a request names our merchant number: a wrong one is refused, and then the list is wanted to verify that refusal. */
export type Naming = 'named' | 'unnamed';

/** What the list is fetched with. */
type Means = {
  readonly deliver: (request: CallRequest, naming: Naming) => Promise<{ readonly sent: WireRequest; readonly received: ReceivedAnswer }>;
  readonly thumbprint: string;
  readonly now: () => number;
};

type FindKey = (keyid: string) => TrustedKey | undefined;

/** Whom a merchant trusts; a part of MerchantOptions. */
export type TrustOptions = {
  /** Pinned keys that sign answers. */
  readonly trustedKeys?: readonly PinnedKey[];
  /** The authority that issues the certificates of answer keys; unknown keyids are then fetched and checked against it. */
  readonly platformAuthority?: string;
  /** The common name (CN) or organisation (O) that such a certificate must have, where the authority serves others too. */
  readonly platformName?: string;
  /** What onPlatformKeys gave before; its keys are checked again. */
  readonly keptPlatformKeys?: PlatformList;
  /** Gets each verified list that is another one, to be kept for the next start. */
  readonly onPlatformKeys?: (list: PlatformList) => void;
};

/** Knows the keys that may sign answers. */
export type Trust = {
  readonly keysFor: (answer: ReceivedAnswer) => Promise<FindKey>;
  /** Fetches the list now. Undefined when it could not be fetched or is signed by nobody we trust. */
  readonly fetch: () => Promise<PlatformList | undefined>;
};

function findKeyid(answer: ReceivedAnswer): string | undefined {
  const text = findMember(answer.rawHeaders, HEADER.signatureInput, SIGNATURE_LABEL);
  return text === undefined ? undefined : readSignatureInput(text)?.params.keyid;
}

/** What is trusted now; only grows by lists that verified. */
type State = {
  readonly pinned: TrustedKeys;
  /** Of the last verified list, vouched for by the authority. */
  fetched: TrustedKeys;
  readonly retired: Set<string>;
  list: PlatformList | undefined;
  /** When each unknown keyid was asked about. */
  readonly asked: Map<string, number>;
  triedAtMs: number;
};

/**
 * Trust by pinned keys, and by the platform-signing authority when one is given. Pinned ones win. A key that a verified list calls
 * retired is never trusted again, pinned or not, whatever its certificate says.
 */
export function createTrust(options: TrustOptions, means: Means): Trust {
  const authority = options.platformAuthority === undefined ? undefined : new X509Certificate(options.platformAuthority);
  const { keptPlatformKeys: kept } = options;
  const vouched = (list: PlatformList): TrustedKeys =>
    authority ? vouchedKeys(list, authority, means.now(), options.platformName) : new Map();
  const state: State = {
    pinned: readPinnedKeys(options.trustedKeys ?? []),
    fetched: kept ? vouched(kept) : new Map(),
    retired: new Set(kept?.retired),
    list: kept,
    asked: new Map(),
    triedAtMs: kept?.fetchedAtMs ?? means.now(),
  };
  const findKey: FindKey = (keyid) => (state.retired.has(keyid) ? undefined : (state.pinned.get(keyid) ?? state.fetched.get(keyid)));

  const fetchOnce = async (naming: Naming): Promise<PlatformList | undefined> => {
    const delivered = await means.deliver(PLATFORM_CERTIFICATES, naming).catch(() => undefined);
    if (!delivered) return undefined;
    const { sent, received } = delivered;
    const list = readPlatformList(received.body, means.now());
    const keys = vouched(list);
    // The list may be signed by a key that only it names, as long as the authority vouches for it and nobody has called it retired.
    const dead = new Set([...state.retired, ...list.retired]);
    const find: FindKey = (keyid) => (dead.has(keyid) ? undefined : (state.pinned.get(keyid) ?? keys.get(keyid)));
    const verdict = verifyAnswer(received, { request: sent, findKey: find, thumbprint: means.thumbprint, nowMs: means.now() });
    if (!verdict.verified || !verdict.accepted || received.status !== 200) return undefined;
    take(state, list, keys, options.onPlatformKeys);
    return list;
  };
  let fetching: Promise<PlatformList | undefined> | undefined;
  const fetch = (): Promise<PlatformList | undefined> => {
    state.triedAtMs = means.now();
    fetching ??= fetchOnce('named')
      .then((list) => list ?? fetchOnce('unnamed'))
      .finally(() => (fetching = undefined));
    return fetching;
  };
  return {
    fetch,
    keysFor: async (answer) => {
      const keyid = findKeyid(answer);
      if (keyid === undefined || state.retired.has(keyid)) return findKey;
      if (findKey(keyid)) {
        if (isStale(state, means.now())) fetch().catch(() => undefined); // nobody waits for it
      } else if (authority) await (mayAsk(state, keyid, means.now()) ? fetch() : fetching); // who comes meanwhile waits for the same list
      return findKey;
    },
  };
}

function take(state: State, list: PlatformList, keys: TrustedKeys, onPlatformKeys: TrustOptions['onPlatformKeys']): void {
  const told = ({ keys: all, retired }: PlatformList): string => JSON.stringify([all, retired]);
  const isNew = state.list === undefined || told(state.list) !== told(list);
  for (const keyid of list.retired) state.retired.add(keyid);
  state.fetched = keys;
  state.list = { ...list, retired: [...state.retired] };
  if (isNew) onPlatformKeys?.(state.list);
}

/** Counted from the last try, so that a gateway that is away is not asked with every call. */
function isStale({ list, fetched, pinned, triedAtMs }: State, nowMs: number): boolean {
  const ends = [...fetched.values(), ...(list ? [] : pinned.values())].map(({ notAfterMs }) => notAfterMs ?? Number.POSITIVE_INFINITY);
  const afterMs = Math.min(...ends) - nowMs < ENDING_MS ? REFRESH_ENDING_MS : REFRESH_MS;
  return Math.abs(nowMs - triedAtMs) >= afterMs;
}

function mayAsk({ asked }: State, keyid: string, nowMs: number): boolean {
  for (const [known, atMs] of asked) if (Math.abs(nowMs - atMs) >= ASK_PAUSE_MS) asked.delete(known);
  if (asked.has(keyid) || asked.size >= ASKS_MAX) return false;
  asked.set(keyid, nowMs);
  return true;
}
