import { UserError } from '../lib/user-error.ts';

/** One attribute of a name. `value` is the decoded text, exactly as in the certificate: no trimming, no case folding. */
export type NameAttribute = { readonly oid: string; readonly value: string };

/** A distinguished name: relative names in certificate order, each a set of one or more attributes. */
export type DistinguishedName = readonly (readonly NameAttribute[])[];

/** Attribute types that have a name in text: those of RFC 4514 section 3, and two that OpenSSL prints by name too. */
const ATTRIBUTE_TYPES: readonly (readonly [name: string, oid: string])[] = [
  ['CN', '2.5.4.3'],
  ['serialNumber', '2.5.4.5'],
  ['C', '2.5.4.6'],
  ['L', '2.5.4.7'],
  ['ST', '2.5.4.8'],
  ['STREET', '2.5.4.9'],
  ['O', '2.5.4.10'],
  ['OU', '2.5.4.11'],
  ['DC', '0.9.2342.19200300.100.1.25'],
  ['UID', '0.9.2342.19200300.100.1.1'],
  ['emailAddress', '1.2.840.113549.1.9.1'],
];
const oidByName = new Map(ATTRIBUTE_TYPES.map(([name, oid]) => [name.toLowerCase(), oid]));
const nameByOid = new Map(ATTRIBUTE_TYPES.map(([name, oid]) => [oid, name]));

/** Object identifier of the common name. */
export const COMMON_NAME = '2.5.4.3';
/** Longest accepted attribute value, bytes of UTF-8. */
export const VALUE_BYTES_MAX = 512;
/** Most attributes in one accepted name. */
export const ATTRIBUTES_MAX = 32;

/** Control characters, line and paragraph separators, bidirectional and zero-width characters, fillers, halves of surrogate pairs. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}]/u;

/** Says why a value is not accepted in a name, without repeating it; undefined when it is. */
export function findValueProblem(value: string): string | undefined {
  if (value === '') return 'an attribute of the name is empty';
  if (INVISIBLE.test(value)) return 'an attribute of the name has a control, zero-width or direction character';
  if (Buffer.byteLength(value, 'utf8') > VALUE_BYTES_MAX) return `an attribute of the name is longer than ${VALUE_BYTES_MAX} bytes`;
  return undefined;
}

/**
 * Says why a name is not accepted, without repeating it; undefined when it is.
 * Two common names are refused because readers differ in which one counts.
 */
