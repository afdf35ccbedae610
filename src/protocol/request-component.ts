import { type Component, fieldLines, findRequestValue, type RequestFacts, serialiseByteSequence } from './signature-base.ts';

/**
 * The value of a component of a request that needs no reader of structured fields: without a parameter, with `bs`, or `@query-param`.
 * Undefined for any other, and when the request does not have it or has it in more than one reading.
 */
export function findRequestComponent(request: RequestFacts, { name, params }: Component): string | undefined {
  const [parameter, ...more] = Object.entries(params);
  if (parameter === undefined) return findRequestValue(request, name);
  const [kind, value] = parameter;
  if (more.length > 0) return undefined;
  if (name === '@query-param') return kind === 'name' ? findQueryParameter(request.target, String(value)) : undefined;
  return kind === 'bs' && !name.startsWith('@') ? findLinesAsBytes(request.rawHeaders, name) : undefined;
}

/** Each line of a field as a byte sequence, RFC 9421 section 2.1.3. */
function findLinesAsBytes(rawHeaders: readonly string[], name: string): string | undefined {
  const lines = fieldLines(rawHeaders, name);
  return lines.length === 0 ? undefined : lines.map((line) => serialiseByteSequence(Buffer.from(line, 'latin1'))).join(', ');
}

/** What the URL Standard leaves as it is in application/x-www-form-urlencoded; `encodeURIComponent` leaves `!'()~` too. */
const LEFT_OVER = /[!'()~]/g;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decode(text: string): string | undefined {
  if (/%(?![0-9A-Fa-f]{2})/.test(text)) return undefined;
  const bytes = Buffer.from(
    text.replaceAll('+', ' ').replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
  try {
    return UTF8.decode(bytes);
  } catch {
    return undefined;
  }
}

const encode = (text: string): string =>
  encodeURIComponent(text).replace(LEFT_OVER, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);

/**
 * `@query-param`, RFC 9421 section 2.2.8: the value of a parameter of a query in application/x-www-form-urlencoded, decoded and encoded again. Undefined when
 * the name is absent, stands more than once or is not spelled as it would be encoded, and when any part of the query does not decode.
 * @param target path and query as sent, ASCII
 */
export function findQueryParameter(target: string, name: string): string | undefined {
  const mark = target.indexOf('?');
  if (mark === -1) return undefined;
  let found: string | undefined;
  for (const pair of target.slice(mark + 1).split('&')) {
    if (pair === '') continue;
    const equals = pair.includes('=') ? pair.indexOf('=') : pair.length;
    const [parameter, value] = [decode(pair.slice(0, equals)), decode(pair.slice(equals + 1))];
    if (parameter === undefined || value === undefined) return undefined;
    if (encode(parameter) !== name) continue;
    if (found !== undefined) return undefined;
    found = encode(value);
  }
  return found;
}
