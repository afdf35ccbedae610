import { constants, verify } from 'node:crypto';
import { sha256 } from '../../lib/bytes.ts';
import { sameKey } from '../../lib/same-key.ts';
import { COVERED_WHEN_SENT } from '../headers.ts';
import { readLines, writeLines } from './altered-base.ts';
import { bytesFor, type OtherKey, type Suspect, verifiesFor, verifiesOver } from './suspect.ts';
import type { SignatureMistake } from './table.ts';

const COMPONENTS = ['rfc9421'];
/** Schemes of lines, each behind a line feed, the body among them. */
const LINES = ['wechatpay-v3', 'alipay-v3'];
/** Schemes whose text does not end with the body itself: there a line feed at the end is one of the body. */
const WITH_END = ['rfc9421', ...LINES, 'sorted-rsa2'];
/** Schemes that sign lines. */
const WITH_LINES = [...WITH_END, 'cms'];
const bytesOf = (base: string): Buffer => Buffer.from(base, 'latin1');

/** SEQUENCE of two INTEGERs that fills the bytes (RFC 3279 section 2.2.3); P-256 and P-384 stay within short lengths. */
function isDerSignature(bytes: Buffer): boolean {
  const rLength = bytes[3] ?? 0;
  const sAt = 4 + rLength;
  const fills = bytes[1] === bytes.length - 2 && sAt + 2 + (bytes[sAt + 1] ?? 0) === bytes.length;
  return bytes[0] === 0x30 && bytes[2] === 0x02 && bytes[sAt] === 0x02 && fills;
}

/** Whether bytes are hexadecimal digits, or what base64 makes of them. */
export const isHexText = (bytes: Uint8Array): boolean =>
  bytes.length >= 32 &&
  [Buffer.from(bytes), Buffer.from(Buffer.from(bytes).toString('base64'))].some((text) => HEX.test(text.toString('latin1')));
const HEX = /^(?:[0-9a-f]{64,}|[0-9A-F]{64,})$/;

function wasEncodedTwice(suspect: Suspect): boolean {
  const text = suspect.signature.toString('latin1');
  if (!/^[A-Za-z0-9+/_-]{40,}={0,2}$/.test(text)) return false;
  return verifiesOver({ ...suspect, signature: Buffer.from(text, 'base64') }, suspect.base);
}

const PKCS1 = { padding: constants.RSA_PKCS1_PADDING };
const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO };

/** Verifies with other options of the primitive than the key's record has. One attempt. */
function verifiesWith(suspect: Suspect, digest: string | null, options: object): boolean {
  const { attempt, publicKey, signature, base, claimed } = suspect;
  if (claimed) return false;
  return attempt(() => {
    const bytes = bytesFor(suspect, base);
    return bytes !== undefined && verify(digest, bytes, { key: publicKey, ...options }, signature);
  }, base.length);
}

const isPss = ({ algorithm }: Suspect): boolean => algorithm.startsWith('rsa-pss-');
const ownDigest = ({ algorithm }: Suspect): string => /sha\d+$/.exec(algorithm)?.[0] ?? '';
/** Hashes that are tried, by the type of the key. */
const HASHES: Readonly<Record<string, readonly string[]>> = { rsa: ['sha256', 'sha512', 'sha1'], ec: ['sha256', 'sha384', 'sha512'] };

/** The key's own kind of signature, whatever its hash. */
const optionsOf = (suspect: Suspect): object => {
  if (suspect.publicKey.asymmetricKeyType === 'ec') return { dsaEncoding: 'ieee-p1363' };
  return isPss(suspect) ? PSS : PKCS1;
};

const RSA_DIGESTS = ['sha256', 'sha512', 'sha1'];

