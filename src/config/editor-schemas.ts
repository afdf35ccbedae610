import { z } from 'zod';
import { MERCHANT } from './merchant-schema.ts';
import { X_HUFU } from './operation-schema.ts';
import { PLANS } from './plan-schema.ts';
import { POLICY } from './policy-schema.ts';
import { GATEWAY } from './schema.ts';

/** The files that editors can check while one types, and what each is about. */
const FILES = [
  ['config/schemas/gateway.json', GATEWAY, 'config/gateway.yaml'],
  ['config/schemas/merchant.json', MERCHANT, 'a file of config/merchants'],
  ['config/schemas/plans.json', PLANS, 'config/plans.yaml'],
  ['config/schemas/policy.json', POLICY, 'config/policy.yaml'],
  ['config/schemas/x-hufu.json', X_HUFU, 'the x-hufu extension of an operation'],
] as const;

/** JSON Schemas for editors: path from the project's root, then the text of the file. Made from the rows that check the configuration. */
export function editorSchemas(): Record<string, string> {
  return Object.fromEntries(FILES.map(([file, schema, about]) => [file, `${JSON.stringify(describeSchema(schema, about), null, 2)}\n`]));
}

function describeSchema(schema: z.ZodType, about: string): object {
  return { title: `Hufu: ${about}`, ...z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12' }) };
}
