import type { z } from 'zod';
import { FEN_MAX } from '../lib/money.ts';
import { CONTROLS, MERCHANT_KINDS } from '../protocol/access.ts';
import { boolean, choice, entry, integer, list, OPTIONAL, REQUIRED, section, text } from './rows.ts';

/** Every key of config/policy.yaml, one row each. docs/config.md and config/schemas/policy.json are generated from it. */

const control = choice(CONTROLS, REQUIRED, 'control');
const controls = (reason: string) => list(control, OPTIONAL, 0, reason, CONTROLS.length);
const operationId = text(REQUIRED, /^[A-Za-z][A-Za-z0-9._-]{0,63}$/, 'an operation id', 'operation id');

const WHEN = section(
  {
    operations: list(operationId, OPTIONAL, 1, 'the operation is one of these', 1_000),
    levels: list(choice(['A1', 'A2'], REQUIRED, 'level'), OPTIONAL, 1, 'its level is one of these', 2),
    access: choice(['read', 'write'], OPTIONAL, 'read: it is a GET; write: any other method'),
    batch: boolean(OPTIONAL, 'whether it carries many orders at once (x-hufu.batch)'),
    dataClasses: list(choice(['C2', 'C3'], REQUIRED, 'class'), OPTIONAL, 1, 'some field or parameter of its request has one of these', 2),
    amountAboveFen: integer(OPTIONAL, 0, FEN_MAX, 'fen', 'the amount is larger; equal to it is not'),
    merchantKinds: list(choice(MERCHANT_KINDS, REQUIRED, 'kind'), OPTIONAL, 1, '`kind` of the merchant is one of these', 5),
  },
  'All that is written must hold; what is left out always does.',
);

const RULE = entry({
  id: text(REQUIRED, /^[A-Za-z][A-Za-z0-9_-]{0,31}$/, 'an id such as P1', 'stands in refusals, log and journal'),
  description: text(OPTIONAL, /^.{1,512}$/s, 'text of 1 to 512 characters', 'for people'),
  when: WHEN,
  allow: entry({
    internet: controls('allowed over the internet, with these controls'),
    dedicated: controls('allowed over the dedicated line (专线), with these controls'),
  }).meta({ description: 'channels; one that is not here is refused' }),
});

export const POLICY = entry({
  oneTimeFields: list(
    text(REQUIRED, /^[A-Za-z][A-Za-z0-9_]{0,63}$/, 'the name of a field', 'name'),
    [],
    0,
    'names of C3 fields that are worthless after use, such as SMS codes (短信验证码): they count as C2 in `dataClasses`',
    64,
  ),
  mandatory: section(
    {
      C2: list(control, [], 0, 'controls that every rule must demand which can meet data of class C2', CONTROLS.length),
      C3: list(control, ['encryption'], 1, 'the same for C3; never without encryption', CONTROLS.length),
    },
    'The least that rules must demand, by class of data. `hufu check` refuses rules that demand less.',
  ),
  rules: list(RULE, REQUIRED, 1, 'read in order, the first that matches decides; when none does, the request is refused', 64),
});

export type PolicyFile = z.output<typeof POLICY>;
export type PolicyRule = PolicyFile['rules'][number];