/** One header that is signed, as programs and proxies are used to rewrite it. */
function* rewrittenHeaders(
  { rawHeaders }: Suspect['request'],
  covered: ReadonlySet<string>,
): Generator<readonly [at: number, value: string]> {
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const [name, value] = [(rawHeaders[at] as string).toLowerCase(), rawHeaders[at + 1] as string];
    if (!covered.has(name)) continue;
    const bare = value.replace(/;.*$/, '').trimEnd();
    const types = [bare, `${bare}; charset=utf-8`, `${bare};charset=utf-8`, `${bare}; charset=UTF-8`, `${bare};charset=UTF-8`];
    const others = [value.toLowerCase(), value.toUpperCase(), value.replace(/^"(.*)"$/, '$1'), `"${value}"`];
    for (const other of new Set(name === 'content-type' ? types : others)) if (other !== value) yield [at, other];
  }
}

/** Most spellings of headers that are tried. */
const REWRITTEN_MAX = 16;

/** Names of what is signed, headers among them. */
const coveredHeaders = ({ scheme, lines }: Suspect): readonly string[] =>
  scheme === 'jws' ? COVERED_WHEN_SENT : lines.map(({ name }) => name.replace(/^"(.*)"$/, '$1'));

function wasHeaderChanged(suspect: Suspect): boolean {
  const { rawHeaders } = suspect.request;
  const covered = new Set(coveredHeaders(suspect));
  covered.delete('content-digest');
  let tried = 0;
  for (const [at, value] of rewrittenHeaders(suspect.request, covered)) {
    tried += 1;
    if (tried > REWRITTEN_MAX) return false;
    if (verifiesFor(suspect, { rawHeaders: rawHeaders.map((each, i) => (i === at + 1 ? value : each)) })) return true;
  }
  return false;
}

/** As the drafts before RFC 9421 wrote the lines: names without quotes. */
const unquoted = (base: string): string =>
  writeLines(readLines(base).map(([identifier, value]) => [identifier.replace(/^"(@?[a-z0-9_-]+)"/, '$1'), value]));

/** How the signature is written and made. */
export const ENCODING_MISTAKES: readonly SignatureMistake[] = [
  {
    id: 'der-signature',
    hint: 'The signature is DER-encoded. ECDSA signatures here are r and s, each padded to the length of the curve (RFC 9421 section 3.3.4, RFC 7518 section 3.4).',
    made: ({ signature, algorithm }) => algorithm.startsWith('ecdsa-') && isDerSignature(signature),
  },
  {
    id: 'hex-signature',
    hint: 'The signature was written in hexadecimal before it was encoded. It must be the raw bytes in base64.',
    made: ({ signature }) => isHexText(signature),
  },
  {
    id: 'base64-twice',
    hint: 'The signature was encoded in base64 twice.',
    made: wasEncodedTwice,
  },
];

const byAny = (suspect: Suspect, wanted: (key: OtherKey) => boolean): boolean =>
  suspect.otherKeys.some((key) => wanted(key) && !sameKey(key.publicKey, suspect.publicKey) && verifiesOver(suspect, suspect.base, key));

/** Other keys than the one that was named. */
export const KEY_MISTAKES: readonly SignatureMistake[] = [
  {
    id: 'other-key',
    hint: 'Another of your registered keys made the signature than the one that keyid names.',
    made: (suspect) => byAny(suspect, ({ environment, isOfConnection }) => environment === undefined && !isOfConnection),
  },
  {
    id: 'key-of-the-connection',
    hint: 'The key of the certificate you connected with made the signature, not the signing key that keyid names.',
    made: (suspect) => byAny(suspect, ({ isOfConnection }) => isOfConnection === true),
  },
  {
    id: 'key-of-another-environment',
    hint: 'A key of another environment made the signature. Keys of a test system never count here; sign with the key that is registered for this one.',
    made: (suspect) => byAny(suspect, ({ environment }) => environment !== undefined),
  },
];

