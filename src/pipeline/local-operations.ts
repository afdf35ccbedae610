import { X509Certificate } from 'node:crypto';
import type { Publication } from '../keys/answer-keys.ts';
import type { EncryptionPublication, PublishedEncryptionKey } from '../keys/encryption-keys.ts';
import { sha256 } from '../lib/bytes.ts';
import type { AlgorithmName } from '../protocol/algorithms.ts';
import type { CoreAnswer, Journalled } from '../protocol/messages.ts';
import type { KeysSeen } from './keys-seen.ts';

/** What the gateway answers itself: these operations pass the same stages, only `forward` is a function of this table. */
export type LocalOperations = Readonly<Record<string, (journalled: Journalled) => CoreAnswer | Promise<CoreAnswer>>>;

export type LocalOptions = {
  /** The keys that sign answers, as they stand now: the same object until something changes. */
  readonly publication: () => Publication;
  /** The keys that requests are encrypted to, likewise. */
  readonly encryptionKeys: () => EncryptionPublication;
  readonly giveWorkingKey: LocalOperations[string];
  /** A merchant has fetched these keys. */
  readonly onFetched: KeysSeen;
};

const JSON_TYPE = 'application/json';

const rfc3339 = (ms: number): string => new Date(ms).toISOString();

/** The table. */
export function createLocalOperations(options: LocalOptions): LocalOperations {
  return {
    'platform.certificates': serialised(options, certificateList),
    'platform.jwks': serialised(options, keySet),
    'working-keys.create': options.giveWorkingKey,
  };
}

type Make = (publication: Publication, encryption: EncryptionPublication) => unknown;

/** Made anew only when one of the publications is another one. */
function serialised({ publication, encryptionKeys, onFetched }: LocalOptions, make: Make): (journalled: Journalled) => CoreAnswer {
  let made: { readonly from: Publication; readonly encryption: EncryptionPublication; readonly body: Buffer } | undefined;
  return ({ merchant }) => {
    const [from, encryption] = [publication(), encryptionKeys()];
    if (made?.from !== from || made.encryption !== encryption)
      made = { from, encryption, body: Buffer.from(JSON.stringify(make(from, encryption))) };
    onFetched(
      merchant.number,
      [...from.certificates, ...encryption.keys].map(({ keyid }) => keyid),
    );
    return { status: 200, contentType: JSON_TYPE, body: made.body };
  };
}

type Listed = Omit<PublishedEncryptionKey, 'algorithm'> & { readonly algorithm: string };

const rowOf = (row: Listed, use: 'sig' | 'enc') => ({
  ...{ serial: row.serial, keyid: row.keyid, use, alg: row.algorithm, pem: row.pem },
  ...{ notBefore: rfc3339(row.notBeforeMs), notAfter: rfc3339(row.notAfterMs), status: row.state },
  ...{ currentFrom: row.currentFrom, retiringFrom: row.retiringFrom, retiredFrom: row.retiredFrom },
});

/** The list of contract.md section 1, with the moments of each key's life, and the names of keys that nobody may trust any more. */
const certificateList: Make = ({ certificates, retired }, encryption) => ({
  certificates: [...certificates.map((row) => rowOf(row, 'sig')), ...encryption.keys.map((row) => rowOf(row, 'enc'))],
  retired: [...retired.map((keyid) => ({ keyid })), ...encryption.retired.map((keyid) => ({ keyid, use: 'enc' }))],
});

/** Names of RFC 7518 section 3.1 and RFC 8037 section 3.1. */
const JWS_ALGORITHM: Readonly<Record<AlgorithmName, string>> = {
  'rsa-v1_5-sha256': 'RS256',
  'rsa-pss-sha512': 'PS512',
  'ecdsa-p256-sha256': 'ES256',
  'ecdsa-p384-sha384': 'ES384',
  ed25519: 'EdDSA',
  'rsa-pss-sha256': 'PS256',
};

const keySet: Make = ({ certificates }, encryption) => ({
  keys: [
    ...certificates.map((row) => jwkOf(row, 'sig', JWS_ALGORITHM[row.algorithm])),
    ...encryption.keys.map((row) => jwkOf(row, 'enc', row.algorithm)),
  ],
});

/** RFC 7517 section 4, which allows `status`; the certificate alone stands in x5c, so that a reader can check who issued it. */
function jwkOf({ keyid, pem, state }: Pick<Listed, 'keyid' | 'pem' | 'state'>, use: 'sig' | 'enc', alg: string): unknown {
  const { publicKey, raw } = new X509Certificate(pem);
  const x5t = sha256(raw).toString('base64url');
  return { ...publicKey.export({ format: 'jwk' }), kid: keyid, use, alg, status: state, x5c: [raw.toString('base64')], 'x5t#S256': x5t };
}
