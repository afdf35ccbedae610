import { CoreRefusal } from './answers.ts';

/** Whether a value is what a field takes. */
export type FieldRule = { readonly required: boolean; readonly accepts: (value: unknown) => boolean; readonly expected: string };

export const text = (form: RegExp, expected: string): FieldRule => ({
  required: true,
  accepts: (value) => typeof value === 'string' && form.test(value),
  expected,
});

/** Text of `min` to `max` code points, as JSON Schema counts, without control characters and line separators. */
export const words = (min: number, max: number): FieldRule => ({
  required: true,
  accepts: (value) => {
    if (typeof value !== 'string' || /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(value)) return false;
    const length = [...value].length;
    return length >= min && length <= max;
  },
  expected: `${min} to ${max} characters on one line`,
});

export const whole = (min: number, max: number): FieldRule => ({
  required: true,
  accepts: (value) => Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max,
  expected: `a whole number, ${min} to ${max}`,
});

export const oneOf = (...values: readonly string[]): FieldRule => ({
  required: true,
  accepts: (value) => typeof value === 'string' && values.includes(value),
  expected: values.join(' or '),
});

export const optional = (rule: FieldRule): FieldRule => ({ ...rule, required: false });

function checkField(name: string, rule: FieldRule, present: boolean, value: unknown): void {
  if (!present && !rule.required) return;
  if (!present) throw new CoreRefusal('SCHEMA_INVALID', `${name}: is missing.`);
  if (!rule.accepts(value)) throw new CoreRefusal('SCHEMA_INVALID', `${name}: expected ${rule.expected}.`);
}

/**
 * Reads an object that has the fields of a table and no others; `place` is its JSON pointer. Throws CoreRefusal
 * SCHEMA_INVALID that names the place, never a value.
 */
export function readObject(value: unknown, place: string, rules: Readonly<Record<string, FieldRule>>): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new CoreRefusal('SCHEMA_INVALID', `${place || 'body'}: expected an object.`);
  const fields = value as Record<string, unknown>;
  if (Object.keys(fields).some((name) => !Object.hasOwn(rules, name)))
    throw new CoreRefusal('SCHEMA_INVALID', `${place || 'body'}: has a field that is not known.`);
  for (const [name, rule] of Object.entries(rules)) checkField(`${place}/${name}`, rule, Object.hasOwn(fields, name), fields[name]);
  return fields;
}
