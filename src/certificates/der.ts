import { CertificateProblem } from './problem.ts';

/**
 * A small strict reader of DER (X.690 section 10): definite lengths in their shortest form, low tag numbers, no bytes left
 * over. It exists beside the ASN.1 library because that one accepts BER and drops the grouping of multi-valued names.
 * Everything here throws CertificateProblem and nothing else, whatever the bytes.
 */
export type Element = {
  /** The identifier octet: class, constructed bit and tag number. */
  readonly tag: number;
  readonly content: Uint8Array;
  /** Header and content. */
  readonly whole: Uint8Array;
};

/** Identifier octets that certificates use. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  context0: 0xa0,
  context1: 0xa1,
  context2: 0xa2,
  context3: 0xa3,
  /** Context-specific and primitive: an implicit NULL or string. */
  primitive0: 0x80,
  primitive2: 0x82,
  primitive6: 0x86,
} as const;

const malformed = (): CertificateProblem => new CertificateProblem('the certificate is not well-formed DER');

/** The one element at an offset. */
function readAt(bytes: Uint8Array, offset: number): Element {
  const tag = bytes[offset];
  const first = bytes[offset + 1];
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) throw malformed();
  let length = first;
  let start = offset + 2;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > 3) throw malformed();
    length = 0;
    for (let i = 0; i < count; i += 1) length = length * 256 + (bytes[start + i] ?? 0);
    start += count;
    // The shortest form only: no long form below 128, no leading zero.
    if (length < 0x80 || length < 256 ** (count - 1)) throw malformed();
  }
  if (start + length > bytes.length) throw malformed();
  return { tag, content: bytes.subarray(start, start + length), whole: bytes.subarray(offset, start + length) };
}

/** Bytes that are exactly one element with this tag. */
export function readElement(bytes: Uint8Array, tag: number): Element {
  const element = readAt(bytes, 0);
  if (element.tag !== tag || element.whole.length !== bytes.length) throw malformed();
  return element;
}

/** The elements inside a constructed element. */
export function readChildren(element: Element): Element[] {
  const children: Element[] = [];
  for (let offset = 0; offset < element.content.length; ) {
    const child = readAt(element.content, offset);
    children.push(child);
    offset += child.whole.length;
  }
  return children;
}

/** The elements inside a constructed element that must have this tag. */
export function readChildrenOf(element: Element | undefined, tag: number): Element[] {
  return readChildren(expectTag(element, tag));
}

/** The element itself, when it is there and has this tag. */
export function expectTag(element: Element | undefined, tag: number): Element {
  if (element?.tag !== tag) throw malformed();
  return element;
}

/** Object identifier as dotted numbers; arcs up to 2^53 - 1 in their shortest form. */
export function readOid(element: Element | undefined): string {
  const { content } = expectTag(element, TAG.oid);
  if (content.length === 0 || content.length > 64) throw malformed();
  const arcs: number[] = [];
  let arc = 0;
  for (const [index, byte] of content.entries()) {
    const isFirstOfArc = index === 0 || (content[index - 1] as number) < 0x80;
    if (isFirstOfArc && byte === 0x80) throw malformed();
    arc = arc * 128 + (byte & 0x7f);
    if (!Number.isSafeInteger(arc)) throw malformed();
    if (byte < 0x80) {
      arcs.push(arc);
      arc = 0;
    }
  }
  if ((content.at(-1) as number) >= 0x80) throw malformed();
  const [first, ...rest] = arcs as [number, ...number[]];
  const root = Math.min(2, Math.floor(first / 40));
  return [root, first - root * 40, ...rest].join('.');
}

/** Whether a BOOLEAN is true: 00 or FF. */
export function readBoolean(element: Element): boolean {
  const { content } = expectTag(element, TAG.boolean);
  if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) throw malformed();
  return content[0] === 0xff;
}

/** The bytes of a non-negative INTEGER, without the sign octet. */
export function readUnsigned(element: Element | undefined): Uint8Array {
  const { content } = expectTag(element, TAG.integer);
  const [first, second] = content;
  if (first === undefined || first >= 0x80 || (first === 0 && second !== undefined && second < 0x80)) throw malformed();
  return first === 0 && content.length > 1 ? content.subarray(1) : content;
}

/** The numbers of the bits that are set in a BIT STRING of at most 16 named bits (X.690 section 11.2). */
export function readNamedBits(element: Element): ReadonlySet<number> {
  const { content } = expectTag(element, TAG.bitString);
  const [unused, ...bytes] = content;
  if (unused === undefined || unused > 7 || bytes.length === 0 || bytes.length > 2) throw malformed();
  const last = bytes.at(-1) as number;
  if ((last & ((1 << (unused + 1)) - 1)) !== 1 << unused) throw malformed();
  const bits = new Set<number>();
  for (const [index, byte] of bytes.entries())
    for (let bit = 0; bit < 8; bit += 1) if ((byte & (0x80 >> bit)) !== 0) bits.add(index * 8 + bit);
  return bits;
}

/** UTCTime or GeneralizedTime as RFC 5280 section 4.1.2.5 wants it: seconds, Z, no fraction. Milliseconds since 1970. */
export function readTime(element: Element | undefined): number {
  const text = Buffer.from(element?.content ?? []).toString('latin1');
  const isShort = element?.tag === TAG.utcTime && /^\d{12}Z$/.test(text);
  if (!isShort && !(element?.tag === TAG.generalizedTime && /^\d{14}Z$/.test(text))) throw malformed();
  const full = isShort ? `${Number(text.slice(0, 2)) >= 50 ? '19' : '20'}${text}` : text;
  const iso = full.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6.000Z');
  const milliseconds = Date.parse(iso);
  // Date.parse lets some days pass that no month has; printing shows them.
  if (Number.isNaN(milliseconds) || new Date(milliseconds).toISOString() !== iso) throw malformed();
  return milliseconds;
}
