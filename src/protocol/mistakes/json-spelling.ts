/** How a program writes JSON: what stands behind each separator, how it indents, which characters it escapes. */
type Spelling = { readonly comma: string; readonly colon: string; readonly indent: string; readonly escapes: RegExp };

const NOTHING = /(?!)/g;
const NOT_ASCII = /[\u0080-\uffff]/g;
const COMPACT: Spelling = { comma: ',', colon: ':', indent: '', escapes: NOTHING };

/** The usual serialisers: JavaScript and Jackson; Python; Python without ASCII; PHP; Go and Gson; indented by two and four. */
const SPELLINGS: readonly Spelling[] = [
  COMPACT,
  { ...COMPACT, comma: ', ', colon: ': ', escapes: NOT_ASCII },
  { ...COMPACT, comma: ', ', colon: ': ' },
  { ...COMPACT, escapes: /[/\u0080-\uffff]/g },
  { ...COMPACT, escapes: NOT_ASCII },
  { ...COMPACT, escapes: /[<>&\u2028\u2029]/g },
  { ...COMPACT, escapes: /[<>&='\u2028\u2029]/g },
  { ...COMPACT, colon: ': ', indent: '  ' },
  { ...COMPACT, colon: ': ', indent: '    ' },
];

const TOKEN = /[ \t\r\n]*("(?:[^"\\\u0000-\u001f]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+)/y;

/** Cut into strings, punctuation and bare words; undefined for what is no JSON at all. Nothing is built of it: no numbers, no objects. */
function readTokens(text: string): string[] | undefined {
  const tokens: string[] = [];
  // Not a regular expression, which is quadratic for blanks within.
  let end = text.length;
  while (' \t\r\n'.includes(text[end - 1] ?? 'x')) end -= 1;
  for (TOKEN.lastIndex = 0; TOKEN.lastIndex < end; ) {
    const [, token] = TOKEN.exec(text) ?? [];
    if (token === undefined) return undefined;
    tokens.push(token);
  }
  return tokens;
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['\\/', '/'],
  ['\\"', '\\"'],
  ['\\\\', '\\\\'],
]);

/** Undoes the escapes that a serialiser need not write. */
function plain(string: string): string {
  return string.replace(/\\(?:u([0-9a-fA-F]{4})|.)/g, (written, hex: string | undefined) => {
    const code = Number.parseInt(hex ?? '0', 16);
    if (hex === undefined) return ESCAPES.get(written) ?? written;
    return code < 0x20 || code === 0x22 || code === 0x5c ? written : String.fromCharCode(code);
  });
}

const escaped = (character: string): string => (character === '/' ? '\\/' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);

function write(tokens: readonly string[], { comma, colon, indent, escapes }: Spelling): string {
  let text = '';
  let depth = 0;
  const line = (): string => (indent === '' ? '' : `\n${indent.repeat(depth)}`);
  tokens.forEach((token, i) => {
    const isOpen = token === '{' || token === '[';
    const isClose = token === '}' || token === ']';
    const isEmpty = isClose && /^[{[]$/.test(tokens[i - 1] ?? '');
    if (isClose) depth = Math.max(0, depth - 1);
    if (isClose && !isEmpty) text += line();
    text += { ',': comma, ':': colon }[token] ?? (token.startsWith('"') ? token.replace(escapes, escaped) : token);
    if (isOpen) depth += 1;
    if (token === ',' || (isOpen && !/^[}\]]$/.test(tokens[i + 1] ?? ''))) text += line();
  });
  return text;
}

/** Bodies longer than this are not spelled anew, characters; nor are those of more levels, whose indentation would grow with the square. */
const CHARACTERS_MAX = 16_384;
const DEPTH_MAX = 32;

function isTooDeep(tokens: readonly string[]): boolean {
  let depth = 0;
  return tokens.some((token) => {
    if (token === '{' || token === '[') depth += 1;
    if (token === '}' || token === ']') depth -= 1;
    return depth > DEPTH_MAX;
  });
}

/**
 * The same JSON as other programs write it, each spelling once and none that is the text itself. Only white space and escapes differ:
 * members keep their order, numbers their digits. It compares texts and gives nothing a meaning, so it may read what is not verified.
 */
export function* otherSpellings(text: string): Generator<string> {
  if (text.length > CHARACTERS_MAX || !/^[ \t\r\n]*[[{]/.test(text)) return;
  const tokens = readTokens(text)?.map((token) => (token.startsWith('"') ? plain(token) : token));
  if (!tokens || isTooDeep(tokens)) return;
  const told = new Set([text]);
  for (const spelling of SPELLINGS) {
    const spelled = write(tokens, spelling);
    if (!told.has(spelled)) yield spelled;
    told.add(spelled);
  }
}
