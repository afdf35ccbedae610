import { X509Certificate } from 'node:crypto';
import { type AlgorithmName, defaultAlgorithm, findKeyProblem, isAlgorithmName } from '../protocol/algorithms.ts';
import type { TrustedKey } from './trust.ts';
import { isPlatformCertificate, type TrustedKeys, validityOf } from './trust.ts';

/** A key of the gateway's list. Whether it may be trusted is for whoever reads it to say: pin it, or check its certificate. */
export type PlatformKey = {
  readonly keyid: string;
  readonly algorithm: AlgorithmName;
  /** The certificate. */
  readonly pem: string;
  /** `announced` does not sign yet, `retiring` no longer; both are to be trusted. */
  readonly status: string;
};

/** A verified list, as a program may keep it for its next start: plain values only, fit for JSON. */
export type PlatformList = {
  readonly fetchedAtMs: number;
  readonly keys: readonly PlatformKey[];
  /** Keyids that must never be trusted again. */
  readonly retired: readonly string[];
};

/** States in which a key does not count, whoever vouches for it. */
const DEAD: readonly unknown[] = ['revoked', 'retired'];
/** A list has a handful of keys; what is longer is not looked at. */
const ROWS_MAX = 100;

const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

function readRow(row: unknown): PlatformKey | undefined {
  const { keyid, alg, pem, status, use } = (row ?? {}) as Record<string, unknown>;
  const [name, certificate] = [textOf(keyid), textOf(pem)];
  if (name === undefined || certificate === undefined || DEAD.includes(status) || use === 'enc') return undefined;
  try {
    const { publicKey } = new X509Certificate(certificate);
    const algorithm = isAlgorithmName(alg) && !findKeyProblem(alg, publicKey) ? alg : defaultAlgorithm(publicKey);
    return { keyid: name, algorithm, pem: certificate, status: textOf(status) ?? 'current' };
  } catch {
    return undefined; // no certificate, or a key we cannot use: it is simply not trusted
  }
}

/** What a `GET /v1/platform-certificates` body says; rows of another shape are left out. Nothing in it is trusted yet. */
export function readPlatformList(body: Uint8Array, nowMs: number): PlatformList {
  let value: { readonly certificates?: unknown; readonly retired?: unknown } | null;
  try {
    value = JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    value = null;
  }
  const rows = (list: unknown): readonly unknown[] => (Array.isArray(list) ? list.slice(0, ROWS_MAX) : []);
  const retired = rows(value?.retired).map((row) => {
    const { keyid, use } = (row ?? {}) as Record<string, unknown>;
    return use === 'enc' ? undefined : textOf(keyid); // what once encrypted says nothing about who signs
  });
  return {
    fetchedAtMs: nowMs,
    keys: rows(value?.certificates)
      .map(readRow)
      .filter((row) => row !== undefined),
    retired: retired.filter((keyid) => keyid !== undefined),
  };
}

/**
 * The keys of a list whose certificates the platform-signing authority issued itself, and that carry `name` when one is given.
 * @param name common name (CN) or organisation (O) that a signing certificate must have
 */
export function vouchedKeys({ keys }: Pick<PlatformList, 'keys'>, authority: X509Certificate, nowMs: number, name?: string): TrustedKeys {
  const found = keys.flatMap(({ keyid, algorithm, pem }): [string, TrustedKey][] => {
    const certificate = new X509Certificate(pem);
    const isNamed = name === undefined || certificate.subject.split('\n').some((part) => part === `CN=${name}` || part === `O=${name}`);
    if (!isNamed || !isPlatformCertificate(certificate, authority, nowMs)) return [];
    return [[keyid, { publicKey: certificate.publicKey, algorithm, ...validityOf(certificate) }]];
  });
  return new Map(found);
}

/** The keys of a `GET /v1/platform-certificates` body that the platform-signing authority vouches for; the others are left out. */
export function readPlatformKeys(body: Uint8Array, authority: X509Certificate, nowMs: number): TrustedKeys {
  return vouchedKeys(readPlatformList(body, nowMs), authority, nowMs);
}
