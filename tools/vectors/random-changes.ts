import type { HeaderPair } from './message.ts';

/** A small generator of random numbers that a seed decides (mulberry32): the same run again from the same seed. */
export function createRandom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** A message as bytes, so that a change can fall on any of them: start line, header lines, an empty line, body. Text is latin1. */
export type Wire = { readonly start: string; readonly headers: readonly HeaderPair[]; readonly body: string };

const writeWire = ({ start, headers, body }: Wire): string =>
  `${start}\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`;

/** Reads it as a strict HTTP parser does; undefined for what none would let through to a signature. */
function readWire(text: string): Wire | undefined {
  const end = text.indexOf('\r\n\r\n');
  const [start = '', ...lines] = text.slice(0, Math.max(end, 0)).split('\r\n');
  // The stored body begins where it did: lengths do not change, and Content-Length frames it.
  if (end === -1 || !/^[\x21-\x7e]+ [\x21-\x7e]+(?: [\x21-\x7e]+)?$/.test(start)) return undefined;
  const headers: HeaderPair[] = [];
  for (const line of lines) {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) return undefined;
    headers.push([name, value.replace(/^[\t ]+|[\t ]+$/g, '')]);
  }
  return { start, headers, body: text.slice(end + 4) };
}

/** Changes one byte of a message to another. Undefined: what came out is not HTTP. */
export function changeOneByte(wire: Wire, random: (below: number) => number): { readonly at: number; readonly changed: Wire | undefined } {
  const text = writeWire(wire);
  const at = random(text.length);
  const code = (text.charCodeAt(at) + 1 + random(255)) % 256;
  return { at, changed: readWire(text.slice(0, at) + String.fromCharCode(code) + text.slice(at + 1)) };
}

/** What counts in a message, as one text: equal texts mean the same. */
export type MeaningOf = (wire: Wire) => string;

/**
 * Why an accepted message that differs in a byte is the same message; undefined: it is not, and accepting it was wrong.
 * `covers` says which headers (lower case) are signed or decide anything.
 */
export function ruleOf(good: Wire, changed: Wire, covers: (name: string) => boolean, meaningOf: MeaningOf): string | undefined {
  if (meaningOf(good) !== meaningOf(changed)) return undefined;
  const names = (wire: Wire): string => wire.headers.map(([name]) => name).join('\n');
  if (names(good) !== names(changed) && names(good).toLowerCase() === names(changed).toLowerCase()) return 'letters of a header name';
  const spelled = (wire: Wire): string =>
    JSON.stringify([wire.start, wire.body, wire.headers.filter(([name]) => covers(name.toLowerCase()))]);
  if (spelled(good) === spelled(changed))
    return JSON.stringify(good) === JSON.stringify(changed) ? 'white space around a value' : 'a header that decides nothing';
  return 'another spelling of the same value';
}
