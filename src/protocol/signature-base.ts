import { readBase64 } from '../lib/bytes.ts';
import { allHeaders } from './headers.ts';

/**
 * The signature base of RFC 9421 and the few structured fields (RFC 9651) around it, for gateway and SDK alike.
 * Fields are written and read in their one canonical spelling only: what has two texts has two signatures.
 */

/**
 * Parameters of a component, RFC 9421 sections 2.1, 2.2.8 and 2.4, serialised in the order of the record's own keys.
 * `req`: of the request an answer belongs to. `sf`: strictly serialised. `bs`: each line as bytes. `tr`: of the trailers.
 * `key`: one member of a dictionary field. `name`: one query parameter.
 */
export type ComponentParameters = {
  readonly req?: true;
  readonly sf?: true;
  readonly bs?: true;
  readonly tr?: true;
  readonly key?: string;
  readonly name?: string;
};

/** One covered component, RFC 9421 section 2. */
export type Component = { readonly name: string; readonly params: ComponentParameters };

/** Signature parameters of RFC 9421 section 2.3, serialised in the order of the record's own keys. Times are whole seconds. */
export type SignatureParameters = {
  readonly created?: number;
  readonly expires?: number;
  readonly nonce?: string;
  readonly keyid?: string;
  readonly alg?: string;
  readonly tag?: string;
};

/** A member of Signature-Input: what is covered and how. */
export type SignatureInput = { readonly components: readonly Component[]; readonly params: SignatureParameters };

/** What components of a request are computed from. `rawHeaders` alternates name and value. */
export type RequestFacts = { readonly method: string; readonly target: string; readonly rawHeaders: readonly string[] };

/** A member of a dictionary field: its label and the text behind `label=`, as received. */
export type Member = { readonly label: string; readonly text: string };

const FLAGS: readonly string[] = ['req', 'sf', 'bs', 'tr'];
const TEXTS: readonly string[] = ['key', 'name'];
const INTEGER_PARAMETERS: readonly string[] = ['created', 'expires'];
const TEXT_PARAMETERS: readonly string[] = ['nonce', 'keyid', 'alg', 'tag'];

/** Whether a value has the type that a component's parameter of this name has; false for names that RFC 9421 does not know. */
export function fitsComponentParameter(name: string, value: unknown): value is true | string {
  return (FLAGS.includes(name) && value === true) || (TEXTS.includes(name) && typeof value === 'string');
}

/** Whether a value has the type RFC 9421 section 2.3 gives the parameter of this name; false for names it does not know. */
export function fitsParameter(name: string, value: unknown): value is number | string {
  if (INTEGER_PARAMETERS.includes(name)) return Number.isSafeInteger(value);
  return TEXT_PARAMETERS.includes(name) && typeof value === 'string';
}

/** A string of RFC 9651 section 4.1.6. Throws a RangeError for anything but printable ASCII, which is a bug of the caller. */
export function serialiseString(text: string): string {
  if (!/^[\x20-\x7e]*$/.test(text)) throw new RangeError('only printable ASCII fits into a structured field string');
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}

/** A component identifier: `"@method"`, `"@method";req`, `"signature";req;key="hufu"`. */
export function serialiseComponent({ name, params }: Component): string {
  let text = serialiseString(name);
  for (const [parameter, value] of Object.entries(params))
    text += value === true ? `;${parameter}` : `;${parameter}=${serialiseString(value)}`;
  return text;
}

/** What a component is, whatever the order of its parameters: two of one identity must not be covered (RFC 9421 section 2). */
export function identityOf({ name, params }: Component): string {
  const [first, second] = Object.keys(params);
  if (first === undefined) return serialiseString(name);
  const sorted = second === undefined ? params : Object.fromEntries(Object.entries(params).sort(([a], [b]) => (a < b ? -1 : 1)));
  return serialiseComponent({ name, params: sorted });
}

/** The value of a Signature-Input member, which is also that of `@signature-params` (RFC 9421 section 2.3). */
export function serialiseParams({ components, params }: SignatureInput): string {
  let text = `(${components.map(serialiseComponent).join(' ')})`;
  for (const [name, value] of Object.entries(params)) text += `;${name}=${typeof value === 'number' ? value : serialiseString(value)}`;
  return text;
}

/**
 * The signature base, RFC 9421 section 2.5; its bytes are `Buffer.from(base, 'latin1')`.
 * `lines` are serialised component identifiers with their values, in order; `params` comes from serialiseParams.
 */
export function signatureBase(lines: readonly (readonly [component: string, value: string])[], params: string): string {
  let base = '';
  for (const [component, value] of lines) base += `${component}: ${value}\n`;
  return `${base}"@signature-params": ${params}`;
}

/** The lines of a signature base, each named by its component: values hold no line feed. */
export function baseLines(base: string): { readonly name: string; readonly bytes: Buffer }[] {
  return base.split('\n').map((line) => ({ name: line.slice(0, line.indexOf(': ')), bytes: Buffer.from(line, 'latin1') }));
}

/** Host as it stands in a URI: lower case, without the default port of https (RFC 9421 section 2.2.3). */
export function authorityOf(rawHeaders: readonly string[]): string {
  const host = (allHeaders(rawHeaders, 'host')[0] ?? '').toLowerCase();
  return host.endsWith(':443') ? host.slice(0, -4) : host;
}

const pathEnd = (target: string): number => (target.includes('?') ? target.indexOf('?') : target.length);

