import type { PublishedEncryptionKey } from '../keys/encryption-keys.ts';
import type { PublishedCertificate } from '../keys/keyring.ts';
import type { CoreAnswer, Journalled } from '../protocol/messages.ts';

/** What the gateway answers itself: these operations pass the same stages, only `forward` is a function of this table. */
export type LocalOperations = Readonly<Record<string, (journalled: Journalled) => CoreAnswer>>;

const json = (value: unknown): CoreAnswer => ({ status: 200, contentType: 'application/json', body: Buffer.from(JSON.stringify(value)) });

const rfc3339 = (ms: number): string => new Date(ms).toISOString();

/** The table. What does not change while the process runs is serialised once. */
export function createLocalOperations(
  certificates: readonly PublishedCertificate[],
  encryptionKeys: readonly PublishedEncryptionKey[],
): LocalOperations {
  const rows = [
    ...certificates.map((row) => ({ ...row, use: 'sig' as const })),
    ...encryptionKeys.map((row) => ({ ...row, use: 'enc' as const })),
  ];
  const published = json({
    certificates: rows.map(({ serial, keyid, algorithm, pem, notBeforeMs, notAfterMs, status, use }) => ({
      serial,
      keyid,
      use,
      alg: algorithm,
      pem,
      notBefore: rfc3339(notBeforeMs),
      notAfter: rfc3339(notAfterMs),
      status,
    })),
  });
  return { 'platform.certificates': () => published };
}
