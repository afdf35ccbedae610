import { type BareItem, type InnerList, type Item, isInnerList, parseDictionary } from 'structured-headers';
import { readByteSequence, splitMembers } from '../protocol/signature-base.ts';

/** A member of a dictionary field: what it means, and how it was spelled. */
export type DictionaryMember = { readonly text: string; readonly value: Item | InnerList };

/**
 * Reads a dictionary field (RFC 9651 section 3.2) in which every label stands once; undefined for anything else.
 * The parser drops all but the last of equal labels without a word, so we count them ourselves.
 */
export function readDictionary(field: string): ReadonlyMap<string, DictionaryMember> | undefined {
  const members = splitMembers(field);
  const values = parse(field);
  if (!members || !values || values.size !== members.length) return undefined;
  const found = new Map<string, DictionaryMember>();
  for (const { label, text } of members) {
    const value = values.get(label);
    if (!value) return undefined;
    found.set(label, { text, value });
  }
  return found;
}

/** The value of a byte sequence in its canonical spelling and without parameters; undefined for any other member. */
export function readBytes({ text, value }: DictionaryMember): Buffer | undefined {
  const isBytes = !isInnerList(value) && bareItem(value) instanceof ArrayBuffer;
  return isBytes ? readByteSequence(text) : undefined;
}

const bareItem = (item: Item): BareItem => item[0];

function parse(field: string): ReturnType<typeof parseDictionary> | undefined {
  try {
    return parseDictionary(field);
  } catch {
    // Whatever it throws, ParseError or a slip of its own, the field cannot be read.
    return undefined;
  }
}
