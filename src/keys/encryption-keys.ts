import { isDevelopmentCertificate } from '../certificates/development-set.ts';
import { checkKeyBelongs, loadCertificateFile, loadPrivateKey } from '../certificates/files.ts';
import { UserError } from '../lib/user-error.ts';
import { type KeyState, keyStateAt, nextKeyChangeMs, type WrittenKeyState } from '../protocol/answer-key.ts';
import type { JweAlgorithm } from '../protocol/jwe/header.ts';
import { type JweKey, jweAlgorithmOf } from '../protocol/jwe/key-management.ts';
import { checkKeyFileMode } from './file-mode.ts';

/** A key that requests are encrypted to, as the configuration names it. */
export type EncryptionKeyFile = WrittenKeyState & { readonly keyid: string; readonly certificate: string; readonly key: string };

/** What `GET /v1/platform-certificates` tells about an encryption key. Moments are RFC 3339, absent where none is written. */
export type PublishedEncryptionKey = {
  readonly keyid: string;
  readonly algorithm: JweAlgorithm;
  /** Upper-case hexadecimal. */
  readonly serial: string;
  readonly pem: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Only a `current` one is to be encrypted to; the others decrypt too. */
  readonly state: Exclude<KeyState, 'retired'>;
  readonly currentFrom?: string;
  readonly retiringFrom?: string;
  readonly retiredFrom?: string;
};

/** What merchants may know: keys that are published, and the names of those that decrypt no longer. */
export type EncryptionPublication = { readonly keys: readonly PublishedEncryptionKey[]; readonly retired: readonly string[] };

/** The gateway's encryption keys. Immutable; a reload makes another. */
export type EncryptionKeys = {
  /** The key of an id as long as it is not retired. */
  readonly find: (keyid: string, nowMs: number) => JweKey | undefined;
  /** The same object until something changes, so that what is made of it can be kept. */
  readonly publication: (nowMs: number) => EncryptionPublication;
};

type Held = { readonly key: JweKey; readonly written: WrittenKeyState; readonly published: Omit<PublishedEncryptionKey, 'state'> };

export type EncryptionKeysOptions = {
  /** Production also refuses everything that `hufu up` made. */
  readonly production: boolean;
  readonly nowMs: number;
};

/** Reads and checks all keys that are not retired. Throws a UserError that names the file for the first that cannot be used or that others may read. */
export function loadEncryptionKeys(files: readonly EncryptionKeyFile[], { production, nowMs }: EncryptionKeysOptions): EncryptionKeys {
  const isRetired = (row: EncryptionKeyFile): boolean => keyStateAt(row, nowMs) === 'retired';
  const held = files.filter((row) => !isRetired(row)).map((row) => loadOne(row, production));
  return createEncryptionKeys(
    held,
    files.filter(isRetired).map(({ keyid }) => keyid),
  );
}

function loadOne({ keyid, certificate, key: file, ...written }: EncryptionKeyFile, production: boolean): Held {
  checkKeyFileMode(file);
  const { facts, x509 } = loadCertificateFile(certificate);
  if (production && isDevelopmentCertificate(facts))
    throw new UserError(`${certificate} was issued by a development authority: production needs a certificate of your own authority`);
  const key = loadPrivateKey(file);
  checkKeyBelongs(facts, key, { certificate, key: file });
  const algorithm = jweAlgorithmOf(key);
  if (!algorithm) throw new UserError(`${file} cannot be encrypted to: make an RSA key of at least 2048 bits, P-256 or P-384`);
  const { currentFrom, retiringFrom, retiredFrom } = written;
  const moments = { ...(currentFrom && { currentFrom }), ...(retiringFrom && { retiringFrom }), ...(retiredFrom && { retiredFrom }) };
  const { serialNumber: serial, notBeforeMs, notAfterMs } = facts;
  const published = { keyid, algorithm, serial, pem: x509.toString(), notBeforeMs, notAfterMs, ...moments };
  return { key: { keyid, algorithm, key }, written, published };
}

function createEncryptionKeys(held: readonly Held[], retired: readonly string[]): EncryptionKeys {
  const byKeyid = new Map(held.map((one) => [one.key.keyid, one]));
  let view: (EncryptionPublication & { readonly fromMs: number; readonly untilMs: number }) | undefined;
  return {
    find: (keyid, nowMs) => {
      const found = byKeyid.get(keyid);
      return found && keyStateAt(found.written, nowMs) !== 'retired' ? found.key : undefined;
    },
    publication: (nowMs) => {
      if (view === undefined || nowMs < view.fromMs || nowMs >= view.untilMs) view = createView(held, retired, nowMs);
      return view;
    },
  };
}

function createView(held: readonly Held[], retired: readonly string[], nowMs: number) {
  const states = held.map((one) => ({ ...one, state: keyStateAt(one.written, nowMs) }));
  const changes = held.flatMap(({ published }) => [published.notBeforeMs, published.notAfterMs + 1]).filter((ms) => ms > nowMs);
  const written = held.map((one) => one.written);
  return {
    fromMs: nowMs,
    untilMs: Math.min(nextKeyChangeMs(written, nowMs), ...changes),
    keys: states.flatMap(({ state, published }): PublishedEncryptionKey[] => {
      // Nobody is told of a key whose certificate has run out; what was encrypted to it before is still opened.
      if (state === 'retired' || nowMs > published.notAfterMs) return [];
      return [{ ...published, state: nowMs < published.notBeforeMs && state === 'current' ? 'announced' : state }];
    }),
    retired: [...retired, ...states.filter(({ state }) => state === 'retired').map(({ key }) => key.keyid)],
  };
}
