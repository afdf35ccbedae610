import { stepsOf } from '../../admission/rules.ts';
import { hint } from '../../config/suggest.ts';
import { formatTable } from '../../lib/table.ts';
import { UserError } from '../../lib/user-error.ts';
import type { LimitRule } from '../../protocol/merchant.ts';
import type { Operation } from '../../protocol/operation.ts';
import { WrongUse } from '../exit.ts';
import { withStore } from '../with-store.ts';
import { type LimitOptions, readSite, type Site } from './site.ts';
import { type Counted, countedRules, type Standing, standingsOf } from './standing.ts';

export type ExplainOptions = LimitOptions & { operation: string; amountFen?: string; currency: string };

/** What a rule says of a request: `refuses` decides, `would` is the same of a rule on trial. */
type Verdict = { readonly verdict: 'passes' | 'refuses' | 'would' | 'needs'; readonly why: string };

/** `hufu limits explain`: every rule that is asked, in its order, and which one decides. Takes nothing and reserves nothing. */
export async function explain(number: string, options: ExplainOptions): Promise<void> {
  const site = readSite(number, options);
  const operation = findOperation(site, options.operation);
  const amountFen = readAmount(options, operation);
  const { nowMs, config, merchant } = site;
  const rules = countedRules(site.rulesOf(operation), site.factsOf(operation), options).filter(({ rule }) =>
    isAsked(rule, operation, options),
  );
  const standings = await withStore(config, (store) => standingsOf(store, number, rules, { nowMs, timeZone: config.timeZone, options }));
  const verdicts = rules.map((counted, i) => ({ ...(standings[i] as Standing), ...judge(counted, standings[i] as Standing, amountFen) }));
  const money = { ...(amountFen === undefined ? {} : { amountFen }), currency: options.currency };
  const facts = site.factsOf(operation);
  const steps = stepsOf(merchant.rules, {
    operation,
    ...money,
    address: facts.address,
    payer: () => facts.payer ?? '',
    nowMs,
    timeZone: config.timeZone,
  });
  const decides = verdicts.find(({ verdict }) => verdict === 'refuses')?.rule ?? steps.barred?.rule;
  const because = decides === undefined ? steps.barred?.detail : undefined;
  if (options.json) return console.log(JSON.stringify({ merchant: number, operation: operation.id, decides, because, limits: verdicts }));
  const columns = [{ title: 'limit' }, { title: 'counts' }, { title: 'verdict' }, { title: 'why' }];
  const rows = verdicts.map(({ rule, counts, verdict, why }) => [rule, counts, VERDICTS[verdict], why]);
  console.log([...formatTable(columns, rows), '', conclusion(decides, because)].join('\n'));
}

const VERDICTS: Readonly<Record<Verdict['verdict'], string>> = {
  passes: 'passes',
  refuses: 'refuses',
  would: 'would refuse (shadow)',
  needs: 'not asked',
};

const conclusion = (decides: string | undefined, because: string | undefined): string =>
  decides === undefined ? (because === undefined ? 'No limit refuses it.' : `Refused: ${because}`) : `Refused by ${decides}.`;

function findOperation({ operations, merchant }: Site, id: string): Operation {
  const found = operations.find((operation) => operation.id === id);
  const ids = operations.map((operation) => operation.id);
  if (!found) throw new UserError(`merchant ${merchant.number} has no operation ${id}${hint(id, ids)}; it has ${ids.join(', ')}`);
  return found;
}

function readAmount({ amountFen }: ExplainOptions, { id, limits }: Operation): number | undefined {
  if (amountFen === undefined && limits === 'none') return undefined;
  if (amountFen === undefined) throw new WrongUse(`${id} moves an amount: name it by --amount-fen`);
  const amount = Number(amountFen);
  if (!/^[0-9]+$/.test(amountFen) || !Number.isSafeInteger(amount))
    throw new WrongUse('--amount-fen: expected whole fen, such as 10000 for 100.00');
  return amount;
}

/** Money rules speak only of their own currency, and only where the operation has limits. */
const isAsked = (rule: LimitRule, { limits }: Operation, { currency }: ExplainOptions): boolean =>
  (rule.kind !== 'amount' && rule.kind !== 'total') || (limits !== 'none' && rule.currency === currency);

function judge({ rule }: Counted, { needs, left, used, reserved, bound, resetsAt }: Standing, amountFen = 0): Verdict {
  if (needs !== undefined) return { verdict: 'needs', why: `name it by ${needs}` };
  const refuses = rule.shadow ? 'would' : 'refuses';
  switch (rule.kind) {
    case 'rate':
      return (left ?? 0) > 0 ? { verdict: 'passes', why: `${left} left at once` } : { verdict: refuses, why: 'none left at once' };
    case 'amount': {
      const isWithin = amountFen >= rule.minFen && amountFen <= rule.maxFen;
      return { verdict: isWithin ? 'passes' : refuses, why: `${amountFen} of ${rule.minFen} to ${rule.maxFen}` };
    }
    case 'concurrency':
      return { verdict: (left ?? 0) > 0 ? 'passes' : refuses, why: `${used} of ${bound} under way` };
    case 'total': {
      const add = rule.of === 'count' ? 1 : amountFen;
      return {
        verdict: add <= (left ?? 0) ? 'passes' : refuses,
        why: `${used} used + ${reserved} reserved + ${add} of ${bound}, until ${resetsAt}`,
      };
    }
  }
}
