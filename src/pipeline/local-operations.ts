import { X509Certificate } from 'node:crypto';
import type { Publication } from '../keys/answer-keys.ts';
import type { PublishedEncryptionKey } from '../keys/encryption-keys.ts';
import { sha256 } from '../lib/bytes.ts';
import type { AlgorithmName } from '../protocol/algorithms.ts';
import type { CoreAnswer, Journalled } from '../protocol/messages.ts';
import type { KeysSeen } from './keys-seen.ts';

/** What the gateway answers itself: these operations pass the same stages, only `forward` is a function of this table. */
export type LocalOperations = Readonly<Record<string, (journalled: Journalled) => CoreAnswer | Promise<CoreAnswer>>>;

export type LocalOptions = {
  /** The keys that sign answers, as they stand now: the same object until something changes. */
  readonly publication: () => Publication;
  readonly encryptionKeys: readonly PublishedEncryptionKey[];
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

type Make = (publication: Publication, encryptionKeys: readonly PublishedEncryptionKey[]) => unknown;

/** Made anew only when the publication is another one. */
function serialised({ publication, encryptionKeys, onFetched }: LocalOptions, make: Make): (journalled: Journalled) => CoreAnswer {
  let made: { readonly from: Publication; readonly body: Buffer } | undefined;
  return ({ merchant }) => {
    const from = publication();
    if (made?.from !== from) made = { from, body: Buffer.from(JSON.stringify(make(from, encryptionKeys))) };
    onFetched(
      merchant.number,
      from.certificates.map(({ keyid }) => keyid),
    );
    return { status: 200, contentType: JSON_TYPE, body: made.body };
  };
}

type Listed = Pick<PublishedEncryptionKey, 'serial' | 'keyid' | 'pem' | 'notBeforeMs' | 'notAfterMs'> & { readonly algorithm: string };

const rowOf = ({ serial, keyid, algorithm, pem, notBeforeMs, notAfterMs }: Listed, use: 'sig' | 'enc', status: string) => ({
  ...{ serial, keyid, use, alg: algorithm, pem },
  ...{ notBefore: rfc3339(notBeforeMs), notAfter: rfc3339(notAfterMs), status },
});

/** The list of contract.md section 1, with the moments of each key's life, and the names of keys that nobody may trust any more. */
const certificateList: Make = ({ certificates, retired }, encryptionKeys) => ({
  certificates: [
    ...certificates.map((row) => ({
      ...rowOf(row, 'sig', row.state),
      ...{ currentFrom: row.currentFrom, retiringFrom: row.retiringFrom, retiredFrom: row.retiredFrom },
    })),
    ...encryptionKeys.map((row) => rowOf(row, 'enc', row.status)),
  ],
  retired: retired.map((keyid) => ({ keyid })),
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

const keySet: Make = ({ certificates }, encryptionKeys) => ({
  keys: [
    ...certificates.map((row) => jwkOf(row, 'sig', JWS_ALGORITHM[row.algorithm])),
    ...encryptionKeys.map((row) => jwkOf(row, 'enc', row.algorithm)),
  ],
});

/** RFC 7517 section 4; the certificate alone stands in x5c, so that a reader can check who issued it. */
function jwkOf({ keyid, pem }: Pick<Listed, 'keyid' | 'pem'>, use: 'sig' | 'enc', alg: string): unknown {
  const { publicKey, raw } = new X509Certificate(pem);
  const x5t = sha256(raw).toString('base64url');
  return { ...publicKey.export({ format: 'jwk' }), kid: keyid, use, alg, x5c: [raw.toString('base64')], 'x5t#S256': x5t };
}
