import { verifyBytes } from '../algorithms.ts';
import { type Suspect, verifiesOver } from './suspect.ts';
import type { Mistake, SignatureMistake } from './table.ts';

/** Mistakes with what stands before the body: the protected header of a JWS, the block of lines of a CMS. */

const JWS = ['jws', 'jws-obie'];
const CMS = ['cms'];

const bodyOf = ({ request }: Suspect): string => request.body.toString('latin1');
const isEncoded = ({ base, request }: Suspect): boolean => base.endsWith(`.${request.body.toString('base64url')}`);
const headOf = ({ base }: Suspect): string => base.slice(0, base.indexOf('.'));
const payloadOf = ({ base }: Suspect): string => base.slice(base.indexOf('.') + 1);

/** First line, the lines of the block, empty line and body. */
function withBlock(suspect: Suspect, change: (lines: readonly string[]) => Iterable<readonly string[]>): boolean {
  const { base, lines } = suspect;
  const first = base.slice(0, base.indexOf('\n') + 1);
  const block = lines.filter(({ isBody }) => !isBody).map(({ bytes }) => `${bytes.toString('latin1')}\n`);
  for (const other of change(block)) if (verifiesOver(suspect, `${first}${other.join('')}\n${bodyOf(suspect)}`)) return true;
  return false;
}

/** Sorted by name, or the first two the other way round. */
function* reordered(lines: readonly string[]): Generator<readonly string[]> {
  const [first, second, ...others] = lines;
  yield [...lines].sort();
  if (first !== undefined && second !== undefined) yield [second, first, ...others];
}

export const CONTENT_MISTAKES: readonly SignatureMistake[] = [
  {
    id: 'payload-encoding',
    hint: 'The payload was signed as it is where the agreed profile encodes it in base64url, or the other way round.',
    appliesTo: JWS,
    made: (suspect) =>
      verifiesOver(suspect, `${headOf(suspect)}.${isEncoded(suspect) ? bodyOf(suspect) : suspect.request.body.toString('base64url')}`),
  },
  {
    id: 'header-not-encoded',
    hint: 'The JSON of the protected header was signed. What is signed is its base64url, as it is sent.',
    appliesTo: JWS,
    made: (suspect) => verifiesOver(suspect, `${Buffer.from(headOf(suspect), 'base64url').toString('latin1')}.${payloadOf(suspect)}`),
  },
  {
    id: 'body-alone',
    hint: 'The body alone was signed, without the protected header (JWS) or the block of lines (CMS) in front of it.',
    appliesTo: [...JWS, ...CMS],
    made: (suspect) =>
      [bodyOf(suspect), ...(JWS.includes(suspect.scheme) ? [payloadOf(suspect)] : [])].some((text) => verifiesOver(suspect, text)),
  },
  {
    id: 'block-separator',
    hint: 'Between the block and the body must stand one empty line, and nothing else.',
    appliesTo: CMS,
    made: (suspect) => {
      const { base, request } = suspect;
      const block = base.slice(0, base.length - request.body.length);
      return [block.slice(0, -1), `${block}\n`].some((text) => verifiesOver(suspect, `${text}${bodyOf(suspect)}`));
    },
  },
  {
    id: 'block-line-missing',
    hint: 'A line of the block was not signed, though what it names was sent.',
    appliesTo: CMS,
    made: (suspect) => withBlock(suspect, (lines) => lines.map((_, i) => lines.toSpliced(i, 1))),
  },
  {
    id: 'block-line-order',
    hint: 'The lines of the block were signed in another order than that of the documents.',
    appliesTo: CMS,
    made: (suspect) => withBlock(suspect, reordered),
  },
];

/** Where nothing else explains it: the signature is right, but over something else. */
export const OTHER_CONTENT: SignatureMistake = {
  id: 'other-content-signed',
  hint: 'The signature is right, but what it says was signed is not this request: method, address, headers or body were changed after that, in your program or on the way.',
  appliesTo: [...JWS, ...CMS],
  made: ({ claimed, attempt, algorithm, publicKey, signature }) =>
    claimed !== undefined && attempt(() => verifyBytes(algorithm, publicKey, claimed, signature), claimed.length),
};

/** What the form of a message says of itself, before any signature is looked at. */
export const B64_OF_THE_OTHER_PROFILE: Mistake = {
  id: 'b64-of-the-other-profile',
  hint: 'The protected header says by b64 (or by its absence) that it is of the other profile than the one agreed with you.',
};
export const ATTACHED_CONTENT: Mistake = {
  id: 'attached-content',
  hint: 'The message brings the signed content with it. It must be detached: in openssl cms without -nodetach, in Java new CMSSignedDataGenerator().generate(data, false).',
};
