import { CERTIFICATE_BYTES_MAX } from '../certificates/read.ts';
import { readBase64, sha256 } from '../lib/bytes.ts';
import { allHeaders } from '../protocol/headers.ts';

/** How a balancer writes the client's certificate: RFC 9440, or PEM in percent-encoding as nginx and F5 do. */
export type ForwardedForm = 'rfc9440' | 'pem';

/** Base64 takes four characters for three bytes; percent-encoding at most three for one. */
const TEXT_CHARACTERS_MAX = CERTIFICATE_BYTES_MAX * 4;
const BYTE_SEQUENCE = /^:([A-Za-z0-9+/=]+):$/;
const PEM = /^-----BEGIN CERTIFICATE-----\s([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*$/;

const DECODERS: Readonly<Record<ForwardedForm, (text: string) => string | undefined>> = {
  // RFC 9440 section 2.1: one Item, a Byte Sequence.
  rfc9440: (text) => BYTE_SEQUENCE.exec(text)?.[1],
  pem: (text) => PEM.exec(percentDecoded(text))?.[1]?.replace(/\s/g, ''),
};

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}

/** The DER of a header's value; undefined when it is none in this form. Whether it is a certificate is not known yet. */
export function findDer(text: string, form: ForwardedForm): Buffer | undefined {
  if (text.length > TEXT_CHARACTERS_MAX) return undefined;
  const base64 = DECODERS[form](text);
  const der = base64 === undefined ? undefined : readBase64(base64);
  return der !== undefined && der.length > 0 && der.length <= CERTIFICATE_BYTES_MAX ? der : undefined;
}

/** The certificate that a balancer wrote into a header. Undefined also for two headers: one of them would be the client's own. */
export function findForwarded(
  rawHeaders: readonly string[],
  header: { readonly name: string; readonly form: ForwardedForm },
): Buffer | undefined {
  const [value, ...more] = allHeaders(rawHeaders, header.name);
  return value === undefined || more.length > 0 ? undefined : findDer(value, header.form);
}

/** Headers by which balancers pass on certificates. On a listener for merchants they count for nothing. */
const CERTIFICATE_HEADERS: readonly string[] = [
  'client-cert',
  'ssl-client-cert',
  'x-ssl-client-cert',
  'x-client-cert',
  'x-forwarded-client-cert',
];

/** Envoy's header names the SHA-256 of the certificate in hexadecimal. */
const ENVOY_HASH = /(?:^|[;,])Hash=([0-9a-f]{64})(?:[;,]|$)/i;

/** The x5t#S256 of the certificate that a text names, in any of the forms; undefined when it names none. */
function findNamed(text: string): string | undefined {
  const der = findDer(text, 'rfc9440') ?? findDer(text, 'pem');
  if (der !== undefined) return sha256(der).toString('base64url');
  const hash = ENVOY_HASH.exec(text)?.[1];
  return hash === undefined ? undefined : Buffer.from(hash, 'hex').toString('base64url');
}

/** The header by which a client claims another certificate than the one it proved to hold: an attempt to be someone else. */
export function findForgedIdentity(rawHeaders: readonly string[], thumbprint: string): string | undefined {
  return CERTIFICATE_HEADERS.find((name) =>
    allHeaders(rawHeaders, name).some((text) => {
      const named = findNamed(text);
      return named !== undefined && named !== thumbprint;
    }),
  );
}
