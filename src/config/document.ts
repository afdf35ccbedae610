import { z } from 'zod';
import { ENVIRONMENT } from './environment.ts';
import { MERCHANT } from './merchant-schema.ts';
import { X_HUFU } from './operation-schema.ts';
import { PLANS } from './plan-schema.ts';
import { POLICY } from './policy-schema.ts';
import { GATEWAY } from './schema.ts';

/** The part of JSON Schema that the rows make. */
type Schema = {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly additionalProperties?: Schema | boolean;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly 'x-unit'?: string;
  readonly 'x-form'?: string;
};

type Row = readonly [key: string, value: string, standard: string, reason: string];

const INTRODUCTION = `# Configuration

Generated from \`src/config\`; do not edit. \`hufu check\` tells every mistake at once, as \`file:line:column: message\`.
Unknown keys, duplicate keys, YAML aliases and tags are refused. Files may be JSON as well, with the name ending in \`.json\`.
The first line of the files in \`config/\` names a JSON Schema, which lets editors complete keys and mark mistakes.
`;

const CHAPTERS = [
  ['config/gateway.yaml', 'The gateway itself.', GATEWAY],
  ['config/plans.yaml', 'Limit plans. NAME stands for names of your own.', PLANS],
  ['config/policy.yaml', 'Which channel, under which controls (docs/policy.md).', POLICY],
  ['config/merchants/*.yaml', 'One file for each merchant.', MERCHANT],
  ['x-hufu', 'What each operation of an OpenAPI 3.1 document says to the gateway.', X_HUFU],
] as const;

/** docs/config.md: every key with its type, bounds, unit, default and reason. */
export function configMarkdown(): string {
  const chapters = CHAPTERS.map(([title, about, schema]) => {
    const json = z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12' }) as Schema;
    return `## ${title}\n\n${about}\n\n${table(['key', 'value', 'default', 'why'], rowsOf(json, ''))}`;
  });
  const variables = ENVIRONMENT.map(({ variable, kind, reason }) => [code(variable), kind, reason]);
  const environment = `## Environment\n\nSet over the file; an empty variable counts as unset.\n\n${table(['variable', 'value', 'sets'], variables)}`;
  return [INTRODUCTION, ...chapters, environment].join('\n');
}

/** A row for the key itself, where it says something, and for all keys below it. */
function rowsOf(schema: Schema, key: string): Row[] {
  const below = rowsBelow(schema, key);
  const isPlain = below.length === 0;
  if (key === '' || (!isPlain && schema.description === undefined)) return below;
  return [[code(key), isPlain || schema.type === 'array' ? printValue(schema) : 'section', '', schema.description ?? ''], ...below];
}

function rowsBelow(schema: Schema, key: string): Row[] {
  const prefix = key === '' ? '' : `${key}.`;
  const own = Object.entries(schema.properties ?? {}).flatMap(([name, member]) => {
    const isRequired = schema.required?.includes(name) ?? false;
    return rowsOf(member, `${prefix}${name}`).map(
      (row): Row =>
        row[0] === code(`${prefix}${name}`) ? [row[0], row[1], row[1] === 'section' ? '' : standardOf(member, isRequired), row[3]] : row,
    );
  });
  const kinds = (schema.oneOf ?? []).flatMap((option) => rowsBelow(option, `${key}(${option.properties?.kind?.const ?? ''})`));
  const named =
    typeof schema.additionalProperties === 'object' && Object.keys(schema.additionalProperties).length > 0
      ? rowsOf(schema.additionalProperties, `${prefix}NAME`)
      : [];
  const items = schema.items ? rowsBelow(schema.items, `${key}[]`) : [];
  return [...own, ...kinds, ...named, ...items];
}

function standardOf(schema: Schema, isRequired: boolean): string {
  if (schema.default !== undefined) return code(JSON.stringify(schema.default));
  return isRequired ? 'required' : 'optional';
}

function printValue(schema: Schema): string {
  if (schema.const !== undefined) return code(String(schema.const));
  if (schema.enum) return schema.enum.map((word) => code(String(word))).join(', ');
  if (schema.anyOf) return [...new Set(schema.anyOf.map(printValue))].join(' or ');
  if (schema.type === 'integer') return `${schema.minimum} to ${schema.maximum}${schema['x-unit'] ? ` ${schema['x-unit']}` : ''}`;
  if (schema.type === 'array')
    return schema.items?.properties || schema.items?.oneOf ? 'list of entries' : `list: ${schema.items ? printValue(schema.items) : ''}`;
  return schema['x-form'] ?? (schema.type === 'string' ? 'text' : schema.type === 'object' ? 'map' : (schema.type ?? 'any'));
}

const code = (text: string): string => `\`${text}\``;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return `${[line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')}\n`;
}
