import { z } from 'zod';
import { FEN_MAX } from '../lib/money.ts';
import { boolean, choice, entry, integer, list, OPTIONAL, REQUIRED, text } from './rows.ts';

/** Every key of config/plans.yaml, one row each. docs/config.md and config/schemas/plans.json are generated from it. */

const operationId = text(REQUIRED, /^[A-Za-z][A-Za-z0-9._-]{0,63}$/, 'an operation id', 'operation id');
const operations = list(operationId, [], 0, 'operations it counts, by id; default: all that the kind can count', 1_000);
const scope = choice(
  ['merchant', 'merchant+operation', 'merchant+payer', 'operation', 'payer', 'address', 'platform'],
  'merchant',
  'whose requests are counted together; from operation on: those of all merchants',
);
const MOMENT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,3})?(Z|[+-]\d{2}:\d{2})$/;
export const moment = (reason: string) => text(OPTIONAL, MOMENT, 'an RFC 3339 time such as 2026-11-22T00:00:00+08:00', reason);

/** What every kind of rule may say. */
const terms = {
  operations,
  shadow: boolean(false, 'on trial: counted and reported (metric hufu_shadow_refusals_total), never refused'),
  notBefore: moment('the rule does not count before'),
  notAfter: moment('the rule does not count from then on'),
};
const currency = text('CNY', /^[A-Z]{3}$/, 'a currency of three capitals', 'currency of the amounts; currencies are never added together');
const kind = <const K extends string>(name: K, reason: string) =>
  z.literal(name, { error: `expected ${name}` }).meta({ description: reason });

/** The kinds of limit rules (protocol/merchant.ts LimitRule, without the name, which is the rule's key). */
export const RULE = z.discriminatedUnion(
  'kind',
  [
    entry({
      kind: kind('rate', 'requests per time, all of them, refused 429'),
      scope,
      ...terms,
      allow: integer(REQUIRED, 1, 1_000_000, 'requests', 'how many in `perMs`'),
      perMs: integer(1_000, 1, 86_400_000, 'ms', 'the time'),
      burst: integer(OPTIONAL, 1, 1_000_000, 'requests', 'how many at once after a pause; default `allow`'),
      costs: z
        .record(operationId, integer(REQUIRED, 1, 1_000_000, 'requests', 'cost'), { error: 'expected a map of operation ids and costs' })
        .optional()
        .meta({ description: 'operation id, then how many requests one of it counts for; default 1' }),
    }),
    entry({
      kind: kind('concurrency', 'requests under way at once, refused 429'),
      scope,
      ...terms,
      max: integer(REQUIRED, 1, 100_000, 'requests', 'how many'),
    }),
    entry({
      kind: kind('amount', 'the amount of one request, refused 403 LIMIT_SINGLE'),
      ...terms,
      currency,
      minFen: integer(1, 0, FEN_MAX, 'fen', 'smallest amount'),
      maxFen: integer(REQUIRED, 0, FEN_MAX, 'fen', 'largest amount; equal to it passes'),
    }),
    entry({
      kind: kind('total', 'sum of amounts or number of requests in a calendar window, refused 403 LIMIT_DAILY_* and its like'),
      of: choice(['amount', 'count'], REQUIRED, 'what is added up'),
      per: choice(['day', 'week', 'month', 'year'], REQUIRED, 'calendar window in `timeZone`; weeks begin on Monday'),
      scope,
      ...terms,
      currency,
      max: integer(REQUIRED, 0, FEN_MAX, 'fen or requests', 'largest total; equal to it passes'),
    }),
  ],
  { error: 'expected one of rate, concurrency, amount, total' },
);

const ruleName = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, { error: 'expected a name of a-z, 0-9 and -' });

const rules = z.record(ruleName, RULE, { error: 'expected a map of rules' });

export const PLANS = entry({
  common: rules.default({}).meta({ description: 'rules of every plan: a name, then the rule; a plan may change one by its name' }),
  plans: z
    .record(
      ruleName,
      entry({
        description: text(OPTIONAL, /^.{1,512}$/s, 'text of 1 to 512 characters', 'for people'),
        rules: rules.meta({ description: 'the limits: a name, then the rule' }),
      }),
      { error: 'expected a map of plans' },
    )
    .meta({ description: 'plans: a name, then the plan' }),
});

export type PlanRule = z.output<typeof RULE>;
export type Plan = z.output<typeof PLANS>['plans'][string];
