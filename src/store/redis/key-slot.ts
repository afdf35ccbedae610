/** How many slots a Cluster has. */
export const SLOTS = 16_384;

const POLYNOMIAL = 0x1021;
/** CRC-16/XMODEM of each byte. */
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit += 1) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ POLYNOMIAL;
  return crc;
});

/** The slot of a key in a Redis Cluster (its specification, "Key distribution model" and "Hash tags"): CRC-16 of the first non-empty {tag}, or of the whole key. */
export function keySlot(key: string): number {
  const open = key.indexOf('{');
  const close = open < 0 ? -1 : key.indexOf('}', open + 1);
  let crc = 0;
  for (const byte of Buffer.from(close > open + 1 ? key.slice(open + 1, close) : key)) {
    crc = ((crc << 8) & 0xff_ff) ^ (TABLE[((crc >> 8) ^ byte) & 0xff] as number);
  }
  return crc % SLOTS;
}

const tags: (string | undefined)[] = [];
let tried = 0;

/** A hash tag whose keys live in this slot. Found by trying, and what was found on the way is kept. */
export function tagOfSlot(slot: number): string {
  for (; tags[slot] === undefined; tried += 1) tags[keySlot(String(tried))] ??= String(tried);
  return tags[slot] as string;
}
