import { isUtf8 } from 'node:buffer';

/** Bounds on a document; what exceeds them is refused as soon as it is met. */
export type JsonBounds = {
  /** Arrays and objects inside each other; 1 to 1,000. Default 32. */
  readonly depthMax?: number;
  /** Names of members in the whole document. Default 10,000. */
  readonly keysMax?: number;
};

/** Why a document cannot be read in exactly one way: a public sentence that never repeats the input, and a byte offset. */
export class JsonProblem extends Error {
  readonly reason: string;
  readonly offset: number;
  constructor(reason: string, offset: number) {
    super(`${reason} (byte ${offset})`);
    this.name = 'JsonProblem';
    this.reason = reason;
    this.offset = offset;
  }
}

type Scan = { readonly bytes: Buffer; at: number; depth: number; keys: number; readonly depthMax: number; readonly keysMax: number };

const DEPTH_MAX = 32;
const KEYS_MAX = 10_000;

/**
 * Reads a JSON document (RFC 8259) that has exactly one reading, for every parser. Throws JsonProblem for anything else.
 *
 * Refused beyond the grammar: invalid UTF-8 and a BOM, names that repeat within an object after unescaping, lone surrogates, numbers that
 * JavaScript would write differently (1.0, 1e2, -0, 2^53+1, 1e400), whole numbers beyond 2^53 - 1, and more depth or names than the bounds. Linear in the
 * length of the input. Objects get every name, `__proto__` too, as an own property, as JSON.parse does it.
 */
export function parseStrictJson(input: Uint8Array, bounds: JsonBounds = {}): unknown {
  const bytes = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
  const { depthMax = DEPTH_MAX, keysMax = KEYS_MAX } = bounds;
  // The scanner calls itself once a level, so a level must stay far away from the end of the stack.
  if (depthMax < 1 || depthMax > 1000) throw new RangeError(`depthMax is 1 to 1000, not ${depthMax}`);
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) throw new JsonProblem('the document begins with a byte order mark', 0);
  if (!isUtf8(bytes)) throw new JsonProblem('the document is not valid UTF-8', findInvalidUtf8(bytes));
  const scan: Scan = { bytes, at: 0, depth: 0, keys: 0, depthMax, keysMax };
  skipBlanks(scan);
  scanValue(scan);
  skipBlanks(scan);
  if (scan.at < bytes.length) throw new JsonProblem('something follows the document', scan.at);
  return JSON.parse(bytes.toString('utf8'));
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;

