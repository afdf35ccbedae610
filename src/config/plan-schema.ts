import { z } from 'zod';
import { FEN_MAX } from '../lib/money.ts';
import { choice, entry, integer, list, OPTIONAL, REQUIRED, text } from './rows.ts';

/** Every key of config/plans.yaml, one row each. docs/config.md and config/schemas/plans.json are generated from it. */

const operations = list(
  text(REQUIRED, /^[A-Za-z][A-Za-z0-9._-]{0,63}$/, 'an operation id', 'operation id'),
  [],
  0,
  'operations it counts, by id; default: all that the kind can count',
  1_000,
);
const scope = choice(['merchant', 'merchant+operation'], 'merchant', 'whose requests are counted together');
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
      operations,
      allow: integer(REQUIRED, 1, 1_000_000, 'requests', 'how many in `perMs`'),
      perMs: integer(1_000, 1, 86_400_000, 'ms', 'the time'),
      burst: integer(OPTIONAL, 1, 1_000_000, 'requests', 'how many at once after a pause; default `allow`'),
    }),
    entry({
      kind: kind('concurrency', 'requests under way at once, refused 429'),
      scope,
      operations,
      max: integer(REQUIRED, 1, 100_000, 'requests', 'how many'),
    }),
    entry({
      kind: kind('amount', 'the amount of one request, refused 403 LIMIT_SINGLE'),
      operations,
      currency,
      minFen: integer(1, 0, FEN_MAX, 'fen', 'smallest amount'),
      maxFen: integer(REQUIRED, 0, FEN_MAX, 'fen', 'largest amount; equal to it passes'),
    }),
    entry({
      kind: kind('total', 'sum of amounts or number of requests in a calendar window, refused 403 LIMIT_DAILY_* or LIMIT_MONTHLY_*'),
      of: choice(['amount', 'count'], REQUIRED, 'what is added up'),
      per: choice(['day', 'month'], REQUIRED, 'calendar window in `timeZone`'),
      scope,
      operations,
      currency,
      max: integer(REQUIRED, 0, FEN_MAX, 'fen or requests', 'largest total; equal to it passes'),
    }),
  ],
  { error: 'expected one of rate, concurrency, amount, total' },
);

const ruleName = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, { error: 'expected a name of a-z, 0-9 and -' });

export const PLANS = entry({
  plans: z
    .record(
      ruleName,
      entry({
        description: text(OPTIONAL, /^.{1,512}$/s, 'text of 1 to 512 characters', 'for people'),
        rules: z.record(ruleName, RULE, { error: 'expected a map of rules' }).meta({ description: 'the limits: a name, then the rule' }),
      }),
      { error: 'expected a map of plans' },
    )
    .meta({ description: 'plans: a name, then the plan' }),
});

export type PlanRule = z.output<typeof RULE>;
export type Plan = z.output<typeof PLANS>['plans'][string];
