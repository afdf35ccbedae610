import { createPublicKey, X509Certificate } from 'node:crypto';
import { UserError } from '../lib/user-error.ts';
import { type JweKey, jweAlgorithmOf } from '../protocol/jwe/key-management.ts';
import type { Answer, CallRequest } from './answer.ts';
import { NoAnswer } from './exchange.ts';
import { isPlatformCertificate, type PinnedKey } from './trust.ts';

/** How long a fetched key is used before the list is asked for again, ms. */
const KEPT_MS = 3_600_000;

function findKey({ keyid, pem }: Pick<PinnedKey, 'keyid' | 'pem'>): JweKey | undefined {
  try {
    const key = pem.includes('BEGIN CERTIFICATE') ? new X509Certificate(pem).publicKey : createPublicKey(pem);
    const algorithm = jweAlgorithmOf(key);
    return algorithm && { keyid, algorithm, key };
  } catch {
    return undefined;
  }
}

function readPinned(pinned: PinnedKey): JweKey {
  const key = findKey(pinned);
  if (key) return key;
  throw new UserError(
    `\`encryptTo\` ${pinned.keyid} is no certificate or public key in PEM, of RSA with at least 2048 bits, P-256 or P-384`,
  );
}

/** Whether the text is a certificate that the authority issued itself. */
function isVouched(pem: string, authority: X509Certificate, nowMs: number): boolean {
  return pem.includes('BEGIN CERTIFICATE') && isPlatformCertificate(new X509Certificate(pem), authority, nowMs);
}

type Row = { readonly keyid?: unknown; readonly pem?: unknown; readonly use?: unknown; readonly status?: unknown };

/** The keys of a verified list that are to be encrypted to now: neither announced nor retiring ones. */
function keysIn({ value }: Answer, authority: X509Certificate | undefined, nowMs: number): JweKey[] {
  const rows = (value as { certificates?: unknown } | null | undefined)?.certificates;
  if (!Array.isArray(rows)) return [];
  return rows.flatMap((row: Row | null) => {
    const { keyid, pem, use, status } = row ?? {};
    if (use !== 'enc' || status !== 'current' || typeof keyid !== 'string' || typeof pem !== 'string') return [];
    const key = findKey({ keyid, pem });
    return key && (!authority || isVouched(pem, authority, nowMs)) ? [key] : [];
  });
}

/** The gateway's keys to encrypt to. */
export type GatewayKeys = {
  /** The key to encrypt to now. Throws NoAnswer when there is none: nothing was sent then. */
  readonly current: () => Promise<JweKey>;
  /**
   * The same call, repeated once when the gateway refuses what is encrypted and meanwhile tells another key than the one that was used:
   * nothing was executed, so the very request may go out again.
   */
  readonly following: (call: (request: CallRequest) => Promise<Answer>) => (request: CallRequest) => Promise<Answer>;
};

/**
 * Finds the gateway's key to encrypt to: the pinned one, else the current one of GET /v1/platform-certificates, an elliptic-curve key
 * before an RSA one. The list is a verified answer; with a platform authority each certificate must be issued by it too.
 */
export function createGatewayKeys(
  { encryptTo, platformAuthority }: { readonly encryptTo?: PinnedKey; readonly platformAuthority?: string },
  fetchList: () => Promise<Answer>,
  nowMs: () => number,
): GatewayKeys {
  const pinned = encryptTo && readPinned(encryptTo);
  const authority = platformAuthority === undefined ? undefined : new X509Certificate(platformAuthority);
  let fetched: { readonly key: JweKey; readonly atMs: number } | undefined;
  const current = async (): Promise<JweKey> => {
    if (pinned) return pinned;
    if (fetched && Math.abs(nowMs() - fetched.atMs) < KEPT_MS) return fetched.key;
    const answer = await fetchList();
    const keys = answer.accepted ? keysIn(answer, authority, nowMs()) : [];
    const key = keys.find(({ algorithm }) => algorithm === 'ECDH-ES+A256KW') ?? keys[0];
    if (!key) throw new NoAnswer(`not sent: the gateway tells no key to encrypt to (${answer.why ?? `status ${answer.status}`})`, false);
    fetched = { key, atMs: nowMs() };
    return key;
  };
  const isAnother = async (used: string): Promise<boolean> => {
    fetched = undefined;
    try {
      return (await current()).keyid !== used;
    } catch (error) {
      if (error instanceof NoAnswer) return false;
      throw error;
    }
  };
  return {
    current,
    following: (once) => async (request) => {
      const used = fetched?.key.keyid;
      const answer = await once(request);
      const isRefused = answer.verified && answer.code === 'ENCRYPTION_INVALID' && request?.encrypt !== undefined;
      return isRefused && used !== undefined && (await isAnother(used)) ? once(request) : answer;
    },
  };
}
