import {
  type InnerList,
  type Item,
  isInnerList,
  parseItem,
  parseList,
  serializeDictionary,
  serializeInnerList,
  serializeItem,
  serializeList,
} from 'structured-headers';
import { findRequestComponent } from '../protocol/request-component.ts';
import { type Component, findFieldValue, type RequestFacts } from '../protocol/signature-base.ts';
import { readDictionary } from './dictionary.ts';

/** The three kinds of structured fields, RFC 9651 section 3. */
export type FieldType = 'dictionary' | 'list' | 'item';

/** Fields that are known to be structured, which `sf` demands (RFC 9421 section 2.1.1). */
const STRUCTURED: ReadonlyMap<string, FieldType> = new Map<string, FieldType>([
  ['accept-signature', 'dictionary'],
  ['client-cert', 'item'],
  ['client-cert-chain', 'list'],
  ['content-digest', 'dictionary'],
  ['priority', 'dictionary'],
  ['repr-digest', 'dictionary'],
  ['signature', 'dictionary'],
  ['signature-input', 'dictionary'],
  ['want-content-digest', 'dictionary'],
  ['want-repr-digest', 'dictionary'],
]);

/**
 * The value of a covered component of a request, RFC 9421 section 2. Undefined when the request does not have it, when it is one that no
 * request can have (`req`, `@status`), when we do not take it (`tr`), and when its value could be read in two ways: the signature is then
 * refused, never guessed at.
 */
export function findComponentValue(request: RequestFacts, component: Component): string | undefined {
  const { name, params } = component;
  const isStructured = params.sf !== undefined || params.key !== undefined;
  if (!isStructured) return findRequestComponent(request, component);
  const field = findFieldValue(request.rawHeaders, name);
  if (field === undefined || Object.keys(params).length > 1) return undefined;
  if (params.key !== undefined) return strictMember(field, params.key);
  const type = STRUCTURED.get(name);
  return type && strictText(field, type);
}

/** A structured field in its one strict spelling (RFC 9651 section 4.1); undefined when it cannot be read or has no certain spelling. */
export function strictText(field: string, type: FieldType): string | undefined {
  return certain(field, () => {
    if (type === 'list') return serializeList(parseList(field));
    if (type === 'item') return serializeItem(parseItem(field));
    const members = readDictionary(field);
    return members && serializeDictionary(new Map([...members].map(([label, { value }]) => [label, value])));
  });
}

function strictMember(field: string, key: string): string | undefined {
  const member = readDictionary(field)?.get(key);
  return member && certain(member.text, () => memberText(member.value));
}

const memberText = (value: Item | InnerList): string => (isInnerList(value) ? serializeInnerList(value) : serializeItem(value));

/** A number such as 1.0: the parser gives 1 for it, so that its strict text is lost. Also within a string, which nobody misses. */
const LOST_DECIMAL = /[0-9]\.0{1,3}(?![0-9])/;
/** What becomes of a date that JavaScript does not have. */
const LOST_DATE = '@NaN';

function certain(given: string, write: () => string | undefined): string | undefined {
  if (LOST_DECIMAL.test(given)) return undefined;
  try {
    const text = write();
    return text?.includes(LOST_DATE) ? undefined : text;
  } catch {
    // Whatever it throws, ParseError or a slip of its own, the field cannot be read.
    return undefined;
  }
}
