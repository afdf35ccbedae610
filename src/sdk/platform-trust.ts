import { X509Certificate } from 'node:crypto';
import { HEADER, SIGNATURE_LABEL } from '../protocol/headers.ts';
import { findMember, readSignatureInput } from '../protocol/signature-base.ts';
import type { CallRequest, ReceivedAnswer, WireRequest } from './answer.ts';
import { type PinnedKey, readPinnedKeys, readPlatformKeys, type TrustedKey, type TrustedKeys } from './trust.ts';
import { verifyAnswer } from './verify-answer.ts';

/** Where the gateway lists the certificates of its answer keys. */
export const PLATFORM_CERTIFICATES: CallRequest = { method: 'GET', path: '/v1/platform-certificates' };
/** An unknown keyid asks for the list at most this often. */
const FETCH_PAUSE_MS = 60_000;

/** Whether a request names our merchant number: a wrong one is refused, and then the list is wanted to verify that refusal. */
export type Naming = 'named' | 'unnamed';

/** What the list is fetched with. */
type Means = {
  readonly deliver: (request: CallRequest, naming: Naming) => Promise<{ readonly sent: WireRequest; readonly received: ReceivedAnswer }>;
  readonly thumbprint: string;
  readonly now: () => number;
};

type FindKey = (keyid: string) => TrustedKey | undefined;

/** Knows the keys that may sign answers. */
export type Trust = { readonly keysFor: (answer: ReceivedAnswer) => Promise<FindKey> };

function findKeyid(answer: ReceivedAnswer): string | undefined {
  const text = findMember(answer.rawHeaders, HEADER.signatureInput, SIGNATURE_LABEL);
  return text === undefined ? undefined : readSignatureInput(text)?.params.keyid;
}

/**
 * Fetches the list. Its answer is signed by one of the keys it lists, so those that the authority vouches for are read first and the
 * answer is verified with them; nothing is kept when it does not verify.
 */
async function fetchKeys(authority: X509Certificate, { deliver, thumbprint, now }: Means, naming: Naming): Promise<TrustedKeys> {
  const none: TrustedKeys = new Map();
  const delivered = await deliver(PLATFORM_CERTIFICATES, naming).catch(() => undefined);
  if (!delivered) return none;
  const { sent, received } = delivered;
  const keys = readPlatformKeys(received.body, authority, now());
  const verdict = verifyAnswer(received, { request: sent, findKey: (keyid) => keys.get(keyid), thumbprint, nowMs: now() });
  return verdict.verified && verdict.accepted && received.status === 200 ? keys : none;
}

/** Trust by pinned keys, and by the platform-signing authority when one is given. Pinned ones win. */
export function createTrust(
  options: { readonly trustedKeys?: readonly PinnedKey[]; readonly platformAuthority?: string },
  means: Means,
): Trust {
  const pinned = readPinnedKeys(options.trustedKeys ?? []);
  const authority = options.platformAuthority === undefined ? undefined : new X509Certificate(options.platformAuthority);
  let fetched: TrustedKeys = new Map();
  let fetchedAtMs = Number.NEGATIVE_INFINITY;
  let fetching: Promise<void> | undefined;
  const findKey: FindKey = (keyid) => pinned.get(keyid) ?? fetched.get(keyid);

  const refresh = async (by: X509Certificate): Promise<void> => {
    if (Math.abs(means.now() - fetchedAtMs) < FETCH_PAUSE_MS) return;
    const named = await fetchKeys(by, means, 'named');
    const keys = named.size > 0 ? named : await fetchKeys(by, means, 'unnamed');
    fetchedAtMs = means.now();
    fetched = new Map([...fetched, ...keys]);
  };
  return {
    keysFor: async (answer) => {
      const keyid = findKeyid(answer);
      if (!authority || keyid === undefined || findKey(keyid)) return findKey;
      fetching ??= refresh(authority).finally(() => (fetching = undefined));
      await fetching;
      return findKey;
    },
  };
}
