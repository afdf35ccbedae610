import { sameName } from '../protocol/distinguished-name.ts';
import type { RegisteredHandle } from '../protocol/key-handle.ts';
import type { MerchantKey } from '../protocol/merchant.ts';

/** Finds the keys of a merchant that a handle fits: none, one, or the few that the message cannot tell apart. */
export type FindRegistered = (merchantNumber: string, handle: RegisteredHandle) => readonly MerchantKey[];

const NONE: readonly MerchantKey[] = [];

/** The text a key is found under; handles of different kinds and merchants have different texts, since merchant numbers are digits. */
const textOf = (merchantNumber: string, kind: RegisteredHandle['by'], value: string): string => `${merchantNumber} ${kind} ${value}`;

/** Indexes keys by everything that messages call them, for each merchant that may sign with them. */
export function indexKeys(keys: Iterable<MerchantKey>): FindRegistered {
  const index = new Map<string, MerchantKey[]>();
  const add = (text: string, key: MerchantKey): void => {
    const found = index.get(text);
    if (found) found.push(key);
    else index.set(text, [key]);
  };
  for (const key of keys) {
    for (const number of key.merchantNumbers) {
      add(textOf(number, 'merchant', ''), key);
      if (!key.certificate) continue;
      add(textOf(number, 'serial', key.certificate.serialNumber), key);
      add(textOf(number, 'alipaySerial', key.certificate.alipaySerial), key);
      add(textOf(number, 'thumbprint', key.certificate.thumbprint), key);
    }
  }
  return (merchantNumber, handle) => {
    const found = index.get(textOf(merchantNumber, handle.by, textIn(handle))) ?? NONE;
    if (handle.by !== 'serial' || !handle.issuer) return found;
    const { issuer } = handle;
    return found.filter(({ certificate }) => certificate && sameName(certificate.issuer, issuer));
  };
}

function textIn(handle: RegisteredHandle): string {
  switch (handle.by) {
    case 'serial':
      return handle.serialNumber;
    case 'alipaySerial':
      return handle.serial;
    case 'thumbprint':
      return handle.thumbprint;
    case 'merchant':
      return '';
  }
}
