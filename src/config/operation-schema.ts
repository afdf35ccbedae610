import { z } from 'zod';
import { boolean, choice, entry, integer, list, OPTIONAL, REQUIRED, section, text } from './rows.ts';

/** Every key of `x-hufu`, the extension of an OpenAPI operation, one row each. docs/config.md and config/schemas/x-hufu.json are generated from it. */

const pointer = <const D extends typeof OPTIONAL | typeof REQUIRED>(standard: D, reason: string) =>
  text(standard, /^(\/([^~/]|~[01])*)+$/, 'a JSON pointer such as /amountFen', reason);

const source = (words: string, reason: string) =>
  text(REQUIRED, new RegExp(`^(path:[A-Za-z][A-Za-z0-9_]*|${words}|(/([^~/]|~[01])*)+)$`), `a JSON pointer, path:NAME or ${words}`, reason);

const status = z
  .int({ error: 'expected a status 200 to 599' })
  .min(200, { error: 'expected a status 200 to 599' })
  .max(599, { error: 'expected a status 200 to 599' });

const RULE = entry({
  status: z
    .union([status, z.array(status).min(1)], { error: 'expected a status 200 to 599, or a list of them' })
    .meta({ description: 'status of the answer, or a list of them; each is described by the document' }),
  pointer: pointer(OPTIONAL, 'a place in the answer'),
  values: list(
    z.union([z.string(), z.number(), z.boolean()], { error: 'expected text, a number, true or false' }),
    OPTIONAL,
    1,
    'what stands there',
    256,
  ),
  means: choice(
    ['succeeded', 'failed', 'pending', 'unknown', 'notFound'],
    REQUIRED,
    'the outcome; notFound only in operations that others resolve with',
  ),
});

const clock = (reason: string) => text(REQUIRED, /^([01][0-9]|2[0-3]):[0-5][0-9]$/, 'a time of day such as 09:30 (in quotes)', reason);

const SEALED_FIELD = entry({
  pointer: pointer(REQUIRED, 'a place in the body; * stands for any index'),
  required: boolean(false, 'whether clear text is refused there'),
});

export const X_HUFU = entry({
  level: choice(['A1', 'A2'], REQUIRED, 'A1: public product data, read only; A2: accounts and funds (JR/T 0185)'),
  channels: list(choice(['internet', 'dedicated'], REQUIRED, 'channel'), ['internet', 'dedicated'], 1, 'ways it may be called', 2),
  window: entry({ from: clock('opens'), to: clock('closes; earlier than from: passes midnight') })
    .optional()
    .meta({ description: 'business hours in `timeZone`; default: always open' }),
  idempotency: choice(
    ['required', 'none'],
    OPTIONAL,
    'whether an Idempotency-Key is needed; always on A2 writes, which is the default there',
  ),
  idempotencyFrom: list(
    text(REQUIRED, /^(path:[A-Za-z][A-Za-z0-9_]*|(\/([^~/]|~[01])*)+)$/, 'a JSON pointer or path:NAME', 'a value that is always there'),
    OPTIONAL,
    1,
    'values that name the business order, such as [/orderNo]: the key of requests whose signature scheme signs no Idempotency-Key',
    8,
  ),
  merchant: list(
    pointer(REQUIRED, 'a place in the body'),
    [],
    0,
    "places in the body that must equal the identity's merchant number when they are there",
    16,
  ),
  amount: pointer(OPTIONAL, 'where the body has the amount, whole fen'),
  currency: pointer(OPTIONAL, 'where the body has the currency'),
  payer: pointer(OPTIONAL, 'where the body has the payer, for limits that count by it'),
  device: pointer(OPTIONAL, 'where the body names the device of who pays, for the risk service, which gets a keyed hash of it'),
  batch: boolean(false, 'whether it carries many orders at once (批量), for the access policy'),
  scene: pointer(OPTIONAL, 'where the body names its scene (业务场景), for contracts that allow only some'),
  limits: choice(
    ['totals', 'single', 'none'],
    OPTIONAL,
    'totals: amounts are reserved and settled; single: only bounds of one request; must be given on A2 writes',
  ),
  outcome: entry({
    rules: list(RULE, REQUIRED, 1, 'read in order, the first that matches decides, none means unknown', 64),
    repeat: list(
      entry({ request: source('merchantNumber', 'what was asked'), answer: pointer(REQUIRED, 'where the answer repeats it') }),
      [],
      0,
      'what a successful answer must repeat; a difference means unknown and raises an alarm',
      16,
    ),
  }).meta({ description: "how the core's answers are read" }),
  resolve: entry({
    operation: text(
      REQUIRED,
      /^[A-Za-z][A-Za-z0-9._-]{0,63}$/,
      'an operation id',
      'operation that is asked, a GET; its outcome rules read the answer',
    ),
    parameters: z
      .record(z.string(), source('derivedKey', 'path parameter'), { error: 'expected a map of parameters' })
      .meta({ description: 'its path parameters: a body pointer, path:NAME, or derivedKey' }),
    notFound: choice(
      ['afterExpiry', 'never'],
      REQUIRED,
      'when not found counts as failed; never is refused, since such a request could never end',
    ),
  })
    .optional()
    .meta({ description: 'how to ask what became of a request; needed on A2 writes' }),
  repeatable: boolean(false, 'whether the same derived key may be sent once more after the query proved execution, to get the full answer'),
  timeoutMs: integer(8_000, 100, 25_000, 'ms', 'how long to wait for the core; after that the outcome is unknown, not failed'),
  encryption: section(
    {
      body: choice(
        ['optional', 'required', 'none'],
        'optional',
        'whether the whole body of a request may, must or must not come as a JWE (application/jose)',
      ),
      fields: list(SEALED_FIELD, [], 0, 'fields of the request that may come as a JWE in place of their value', 64),
      answer: list(
        SEALED_FIELD,
        [],
        0,
        "fields of the answer that go out as a JWE to the merchant's key; required: a merchant without a key is refused",
        64,
      ),
    },
    'What is encrypted (docs/encryption.md).',
  ),
  forward: choice(
    ['opened', 'sealed'],
    'opened',
    'which bytes of an encrypted request the core gets: opened by the gateway, or as they were signed',
  ),
  mac: choice(
    ['refused', 'allowed'],
    'refused',
    'whether a request may be signed with a MAC under a working key alone, which proves nothing to third parties; only for reads',
  ),
  answeredBy: choice(['core', 'gateway'], 'core', 'who answers; gateway: a function of ours, after the same checks'),
  internal: boolean(false, 'only for questions of the gateway to the core; merchants cannot call it'),
  bodyBytesMax: integer(65_536, 1_024, 1_048_576, 'bytes', 'largest request body'),
});

export type HufuExtension = z.output<typeof X_HUFU>;
