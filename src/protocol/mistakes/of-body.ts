import { otherSpellings } from './json-spelling.ts';
import type { Suspect } from './suspect.ts';
import type { Mistake } from './table.ts';

/** What the signer may have had for a body: the same request would then have been right. Nothing for bodies that do not look like it. */
type BodyMistake = Mistake & { readonly bodies: (body: Buffer) => Iterable<Buffer> };

const BOM = Buffer.from([0xef, 0xbb, 0xbf]);
const textOf = (body: Buffer): string => body.toString('latin1');
const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1');

function* withOtherLineEnds(body: Buffer): Generator<Buffer> {
  const text = textOf(body);
  if (text.includes('\r\n')) yield bytesOf(text.replaceAll('\r\n', '\n'));
  else if (text.includes('\n')) yield bytesOf(text.replaceAll('\n', '\r\n'));
}

function* spelledAnew(body: Buffer): Generator<Buffer> {
  for (const spelled of otherSpellings(body.toString('utf8'))) yield Buffer.from(spelled, 'utf8');
}

/** As text of another encoding: GB 18030 that was turned into UTF-8 before signing, UTF-8 that was taken for latin1 and encoded twice. */
function* inOtherEncodings(body: Buffer): Generator<Buffer> {
  if (!body.some((byte) => byte > 0x7f)) return;
  yield Buffer.from(textOf(body), 'utf8');
  yield bytesOf(body.toString('utf8'));
  const chinese = readGb18030(body);
  if (chinese !== undefined) yield Buffer.from(chinese, 'utf8');
}

function readGb18030(body: Buffer): string | undefined {
  try {
    return new TextDecoder('gb18030', { fatal: true }).decode(body);
  } catch {
    return undefined; // other bytes, or a Node that was built without the tables
  }
}

/** Mistakes with bodies, the usual first. Each body costs one hash, or one verification where the scheme signs the body itself. */
export const BODY_MISTAKES: readonly BodyMistake[] = [
  {
    id: 'body-absent',
    hint: 'The digest is that of no bytes: it was computed before the body was there.',
    bodies: (body) => (body.length > 0 ? [Buffer.alloc(0)] : []),
  },
  {
    id: 'body-line-end-not-sent',
    hint: 'What was signed is the body with a line feed at its end, which was not sent.',
    bodies: (body) => [Buffer.concat([body, Buffer.from('\n')])],
  },
  {
    id: 'body-line-end-not-signed',
    hint: 'The body was sent with a line end (LF or CR LF) at its end, which was not signed.',
    bodies: (body) => (/\n$/.test(textOf(body.subarray(-1))) ? [bytesOf(textOf(body).replace(/\r?\n$/, ''))] : []),
  },
  {
    id: 'body-crlf',
    hint: 'The line ends of the body are not those that were signed: CR LF stands for LF, or LF for CR LF. Sign and send the very same bytes.',
    bodies: withOtherLineEnds,
  },
  {
    id: 'body-reserialised',
    hint: 'The body is the same JSON as the one that was signed, but serialised anew: other white space or escapes. Serialise once, sign those bytes, send those bytes.',
    bodies: spelledAnew,
  },
  {
    id: 'body-bom',
    hint: 'A byte order mark (EF BB BF) stands before the body that was sent or before the one that was signed. JSON has none.',
    bodies: (body) => [body.subarray(0, 3).equals(BOM) ? body.subarray(3) : Buffer.concat([BOM, body])],
  },
  {
    id: 'body-encoding',
    hint: 'The body was signed in another character encoding than it was sent in, or was encoded twice. Both must be UTF-8.',
    bodies: inOtherEncodings,
  },
];

/** The first mistake that explains the body; `fits` says whether a body is the one that was signed. */
export function findBodyMistake({ request, attempt, isExhausted }: Suspect, fits: (body: Buffer) => boolean): Mistake | undefined {
  return BODY_MISTAKES.find(({ bodies }) => {
    if (isExhausted()) return false;
    for (const body of bodies(request.body)) if (attempt(() => fits(body), body.length)) return true;
    return false;
  });
}
