import { z } from 'zod';

/**
 * How one key of a configuration file is written down: type, default, bounds with unit, reason. Everything else (the check,
 * the message of a wrong value, docs/config.md, the JSON Schema for editors) is made from these rows.
 */

/** Stands where a key has no default: it must be given. */
export const REQUIRED = Symbol('required');
/** Stands where a key may be left out and then has no value. */
export const OPTIONAL = Symbol('optional');

type Default<V> = V | typeof REQUIRED | typeof OPTIONAL;
/** For docs/config.md: the unit of a number, the form of a text in words. */
type Notes = { readonly 'x-unit'?: string; readonly 'x-form'?: string };
type Field<S extends z.ZodType, D> = D extends typeof REQUIRED ? S : D extends typeof OPTIONAL ? z.ZodOptional<S> : z.ZodDefault<S>;

function field<S extends z.ZodType, D>(schema: S, standard: D, reason: string, notes: Notes = {}): Field<S, D> {
  const meta = { description: reason, ...notes };
  if (standard === REQUIRED) return schema.meta(meta) as Field<S, D>;
  if (standard === OPTIONAL) return schema.optional().meta(meta) as Field<S, D>;
  return schema.default(standard as never).meta(meta) as Field<S, D>;
}

/** A whole number from `min` to `max`, both included, in `unit`. */
export function integer<const D extends Default<number>>(standard: D, min: number, max: number, unit: string, reason: string) {
  const error = `expected an integer ${min} to ${max}${unit && ` (${unit})`}`;
  return field(z.int({ error }).min(min, { error }).max(max, { error }), standard, reason, { 'x-unit': unit });
}

export function boolean<const D extends Default<boolean>>(standard: D, reason: string) {
  return field(z.boolean({ error: 'expected true or false' }), standard, reason);
}

/** Text that fits a pattern; `expected` says in words what it is. */
export function text<const D extends Default<string>>(standard: D, pattern: RegExp, expected: string, reason: string) {
  const error = `expected ${expected}`;
  return field(z.string({ error }).regex(pattern, { error }), standard, reason, { 'x-form': expected });
}

/** One word of a few. */
export function choice<const W extends readonly [string, ...string[]], const D extends Default<W[number]>>(
  words: W,
  standard: D,
  reason: string,
) {
  return field(z.enum(words, { error: `expected ${words.length > 1 ? 'one of ' : ''}${words.join(', ')}` }), standard, reason);
}

/** One number of a few. */
export function numberOf<const N extends readonly [number, ...number[]], const D extends Default<N[number]>>(
  numbers: N,
  standard: D,
  reason: string,
) {
  return field(z.literal(numbers, { error: `expected one of ${numbers.join(', ')}` }), standard, reason);
}

/** A path of a file or directory; the reason says what it is relative to. */
export function path<const D extends Default<string>>(standard: D, reason: string) {
  return text(standard, /^[^\0]{1,4096}$/, 'a path', reason);
}

/** A list of entries of one kind, `min` to `max` of them. */
export function list<S extends z.ZodType, const D extends Default<readonly unknown[]>>(
  entry: S,
  standard: D,
  min: number,
  reason: string,
  max = 10_000,
) {
  const error = `expected a list of ${min} to ${max} entries`;
  return field(z.array(entry, { error }).min(min, { error }).max(max, { error }), standard, reason);
}

/** Keys below a key. A section that is left out has the defaults of its keys. */
export function section<T extends z.core.$ZodLooseShape>(shape: T, reason: string) {
  return z
    .strictObject(shape, { error: sectionError })
    .prefault({} as never)
    .meta({ description: reason });
}

/** A section that is off unless it is written. */
export function optionalSection<T extends z.core.$ZodLooseShape>(shape: T, reason: string) {
  return entry(shape).optional().meta({ description: reason });
}

/** An entry of a list, or a whole file: like a section, but it must be there. */
export function entry<T extends z.core.$ZodLooseShape>(shape: T) {
  return z.strictObject(shape, { error: sectionError });
}

const sectionError = (issue: { readonly code: string }): string | undefined =>
  issue.code === 'invalid_type' ? 'expected a map of keys and values' : undefined;
