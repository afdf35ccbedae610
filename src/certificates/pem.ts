import { UserError } from '../lib/user-error.ts';

const LINE = /.{1,64}/g;
const BLOCK = /-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/=\r\n]+?)-----END CERTIFICATE-----/g;
/** RFC 7468 section 7; the second spelling is that of older tools. */
const REQUEST_BLOCK = /-----BEGIN (NEW )?CERTIFICATE REQUEST-----\r?\n([A-Za-z0-9+/=\r\n]+?)-----END \1CERTIFICATE REQUEST-----/g;

/** A certificate as text, RFC 7468 section 5. */
export const pemOf = (der: Uint8Array): string => blockOf('CERTIFICATE', der);

/** A certificate revocation list as text, RFC 7468 section 6. */
export const revocationListPemOf = (der: Uint8Array): string => blockOf('X509 CRL', der);

function blockOf(label: string, der: Uint8Array): string {
  const lines = Buffer.from(der).toString('base64').match(LINE) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

/** The certificates in a PEM text, in order, as DER; text between them is skipped. Throws a UserError naming the file when there is none. */
export function readPem(text: string, file: string): [Buffer, ...Buffer[]] {
  const [first, ...rest] = [...text.matchAll(BLOCK)].map(([, base64]) => Buffer.from(base64 as string, 'base64'));
  if (first === undefined) throw new UserError(`${file} holds no certificate: write one or more PEM blocks "BEGIN CERTIFICATE" into it`);
  return [first, ...rest];
}

/** The one certificate request in a PEM text, as DER. Throws a UserError naming the file for none, for several, and for a private key beside it. */
export function readRequestPem(text: string, file: string): Buffer {
  if (text.includes('PRIVATE KEY-----'))
    throw new UserError(`${file} holds a private key, which belongs to the merchant alone: delete it and ask for the request by itself`);
  const [found, ...more] = [...text.matchAll(REQUEST_BLOCK)];
  if (found === undefined || more.length > 0)
    throw new UserError(
      `${file} holds ${found ? 'several certificate requests' : 'no certificate request'}: expected one PEM block "BEGIN CERTIFICATE REQUEST"`,
    );
  return Buffer.from(found[2] as string, 'base64');
}