/** The line ends of what was signed. */
export const LINE_MISTAKES: readonly SignatureMistake[] = [
  {
    id: 'line-feed-at-end',
    hint: 'What was signed ends with one line feed too many. In RFC 9421 there is none after the last line (section 2.5), in schemes of lines exactly one.',
    appliesTo: WITH_END,
    made: (suspect) => verifiesOver(suspect, `${suspect.base}\n`),
  },
  {
    id: 'last-line-feed-missing',
    hint: 'What was signed lacks the line feed behind its last line, the body; it stands there for an empty body too.',
    appliesTo: LINES,
    made: (suspect) => verifiesOver(suspect, suspect.base.slice(0, -1)),
  },
  {
    id: 'base-crlf',
    hint: 'The lines of what was signed end with CR LF. They end with LF alone.',
    appliesTo: WITH_LINES,
    made: (suspect) =>
      suspect.base.includes('\n') &&
      [suspect.base.replaceAll('\n', '\r\n'), `${suspect.base.replaceAll('\n', '\r\n')}\r\n`].some((base) => verifiesOver(suspect, base)),
  },
  {
    id: 'escaped-line-feeds',
    hint: 'The lines of what was signed are joined by a backslash and the letter n. They are joined by the byte 0A.',
    appliesTo: WITH_LINES,
    made: (suspect) => suspect.base.includes('\n') && verifiesOver(suspect, suspect.base.replaceAll('\n', '\\n')),
  },
];

/** Other things about the text that was signed. */
export const TEXT_MISTAKES: readonly SignatureMistake[] = [
  {
    id: 'params-line-missing',
    hint: 'The last line, "@signature-params", was not signed (RFC 9421 section 2.5).',
    appliesTo: COMPONENTS,
    made: (suspect) => {
      const without = suspect.base.slice(0, Math.max(0, suspect.base.lastIndexOf('\n')));
      return [without, `${without}\n`].some((base) => verifiesOver(suspect, base));
    },
  },
  {
    id: 'names-without-quotes',
    hint: 'The names of components were signed without quotes, as in drafts before RFC 9421.',
    appliesTo: COMPONENTS,
    made: (suspect) => verifiesOver(suspect, unquoted(suspect.base)),
  },
  {
    id: 'header-changed',
    hint: 'A signed header was changed on the way, or signed as it was not sent: its letters, its quotes, or the charset of Content-Type.',
    appliesTo: [...COMPONENTS, 'jws', 'cms'],
    made: wasHeaderChanged,
  },
];

/** The primitive that made the signature. */
export const PRIMITIVE_MISTAKES: readonly SignatureMistake[] = [
  {
    id: 'hashed-twice',
    hint: 'The text was hashed before it was given to a function that hashes it again.',
    made: (suspect) =>
      [sha256(bytesOf(suspect.base)), Buffer.from(sha256(bytesOf(suspect.base)).toString('hex'))].some((bytes) =>
        verifiesOver(suspect, bytes.toString('latin1')),
      ),
  },
  {
    id: 'pss-salt-length',
    hint: 'The RSA-PSS salt has another length than its hash: 64 bytes with SHA-512 (RFC 9421 section 3.3.1), 32 in PS256; with openssl: -sigopt rsa_pss_saltlen:64.',
    made: (suspect) => isPss(suspect) && verifiesWith(suspect, ownDigest(suspect), PSS),
  },
  {
    id: 'pss-for-pkcs1',
    hint: 'The signature is RSA-PSS; the key is registered for RSA PKCS #1 v1.5 with SHA-256.',
    made: (suspect) => suspect.algorithm === 'rsa-v1_5-sha256' && RSA_DIGESTS.some((digest) => verifiesWith(suspect, digest, PSS)),
  },
  {
    id: 'pkcs1-for-pss',
    hint: 'The signature is RSA PKCS #1 v1.5; the key is registered for RSA-PSS, with a salt as long as its hash.',
    made: (suspect) => isPss(suspect) && RSA_DIGESTS.some((digest) => verifiesWith(suspect, digest, PKCS1)),
  },
  {
    id: 'wrong-hash',
    hint: 'The signature was made with another hash than the algorithm of the key has.',
    made: (suspect) => {
      const others = HASHES[suspect.publicKey.asymmetricKeyType ?? '']?.filter((digest) => digest !== ownDigest(suspect)) ?? [];
      return others.some((digest) => verifiesWith(suspect, digest, optionsOf(suspect)));
    },
  },
];
