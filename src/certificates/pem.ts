import { UserError } from '../lib/user-error.ts';

const LINE = /.{1,64}/g;
const BLOCK = /-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/=\r\n]+?)-----END CERTIFICATE-----/g;

/** A certificate as text, RFC 7468 section 5. */
export function pemOf(der: Uint8Array): string {
  const lines = Buffer.from(der).toString('base64').match(LINE) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

/** The certificates in a PEM text, in order, as DER; text between them is skipped. Throws a UserError naming the file when there is none. */
export function readPem(text: string, file: string): [Buffer, ...Buffer[]] {
  const [first, ...rest] = [...text.matchAll(BLOCK)].map(([, base64]) => Buffer.from(base64 as string, 'base64'));
  if (first === undefined) throw new UserError(`${file} holds no certificate: write one or more PEM blocks "BEGIN CERTIFICATE" into it`);
  return [first, ...rest];
}
