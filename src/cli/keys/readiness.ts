import { isInShare } from '../../protocol/answer-key.ts';
import type { Merchant } from '../../protocol/merchant.ts';
import type { RotationRow } from './rotation.ts';

/** What is known of one merchant and one key. */
export type MerchantReadiness = {
  readonly merchantNumber: string;
  /** When it last fetched the list with the key in it or asked for the key by name; undefined: never. */
  readonly seenAtMs: number | undefined;
  /** Whether the key signs for it at its present share. */
  readonly isInShare: boolean;
};

export type Readiness = {
  readonly keyid: string;
  readonly merchants: readonly MerchantReadiness[];
  /** Whole, rounded down; 100 when the key is for nobody. */
  readonly readyPercent: number;
};

/**
 * Who must know a key before it signs for all: active merchants whose answers it will sign; a key that may sign refusals is for
 * everybody, and so is one that requests are encrypted to.
 * @param seen notes by `MERCHANT KEYID`; of names in prototypes none counts
 */
export function readinessOf(
  key: Pick<RotationRow, 'keyid' | 'algorithm' | 'sharePercent'>,
  merchants: readonly Merchant[],
  seen: ReadonlyMap<string, number>,
): Readiness {
  const { keyid, algorithm, sharePercent } = key;
  const isForAll = algorithm !== undefined && !algorithm.startsWith('rsa-');
  const concerned = merchants.filter(({ status, answerAlgorithm }) => status === 'active' && (isForAll || answerAlgorithm === algorithm));
  const rows = concerned.map(({ number }) => ({
    merchantNumber: number,
    seenAtMs: seen.get(`${number} ${keyid}`),
    isInShare: isInShare(keyid, number, sharePercent),
  }));
  const ready = rows.filter(({ seenAtMs }) => seenAtMs !== undefined).length;
  return { keyid, merchants: rows, readyPercent: rows.length === 0 ? 100 : Math.floor((ready * 100) / rows.length) };
}
