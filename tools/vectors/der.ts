/** The few bytes of DER (X.690) that a CMS of the vectors is made of, written down a second time beside those of the gateway. */

export const node = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts);
  const size = content.length;
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
};
export const sequence = (...parts: readonly Uint8Array[]): Buffer => node(0x30, ...parts);
export const setOf = (...parts: readonly Buffer[]): Buffer => node(0x31, ...[...parts].sort(Buffer.compare));
export const octets = (bytes: Uint8Array): Buffer => node(0x04, bytes);
export const hex = (text: string): Buffer => Buffer.from(text, 'hex');
export const NULL = hex('0500');
export const ONE = hex('020101');

/** A positive INTEGER: no needless zeros, no sign. */
export function integer(bytes: Buffer): Buffer {
  const start = bytes.findIndex((byte) => byte !== 0);
  const plain = bytes.subarray(start === -1 ? bytes.length - 1 : start);
  return node(0x02, (plain[0] as number) > 0x7f ? Buffer.concat([Buffer.alloc(1), plain]) : plain);
}

/** ECDSA: r and s as two INTEGERs. */
export const derOf = (raw: Buffer): Buffer => {
  const half = raw.length / 2;
  return sequence(integer(raw.subarray(0, half)), integer(raw.subarray(half)));
};

/** The reverse of derOf at the end of a message; undefined when there is none. */
export function rawAtEnd(message: Buffer, bytes = 32): Buffer | undefined {
  for (let at = message.length - 2 * bytes - 8; at < message.length - 8; at += 1) {
    if (message[at] !== 0x30 || message[at + 1] !== message.length - at - 2 || message[at + 2] !== 0x02) continue;
    const rEnd = at + 4 + (message[at + 3] as number);
    const fixed = (part: Buffer): Buffer => Buffer.concat([Buffer.alloc(bytes), part]).subarray(-bytes);
    return Buffer.concat([fixed(message.subarray(at + 4, rEnd)), fixed(message.subarray(rEnd + 2))]);
  }
  return undefined;
}