export function findNameProblem(name: DistinguishedName): string | undefined {
  const attributes = name.flat();
  if (attributes.length === 0) return 'the name is empty';
  if (attributes.length > ATTRIBUTES_MAX) return `the name has more than ${ATTRIBUTES_MAX} attributes`;
  if (attributes.filter(({ oid }) => oid === COMMON_NAME).length > 1) return 'the name has more than one CN';
  // X.501 section 9.3: the attributes of one relative name have different types.
  if (name.some((relative) => relative.length === 0 || new Set(relative.map(({ oid }) => oid)).size !== relative.length))
    return 'one relative name has the same attribute type twice';
  for (const { value } of attributes) {
    const problem = findValueProblem(value);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/**
 * The name as text for people, logs and configuration, RFC 4514 section 2: last relative name first, specials and
 * invisible characters escaped. Agrees with `openssl x509 -nameopt RFC2253,utf8,-esc_msb`.
 * Never compare printed names; see sameName.
 */
export function printName(name: DistinguishedName): string {
  // OpenSSL turns the attributes of one relative name round too; the RFC leaves their order open.
  return name
    .toReversed()
    .map((relative) => relative.toReversed().map(printAttribute).join('+'))
    .join(',');
}

function printAttribute({ oid, value }: NameAttribute): string {
  const type = nameByOid.get(oid);
  // RFC 4514 section 2.4: a type without a short name has its value as the hexadecimal of its encoding.
  return type === undefined ? `${oid}=#${utf8StringDer(value).toString('hex').toUpperCase()}` : `${type}=${escapeValue(value)}`;
}

function escapeValue(value: string): string {
  const escaped = [...value].map((character) => {
    if (/["+,;<>\\]/.test(character)) return `\\${character}`;
    return INVISIBLE.test(character) ? hexPairs(character) : character;
  });
  if (escaped[0] === ' ' || escaped[0] === '#') escaped[0] = `\\${escaped[0]}`;
  if (escaped.length > 1 && escaped.at(-1) === ' ') escaped[escaped.length - 1] = '\\ ';
  return escaped.join('');
}

const hexPairs = (character: string): string => Buffer.from(character, 'utf8').toString('hex').toUpperCase().replace(/../g, '\\$&');

function utf8StringDer(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8');
  const length =
    bytes.length < 128 ? [bytes.length] : bytes.length < 256 ? [0x81, bytes.length] : [0x82, bytes.length >> 8, bytes.length & 255];
  return Buffer.concat([Buffer.from([0x0c, ...length]), bytes]);
}

/**
 * Reads the text form of RFC 4514 section 3, strictly: no spaces around separators, so that the differently ordered
 * output of `openssl x509 -subject` is refused rather than misread. The first relative name of the text is the last of the
 * result. Throws a UserError with the column for anything else, and for names that no accepted certificate can have.
 */
export function parseName(text: string): DistinguishedName {
  const name: NameAttribute[][] = [];
  let relative: NameAttribute[] = [];
  let at = 0;
  for (;;) {
    const attribute = readAttribute(text, at);
    relative.unshift(attribute.attribute);
    at = attribute.end;
    if (text[at] === '+') {
      at += 1;
      continue;
    }
    name.unshift(relative);
    relative = [];
    if (at === text.length) break;
    at += 1;
  }
  const problem = findNameProblem(name);
  if (problem !== undefined) throw new UserError(`the distinguished name cannot be used: ${problem}`);
  return name;
}

const NAME_HINT = 'print it with: openssl x509 -noout -subject -nameopt RFC2253,utf8,-esc_msb -in FILE';

function nameError(at: number, what: string): UserError {
  return new UserError(`distinguished name, column ${at + 1}: ${what}; ${NAME_HINT}`);
}

function readAttribute(text: string, start: number): { attribute: NameAttribute; end: number } {
  const type = /[A-Za-z0-9.-]*/y;
  type.lastIndex = start;
  const typeText = type.exec(text)?.[0] ?? '';
  const equals = start + typeText.length;
  if (typeText === '') throw nameError(start, 'an attribute type such as CN is expected');
  if (text[equals] !== '=') throw nameError(equals, 'an equals sign is expected after the attribute type, without spaces');
  const oid = oidByName.get(typeText.toLowerCase()) ?? (isOid(typeText) ? typeText : undefined);
  if (oid === undefined)
    throw nameError(start, `the attribute type is unknown; write ${[...nameByOid.values()].join(', ')} or a dotted number`);
  const { value, end } = text[equals + 1] === '#' ? readHexValue(text, equals + 2) : readTextValue(text, equals + 1);
  if (value === '') throw nameError(equals + 1, 'the value is empty');
  return { attribute: { oid, value }, end };
}

const isOid = (text: string): boolean =>
  text.length <= 64 && /^(?:[01]\.(?:[0-9]|[1-3][0-9])|2\.(?:0|[1-9][0-9]*))(?:\.(?:0|[1-9][0-9]*))*$/.test(text);

function readTextValue(text: string, start: number): { value: string; end: number } {
  const bytes: Buffer[] = [];
  let at = start;
  let lastIsBareSpace = false;
  while (at < text.length && text[at] !== ',' && text[at] !== '+') {
    const character = String.fromCodePoint(text.codePointAt(at) as number);
    if (character === '\\') {
      const pair = readPair(text, at);
      bytes.push(pair.byte);
      at = pair.end;
      lastIsBareSpace = false;
      continue;
    }
    if (/[";<>]/.test(character) || !character.isWellFormed()) throw nameError(at, 'this character must be escaped by a backslash');
    if (character === ' ' && at === start) throw nameError(at, 'a space at the beginning of a value must be escaped by a backslash');
    bytes.push(Buffer.from(character, 'utf8'));
    lastIsBareSpace = character === ' ';
    at += character.length;
  }
  if (lastIsBareSpace) throw nameError(at - 1, 'a space at the end of a value must be escaped by a backslash');
  return { value: decodeUtf8(Buffer.concat(bytes), start), end: at };
}

/** The byte behind a backslash: a hexadecimal pair, or one of the characters that RFC 4514 lets escape. */
function readPair(text: string, at: number): { byte: Buffer; end: number } {
  const hex = text.slice(at + 1, at + 3);
  if (/^[0-9A-Fa-f]{2}$/.test(hex)) return { byte: Buffer.from(hex, 'hex'), end: at + 3 };
  const character = text[at + 1] ?? '';
  if (!/^["+,;<>\\ #=]$/.test(character)) throw nameError(at, 'a backslash goes before a special character or two hexadecimal digits');
  return { byte: Buffer.from(character, 'latin1'), end: at + 2 };
}

/** `#` and the hexadecimal of a DER string: UTF8String, PrintableString or IA5String. */
function readHexValue(text: string, start: number): { value: string; end: number } {
  const digits = /[0-9A-Fa-f]*/y;
  digits.lastIndex = start;
  const hex = digits.exec(text)?.[0] ?? '';
  const end = start + hex.length;
  const encoded = Buffer.from(hex, 'hex');
  const header = encoded[1] === 0x81 ? 3 : encoded[1] === 0x82 ? 4 : 2;
  const bytes = encoded.subarray(header);
  const value = decodeUtf8(bytes, start);
  const isWhole = utf8StringDer(value).subarray(1).equals(encoded.subarray(1)) && [0x0c, 0x13, 0x16].includes(encoded[0] ?? 0);
  if (hex.length % 2 !== 0 || !isWhole || (end < text.length && text[end] !== ',' && text[end] !== '+'))
    throw nameError(start - 1, 'after # comes the hexadecimal of a DER UTF8String, PrintableString or IA5String');
  return { value, end };
}

function decodeUtf8(bytes: Buffer, at: number): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new UserError(nameError(at, 'the value is not UTF-8').message, { cause });
  }
}

/** The attributes of one relative name are a set: sorted, so that equal sets give equal lists. */
function canonical(name: DistinguishedName): string[][][] {
  return name.map((relative) =>
    relative.map(({ oid, value }) => [oid, value]).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
  );
}

/**
 * Whether two names have the same attributes with the same values, in the same order.
 * Stricter than RFC 5280 section 7.1, which folds case and spaces: an inexact name is not the one that was registered.
 */
export function sameName(a: DistinguishedName, b: DistinguishedName): boolean {
  return JSON.stringify(canonical(a)) === JSON.stringify(canonical(b));
}

/**
 * The text under which merchants are bound to certificates: one text for each (authority, subject name), never one for two.
 * @param authorityName the configured name of the authority whose key signed the certificate
 */
export function bindingKeyOf(authorityName: string, subject: DistinguishedName): string {
  return JSON.stringify([authorityName, canonical(subject)]);
}