/** Derived components of requests, RFC 9421 section 2.2; nothing is decoded or normalised. `@query` of no query is a lone `?`. */
const DERIVED: ReadonlyMap<string, (request: RequestFacts) => string> = new Map<string, (request: RequestFacts) => string>([
  ['@method', (request) => request.method],
  ['@target-uri', (request) => `https://${authorityOf(request.rawHeaders)}${request.target}`],
  ['@authority', (request) => authorityOf(request.rawHeaders)],
  ['@scheme', () => 'https'],
  ['@request-target', (request) => request.target],
  ['@path', ({ target }) => target.slice(0, pathEnd(target))],
  ['@query', ({ target }) => target.slice(pathEnd(target)) || '?'],
]);

const isBlank = (character: string | undefined): boolean => character === ' ' || character === '\t';

/** Not .trim(), which strips U+00A0 too; not a regular expression, which is quadratic for blanks within. */
function trimEnd(text: string): string {
  let end = text.length;
  while (isBlank(text[end - 1])) end -= 1;
  return text.slice(0, end);
}

function trimStart(text: string): string {
  let start = 0;
  while (isBlank(text[start])) start += 1;
  return text.slice(start);
}

/** The lines of a field in order, without white space around. */
export function fieldLines(rawHeaders: readonly string[], name: string): string[] {
  return allHeaders(rawHeaders, name).map((value) => trimStart(trimEnd(value)));
}

/** The value of a field, RFC 9421 section 2.1: all lines, joined. Undefined when absent. */
export function findFieldValue(rawHeaders: readonly string[], name: string): string | undefined {
  const lines = fieldLines(rawHeaders, name);
  return lines.length === 0 ? undefined : lines.join(', ');
}

/** The value of a component without parameters; undefined when the request has no such field or the derived name is unknown. */
export function findRequestValue(request: RequestFacts, name: string): string | undefined {
  return name.startsWith('@') ? DERIVED.get(name)?.(request) : findFieldValue(request.rawHeaders, name);
}

/**
 * The members of a dictionary field in order, duplicates included, which RFC 9651 parsers silently drop.
 * Cuts at commas outside of strings. Undefined when a string does not end or a member is empty; values are not checked.
 */
export function splitMembers(field: string): Member[] | undefined {
  const members: Member[] = [];
  // The label ends where no character of a label follows, and only there: else a text without end would be tried with every shorter
  // label, which takes a second for 16 KiB.
  const pattern = /[ \t]*([a-z*][a-z0-9_.*-]*)(?![a-z0-9_.*-])((?:[^",]|"(?:[^"\\]|\\.)*")*)(,|$)/y;
  for (let at = 0; at < field.length || members.length > 0; at = pattern.lastIndex) {
    pattern.lastIndex = at;
    const match = pattern.exec(field);
    if (!match) return undefined;
    const [, label, rest, end] = match as unknown as [string, string, string, string];
    members.push({ label, text: trimEnd(rest).replace(/^=/, '') });
    if (end === '') break;
  }
  return members;
}

/** The text of the one member with this label over all lines of a dictionary field; undefined when there is none or more than one. */
export function findMember(rawHeaders: readonly string[], name: string, label: string): string | undefined {
  const field = findFieldValue(rawHeaders, name);
  const found = field === undefined ? [] : (splitMembers(field) ?? []).filter((member) => member.label === label);
  return found.length === 1 ? found[0]?.text : undefined;
}

/** A byte sequence in its canonical spelling, `:base64:`; undefined for any other text. */
export function readByteSequence(text: string): Buffer | undefined {
  return text.length >= 2 && text.startsWith(':') && text.endsWith(':') ? readBase64(text.slice(1, -1)) : undefined;
}

export function serialiseByteSequence(bytes: Uint8Array): string {
  return `:${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')}:`;
}

const STRING = '"((?:[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]|\\\\["\\\\])*)"';
const COMPONENT = new RegExp(STRING, 'y');
const COMPONENT_PARAMETER = new RegExp(`;([a-z]+)(?:=${STRING})?`, 'y');
const PARAMETER = new RegExp(`;([a-z]+)=(?:${STRING}|(-?[0-9]{1,15}))`, 'y');
const unquote = (text: string): string => text.replace(/\\(.)/g, '$1');

/** Reads a Signature-Input member in the one spelling that serialiseParams writes; undefined for any other text. */
export function readSignatureInput(text: string): SignatureInput | undefined {
  const components: Component[] = [];
  let at = 1;
  while (text[at] !== ')') {
    if (components.length > 0) at += 1;
    const match = matchAt(COMPONENT, text, at);
    if (!match) return undefined;
    const params: Record<string, true | string> = {};
    at += match[0].length;
    for (let more = matchAt(COMPONENT_PARAMETER, text, at); more; more = matchAt(COMPONENT_PARAMETER, text, at)) {
      const value = more[2] === undefined || unquote(more[2]);
      if (!fitsComponentParameter(more[1] as string, value)) return undefined;
      params[more[1] as string] = value;
      at += more[0].length;
    }
    components.push({ name: unquote(match[1] as string), params });
  }
  const params = readParameters(text, at + 1);
  const input = params && { components, params };
  return input && serialiseParams(input) === text ? input : undefined;
}

function readParameters(text: string, from: number): SignatureParameters | undefined {
  const params: Record<string, string | number> = {};
  let at = from;
  while (at < text.length) {
    const match = matchAt(PARAMETER, text, at);
    if (!match) return undefined;
    const [whole, name, string, integer] = match;
    const value = string === undefined ? Number(integer) : unquote(string);
    if (!fitsParameter(name as string, value)) return undefined;
    params[name as string] = value;
    at += whole.length;
  }
  return params;
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}
