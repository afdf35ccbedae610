import type { LimitRule, Merchant, Period, TotalRule } from '../../src/protocol/merchant.ts';
import { limitedMerchant } from '../support/front.ts';
import type { Random } from './random.ts';

/** Bound on the amount of one day, of every merchant, fen. */
export const LIMIT_FEN = 300;
/** Who pays; each pays at all merchants. */
export const PAYERS = ['6200000000000001', '6200000000000002'] as const;

/** Beginnings of windows in Shanghai, and a noon: a world begins up to a minute before. */
const MOMENTS: readonly number[] = [
  Date.UTC(2026, 10, 3, 4, 0, 0), // a Tuesday noon
  Date.UTC(2026, 10, 3, 4, 0, 0),
  Date.UTC(2026, 10, 2, 16, 0, 0), // a day
  Date.UTC(2026, 10, 1, 16, 0, 0), // a week, and with it a day
  Date.UTC(2026, 11, 31, 16, 0, 0), // a year
  Date.UTC(2028, 1, 28, 16, 0, 0), // a leap day
  Date.UTC(2028, 1, 29, 16, 0, 0), // and the month after it
];

/** When a world begins, wall clock, ms. */
export const pickStart = (random: Random): number => random.pick(MOMENTS) - random.between(0, 60_000);

type TotalTerms = Pick<TotalRule, 'of' | 'scope' | 'max'> & { readonly per: Period; readonly shadow?: true };

const total = ({ of, per, scope, max, shadow }: TotalTerms): LimitRule => ({
  kind: 'total',
  name: `${of} ${per} ${scope}${shadow ? ' on trial' : ''}`,
  of,
  per,
  scope,
  operations: [],
  currency: 'CNY',
  max,
  ...(shadow ? { shadow } : {}),
});

/** Rules that a world may have beside the daily bound of each merchant: other windows, counters of all merchants, bounds on trial. */
const MORE: readonly (readonly LimitRule[])[] = [
  [],
  [total({ of: 'amount', per: 'week', scope: 'merchant', max: 400 }), total({ of: 'count', per: 'day', scope: 'merchant', max: 3 })],
  [total({ of: 'amount', per: 'day', scope: 'payer', max: 300 })],
  [
    total({ of: 'amount', per: 'month', scope: 'platform', max: 400 }),
    total({ of: 'count', per: 'year', scope: 'merchant+payer', max: 2 }),
  ],
  [
    total({ of: 'amount', per: 'day', scope: 'merchant', max: 100, shadow: true }),
    total({ of: 'count', per: 'week', scope: 'payer', max: 1, shadow: true }),
    total({ of: 'amount', per: 'week', scope: 'payer', max: 250 }),
  ],
];

/** Two merchants under the same rules. */
export function pickMerchants(random: Random): readonly Merchant[] {
  const more = random.pick(MORE);
  return ['800000000000001', '800000000000002'].map((number) => {
    const merchant = limitedMerchant(number, LIMIT_FEN);
    return { ...merchant, rules: [...merchant.rules, ...more] };
  });
}