function skipBlanks(scan: Scan): void {
  for (;;) {
    const byte = scan.bytes[scan.at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
    scan.at += 1;
  }
}

/** What a value may begin with, and how it goes on. */
function scanValue(scan: Scan): void {
  const first = scan.bytes[scan.at];
  if (first === QUOTE) scanString(scan);
  else if (first === 0x7b) scanWithin(scan, 0x7d, scanMember(scan));
  else if (first === 0x5b) scanWithin(scan, 0x5d, scanValue);
  else if (first === 0x74) scanWord(scan, 'true');
  else if (first === 0x66) scanWord(scan, 'false');
  else if (first === 0x6e) scanWord(scan, 'null');
  else scanNumber(scan);
}

/** An array or object from its opening to its closing byte. */
function scanWithin(scan: Scan, closing: number, scanEntry: (scan: Scan) => void): void {
  scan.depth += 1;
  if (scan.depth > scan.depthMax) throw new JsonProblem(`arrays and objects are nested more than ${scan.depthMax} deep`, scan.at);
  scan.at += 1;
  skipBlanks(scan);
  if (scan.bytes[scan.at] !== closing) {
    for (;;) {
      scanEntry(scan);
      skipBlanks(scan);
      if (scan.bytes[scan.at] !== COMMA) break;
      scan.at += 1;
      skipBlanks(scan);
    }
    if (scan.bytes[scan.at] !== closing) throw new JsonProblem('expected a comma or the end of the array or object', scan.at);
  }
  scan.at += 1;
  scan.depth -= 1;
}

/** Makes the scanner of one object's members, which remembers the names it has seen. */
function scanMember(scan: Scan): (scan: Scan) => void {
  const names = new Set<string>();
  return () => {
    const start = scan.at;
    if (scan.bytes[start] !== QUOTE) throw new JsonProblem('expected a name in double quotes', start);
    const name = readString(scan);
    if (names.has(name)) throw new JsonProblem('a name repeats within one object', start);
    names.add(name);
    scan.keys += 1;
    if (scan.keys > scan.keysMax) throw new JsonProblem(`the document has more than ${scan.keysMax} names`, start);
    skipBlanks(scan);
    if (scan.bytes[scan.at] !== COLON) throw new JsonProblem('expected a colon after a name', scan.at);
    scan.at += 1;
    skipBlanks(scan);
    scanValue(scan);
  };
}

/** Scans a string and gives its text: names are compared after unescaping. */
function readString(scan: Scan): string {
  const start = scan.at;
  const plain = scanString(scan);
  return plain ? scan.bytes.toString('utf8', start + 1, scan.at - 1) : JSON.parse(scan.bytes.toString('utf8', start, scan.at));
}

/** Scans a string with its quotes; true when it has no escape. */
function scanString(scan: Scan): boolean {
  const { bytes } = scan;
  let plain = true;
  scan.at += 1;
  for (;;) {
    const byte = bytes[scan.at];
    if (byte === undefined) throw new JsonProblem('a string does not end', scan.at);
    if (byte < 0x20) throw new JsonProblem('a control character stands unescaped in a string', scan.at);
    scan.at += 1;
    if (byte === QUOTE) return plain;
    if (byte === BACKSLASH) {
      plain = false;
      scanEscape(scan);
    }
  }
}

const SHORT_ESCAPES: ReadonlySet<number | undefined> = new Set(Buffer.from('"\\/bfnrt'));
const LOWER_U = 0x75;

/** What follows a backslash. A surrogate must be the first half of a pair that follows at once (RFC 8259 section 8.2). */
function scanEscape(scan: Scan): void {
  const start = scan.at - 1;
  const byte = scan.bytes[scan.at];
  scan.at += 1;
  if (SHORT_ESCAPES.has(byte)) return;
  if (byte !== LOWER_U) throw new JsonProblem('a backslash is followed by something that is no escape', start);
  const unit = readHexUnit(scan, start);
  if (unit < 0xd800 || unit > 0xdfff) return;
  const paired = unit < 0xdc00 && scan.bytes[scan.at] === BACKSLASH && scan.bytes[scan.at + 1] === LOWER_U;
  if (paired) scan.at += 2;
  const low = paired ? readHexUnit(scan, start) : 0;
  if (low < 0xdc00 || low > 0xdfff) throw new JsonProblem('half of a surrogate pair stands alone', start);
}

/** Four hexadecimal digits. */
function readHexUnit(scan: Scan, start: number): number {
  const text = scan.bytes.toString('latin1', scan.at, scan.at + 4);
  if (!/^[0-9A-Fa-f]{4}$/.test(text)) throw new JsonProblem('\\u needs four hexadecimal digits', start);
  scan.at += 4;
  return Number.parseInt(text, 16);
}

function scanWord(scan: Scan, word: string): void {
  if (scan.bytes.toString('latin1', scan.at, scan.at + word.length) !== word) throw new JsonProblem('expected a value', scan.at);
  scan.at += word.length;
}

const isNumberByte = (byte: number | undefined): boolean =>
  byte !== undefined &&
  ((byte >= 0x30 && byte <= 0x39) || byte === 0x2d || byte === 0x2b || byte === 0x2e || byte === 0x65 || byte === 0x45);
/** More than any number that JavaScript writes has: 24 characters. */
const NUMBER_CHARACTERS_MAX = 32;
const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

/** A number is only accepted in the spelling that JavaScript writes: then every parser reads the value that was meant. */
function scanNumber(scan: Scan): void {
  const start = scan.at;
  while (isNumberByte(scan.bytes[scan.at])) scan.at += 1;
  if (scan.at === start) throw new JsonProblem('expected a value', start);
  const text = scan.bytes.toString('latin1', start, Math.min(scan.at, start + NUMBER_CHARACTERS_MAX + 1));
  if (!NUMBER.test(text) && text.length <= NUMBER_CHARACTERS_MAX) throw new JsonProblem('a number is malformed', start);
  const value = Number(text);
  if (String(value) !== text) throw new JsonProblem('a number is not in its shortest plain form, or too large to be exact', start);
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw new JsonProblem('a whole number is beyond 2^53 - 1', start);
}

/** Offset of the first byte that is not UTF-8: decoding replaces it, and the text before it has its length in bytes. */
function findInvalidUtf8(bytes: Buffer): number {
  const text = bytes.toString('utf8');
  let offset = 0;
  for (const character of text) {
    const isReplaced = character === '\ufffd' && bytes.toString('latin1', offset, offset + 3) !== '\xef\xbf\xbd';
    if (isReplaced) return offset;
    offset += Buffer.byteLength(character);
  }
  return bytes.length;
}
