import type { z } from 'zod';
import type { Report } from './problems.ts';
import { hint } from './suggest.ts';
import type { YamlFile, YamlPath } from './yaml-file.ts';

type Issue = z.core.$ZodIssue;

/**
 * Checks a file against its schema: its typed value, or undefined after every problem was reported with line and column.
 * `base` is where in the file the value stands; '' names the file's own top in messages.
 */
export function checkShape<S extends z.ZodType>(
  source: YamlFile,
  schema: S,
  report: Report,
  base: YamlPath = [],
  value = source.value,
): z.output<S> | undefined {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  for (const issue of result.error.issues) reportIssue(source, schema, issue, report, base, value);
  return undefined;
}

function reportIssue(source: YamlFile, schema: z.ZodType, issue: Issue, report: Report, base: YamlPath, value: unknown): void {
  const inner = issue.path as YamlPath;
  const path = [...base, ...inner];
  if (issue.code === 'unrecognized_keys') {
    for (const key of issue.keys) {
      const known = knownKeys(schema, inner, value);
      const place = printPath(path);
      const message = `unknown key "${cut(key)}"${place && ` in ${place}`}${hint(key, known)}`;
      report(source.problem([...path, key], message, 'key'));
    }
    return;
  }
  const message = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
  const found = issue.code === 'invalid_key' ? inner.at(-1) : valueAt(value, inner);
  const name = printPath(path);
  if (found === undefined) report(source.problem(path.slice(0, -1), `${name || 'the file'} is missing: ${message}`, 'key'));
  else
    report(
      source.problem(path, `${name && `${name}: `}${message}, found ${describe(found)}`, issue.code === 'invalid_key' ? 'key' : 'value'),
    );
}

/** `listeners.internet.port`, `keys[0].certificate`. */
export function printPath(path: YamlPath): string {
  return path.map((step, index) => (typeof step === 'number' ? `[${step}]` : `${index > 0 ? '.' : ''}${cut(step)}`)).join('');
}

/** A value as it may be shown in a message: cut, on one line, and never with the password of a URL. */
export function describe(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`;
  if (value !== null && typeof value === 'object') return 'a map';
  if (typeof value !== 'string') return String(value);
  return JSON.stringify(cut(value.replace(/\/\/.*@/s, '//...@')));
}

const cut = (value: string): string => (value.length > 60 ? `${value.slice(0, 60)}...` : value);

function valueAt(value: unknown, path: YamlPath): unknown {
  let at = value;
  for (const step of path) {
    if (at === null || typeof at !== 'object') return undefined;
    at = Object.hasOwn(at, step) ? (at as Record<string | number, unknown>)[step] : undefined;
  }
  return at;
}

/** The keys a schema knows at a path, for suggestions. */
function knownKeys(schema: z.ZodType, path: YamlPath, value: unknown): string[] {
  const def = (schema as unknown as { _zod: { def: ZodDef } })._zod.def;
  if (def.innerType) return knownKeys(def.innerType, path, value);
  if (def.options)
    return def.options.filter((option) => isOptionOf(option, def.discriminator, value)).flatMap((option) => knownKeys(option, path, value));
  const [step, ...rest] = path;
  if (step === undefined) return Object.keys(def.shape ?? {});
  const next = def.element ?? def.valueType ?? def.shape?.[step];
  return next ? knownKeys(next, rest, valueAt(value, [step])) : [];
}

type ZodDef = {
  readonly innerType?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly discriminator?: string;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly element?: z.ZodType;
  readonly valueType?: z.ZodType;
};

/** Whether an option of a union is the one the value names by its discriminator. */
function isOptionOf(option: z.ZodType, discriminator: string | undefined, value: unknown): boolean {
  if (discriminator === undefined) return true;
  const literal = (option as unknown as { _zod: { def: ZodDef } })._zod.def.shape?.[discriminator];
  return literal?.safeParse(valueAt(value, [discriminator])).success ?? true;
}
