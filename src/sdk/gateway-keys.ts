import { createPublicKey, X509Certificate } from 'node:crypto';
import { UserError } from '../lib/user-error.ts';
import { type JweKey, jweAlgorithmOf } from '../protocol/jwe/key-management.ts';
import type { Answer } from './answer.ts';
import { isPlatformCertificate, type PinnedKey } from './trust.ts';

/** How long a fetched key is used before the list is asked for again, ms. */
const KEPT_MS = 3_600_000;

function readKey({ keyid, pem }: Pick<PinnedKey, 'keyid' | 'pem'>): JweKey {
  const key = pem.includes('BEGIN CERTIFICATE') ? new X509Certificate(pem).publicKey : createPublicKey(pem);
  const algorithm = jweAlgorithmOf(key);
  if (!algorithm) throw new UserError(`the encryption key ${keyid} is neither RSA of at least 2048 bits nor P-256 or P-384`);
  return { keyid, algorithm, key };
}

type Row = { readonly keyid?: unknown; readonly pem?: unknown; readonly use?: unknown; readonly status?: unknown };

/** The keys of a verified list that are to be encrypted to now. */
function keysIn({ value }: Answer, authority: X509Certificate | undefined, nowMs: number): JweKey[] {
  const rows = (value as { certificates?: readonly Row[] } | undefined)?.certificates ?? [];
  return rows.flatMap(({ keyid, pem, use, status }) => {
    if (use !== 'enc' || status !== 'active' || typeof keyid !== 'string' || typeof pem !== 'string') return [];
    if (authority && !isPlatformCertificate(new X509Certificate(pem), authority, nowMs)) return [];
    return [readKey({ keyid, pem })];
  });
}

/**
 * Finds the gateway's key to encrypt to: the pinned one, else the active one of GET /v1/platform-certificates, an elliptic-curve key
 * before an RSA one. The list is a verified answer; with a platform authority each certificate must be issued by it too.
 */
export function createGatewayKeys(
  { encryptTo, platformAuthority }: { readonly encryptTo?: PinnedKey; readonly platformAuthority?: string },
  fetchList: () => Promise<Answer>,
  nowMs: () => number,
): () => Promise<JweKey> {
  const pinned = encryptTo && readKey(encryptTo);
  const authority = platformAuthority === undefined ? undefined : new X509Certificate(platformAuthority);
  let fetched: { readonly key: JweKey; readonly atMs: number } | undefined;
  return async () => {
    if (pinned) return pinned;
    if (fetched && Math.abs(nowMs() - fetched.atMs) < KEPT_MS) return fetched.key;
    const answer = await fetchList();
    const keys = answer.accepted ? keysIn(answer, authority, nowMs()) : [];
    const key = keys.find(({ algorithm }) => algorithm === 'ECDH-ES+A256KW') ?? keys[0];
    if (!key)
      throw new UserError(`the gateway tells no key to encrypt to (${answer.why ?? `status ${answer.status}`}); pin one as encryptTo`);
    fetched = { key, atMs: nowMs() };
    return key;
  };
}
