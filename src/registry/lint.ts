import type { LimitRule, Merchant } from '../protocol/merchant.ts';
import type { Operation } from '../protocol/operation.ts';

/** Operations of level A2 that move an amount, and whether a rule bounds it: a total for `totals`, any bound of an amount for `single`. */
export function findUnlimited(merchant: Pick<Merchant, 'rules' | 'operations'>, operations: readonly Operation[]): Operation[] {
  return operations.filter(({ id, limits }) => {
    if (limits === 'none' || (merchant.operations && !merchant.operations.has(id))) return false;
    return !merchant.rules.some((rule) => bounds(rule, limits) && (rule.operations.length === 0 || rule.operations.includes(id)));
  });
}

const bounds = (rule: LimitRule, limits: 'totals' | 'single'): boolean =>
  (rule.kind === 'total' && rule.of === 'amount') || (rule.kind === 'amount' && limits === 'single');

/** Rules that cannot mean what they say: a total that is used up by less than one request, or a month that ends before a day does. */
export function findOddRules(rules: readonly LimitRule[]): { readonly rule: string; readonly message: string }[] {
  const totals = rules.filter((rule) => rule.kind === 'total');
  const odd: { rule: string; message: string }[] = [];
  for (const total of totals) {
    for (const rule of rules) {
      if (
        rule.kind === 'amount' &&
        total.of === 'amount' &&
        rule.currency === total.currency &&
        overlap(rule, total) &&
        total.max < rule.maxFen
      )
        odd.push({
          rule: total.name,
          message: `${total.name} (${total.max} fen a ${total.per}) is below what ${rule.name} allows at once (${rule.maxFen} fen)`,
        });
    }
    for (const day of totals) {
      const isSame = day.of === total.of && day.currency === total.currency && overlap(day, total) && day.scope === total.scope;
      if (total.per === 'month' && day.per === 'day' && isSame && total.max < day.max)
        odd.push({ rule: total.name, message: `${total.name} (${total.max} a month) is below ${day.name} (${day.max} a day)` });
    }
  }
  return odd;
}

const overlap = (a: LimitRule, b: LimitRule): boolean =>
  a.operations.length === 0 || b.operations.length === 0 || a.operations.some((id) => b.operations.includes(id));
