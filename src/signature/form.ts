import { Refusal } from '../protocol/errors.ts';

/** Fields of a form that have exactly one reading, in the order of the body. */
export type Fields = ReadonlyMap<string, string>;

const FIELDS_MAX = 100;
const NAME = /^[A-Za-z][A-Za-z0-9_.]{0,63}$/;
/** What stands on the wire: no blanks, no controls, nothing beyond ASCII. */
const ENCODED = /^[\x21-\x7e]*$/;

const invalid = (detail: string): Refusal => new Refusal('SIGNATURE_INVALID', { detail });

/**
 * Reads an application/x-www-form-urlencoded body whose fields are signed as `name=value&...`. Refuses what would make two forms of
 * one text, or one form of two: a name twice, a value that is empty or holds `&` or `=` (but for the signature's own), bytes that
 * are no UTF-8, malformed percent-encoding. Throws SIGNATURE_INVALID.
 */
export function readForm(body: Buffer, signatureNames: readonly string[]): Fields {
  const text = body.toString('latin1');
  if (!ENCODED.test(text)) throw invalid('The form has characters that must be percent-encoded.');
  const pairs = text.split('&', FIELDS_MAX + 1);
  if (pairs.length > FIELDS_MAX) throw invalid(`The form has more than ${FIELDS_MAX} fields.`);
  const fields = new Map<string, string>();
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    const name = decode(pair.slice(0, Math.max(0, equals)));
    const value = decode(pair.slice(equals + 1));
    if (!NAME.test(name)) throw invalid('A field of the form has no name, or one of other characters than A-Z a-z 0-9 _ .');
    if (fields.has(name)) throw invalid('A field of the form stands twice.');
    if (value === '') throw invalid(`The field ${name} is empty; leave it out.`);
    if (/[&=]/.test(value) && !signatureNames.includes(name))
      throw invalid(`The value of ${name} holds & or =, which parts the fields of what is signed.`);
    fields.set(name, value);
  }
  return fields;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw invalid('The form is not well-formed percent-encoding of UTF-8.');
  }
}

/** `name=value&...` of the fields, sorted by the names' bytes: all of them but those left out. */
export function sortedFields(fields: Fields, leftOut: string): (readonly [name: string, value: string])[] {
  return [...fields].filter(([name]) => name !== leftOut).sort(([a], [b]) => (a < b ? -1 : 1));
}

export const joinFields = (fields: readonly (readonly [name: string, value: string])[]): string =>
  fields.map(([name, value]) => `${name}=${value}`).join('&');
