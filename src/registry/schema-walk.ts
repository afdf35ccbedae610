import type { Report } from '../config/problems.ts';
import { hint } from '../config/suggest.ts';
import type { DataClass } from '../protocol/operation.ts';
import { FORMATS } from './formats.ts';
import { child, children, follow, followed, isMap, type Place, stepsOf, tellAt } from './place.ts';
import { ANNOTATIONS } from './schemas.ts';

/** Where a keyword of JSON Schema 2020-12 holds further schemas: one, a list of them, or a map of them. Others hold none. */
const KEYWORDS: Readonly<Record<string, 'schema' | 'list' | 'map' | 'value'>> = {
  ...Object.fromEntries(ANNOTATIONS.map((name) => [name, 'value'])),
  ...Object.fromEntries(
    [
      'type',
      'enum',
      'const',
      'format',
      'pattern',
      'minLength',
      'maxLength',
      'minimum',
      'maximum',
      'exclusiveMinimum',
      'exclusiveMaximum',
      'multipleOf',
    ]
      .concat([
        'required',
        'minItems',
        'maxItems',
        'uniqueItems',
        'minContains',
        'maxContains',
        'minProperties',
        'maxProperties',
        'dependentRequired',
      ])
      .concat(['title', 'description', 'examples', 'deprecated', 'readOnly', 'writeOnly', '$comment', '$ref'])
      .map((name) => [name, 'value']),
  ),
  ...Object.fromEntries(
    [
      'items',
      'contains',
      'additionalProperties',
      'unevaluatedProperties',
      'unevaluatedItems',
      'propertyNames',
      'not',
      'if',
      'then',
      'else',
    ].map((name) => [name, 'schema']),
  ),
  allOf: 'list',
  anyOf: 'list',
  oneOf: 'list',
  prefixItems: 'list',
  properties: 'map',
  patternProperties: 'map',
  dependentSchemas: 'map',
};

/** The keywords whose schemas are about the same value as the schema they stand in. */
const SAME_VALUE = ['allOf', 'anyOf', 'oneOf'];

/** Keywords whose schemas only add to what the schema around them says. */
const CONDITIONS = ['if', 'then', 'else', 'dependentSchemas'];

/**
 * How strictly an object is looked at. `closed`: values come from outside, so unknown members must be refused here.
 * `branch`: as closed, but a schema around this one refuses them. `open`: answers of the core.
 */
type Mode = 'closed' | 'branch' | 'open';

/**
 * Reports what is wrong with a schema and all that it refers to: unknown keywords and formats, dead references, bad data
 * classes and, where `mode` is closed, whatever would let unchecked members through to the core.
 */
export function checkSchema(schema: Place, mode: Mode, report: Report, visited = new Set<string>()): void {
  const id = JSON.stringify([mode, schema.path]);
  if (visited.has(id) || schema.value === false) return;
  visited.add(id);
  if (!isMap(schema)) {
    if (schema.value !== true) tellAt(schema, 'expected a schema', report);
    else if (mode === 'closed') tellAt(schema, TAKES_ALL, report);
    return;
  }
  const isReference = child(schema, '$ref').value !== undefined;
  const target = isReference ? followed(schema, report) : undefined;
  if (target) checkSchema(target, mode, report, visited);
  for (const [key, member] of children(schema)) {
    const kind = Object.hasOwn(KEYWORDS, key) ? KEYWORDS[key] : undefined;
    if (!kind) tellAt(member, `the schema keyword "${key}" is not supported${hint(key, Object.keys(KEYWORDS))}`, report, 'key');
    const schemas = kind === 'schema' ? [member] : kind === 'list' || kind === 'map' ? children(member).map(([, place]) => place) : [];
    for (const place of schemas) checkSchema(place, modeBelow(schema, key, mode), report, visited);
  }
  checkWords(schema, report);
  if (isEndless(schema))
    tellAt(schema, 'this schema contains itself without going deeper into the value, so checking it would never end', report);
  if (mode === 'closed' && !isReference) checkClosed(schema, report);
}

/** Whether a schema is part of itself for one and the same value. Through `properties` or `items` it may be: values end. */
function isEndless(schema: Place, above: readonly string[] = []): boolean {
  const target = follow(schema);
  if (!target) return false;
  const id = JSON.stringify(target.path);
  if (above.includes(id)) return true;
  const inner = [
    ...SAME_VALUE.flatMap((key) => children(child(target, key)).map(([, place]) => place)),
    ...['not', 'if', 'then', 'else'].map((key) => child(target, key)),
  ];
  return inner.some((place) => isEndless(place, [...above, id]));
}

/** The mode of the schemas under a keyword. */
function modeBelow(schema: Place, key: string, mode: Mode): Mode {
  if (mode === 'open' || key === 'not') return 'open';
  if (CONDITIONS.includes(key)) return 'branch';
  const isClosedHere = mode === 'branch' || child(schema, 'unevaluatedProperties').value === false;
  return SAME_VALUE.includes(key) && isClosedHere ? 'branch' : 'closed';
}

function checkWords(schema: Place, report: Report): void {
  const format = child(schema, 'format');
  if (format.value !== undefined && !Object.hasOwn(FORMATS, String(format.value)))
    tellAt(format, `the format "${format.value}" is not supported${hint(String(format.value), Object.keys(FORMATS))}`, report);
  const dataClass = child(schema, 'x-data-class');
  if (dataClass.value !== undefined && !['C1', 'C2', 'C3'].includes(String(dataClass.value)))
    tellAt(dataClass, `x-data-class: expected C1, C2 or C3, found ${JSON.stringify(dataClass.value)}`, report);
}

const TAKES_ALL = 'this schema of a request takes any value; give it a type';

function checkClosed(schema: Place, report: Report): void {
  const has = (key: string): boolean => child(schema, key).value !== undefined;
  const type = child(schema, 'type').value;
  const isObject = type === 'object' || (Array.isArray(type) && type.includes('object')) || has('properties');
  if (isObject && child(schema, 'additionalProperties').value !== false && child(schema, 'unevaluatedProperties').value !== false)
    tellAt(schema, 'an object of a request needs additionalProperties: false, or members that nobody checked would reach the core', report);
  if (type === 'array' && !has('items') && !has('prefixItems'))
    tellAt(schema, 'a list of a request needs items, or entries that nobody checked would reach the core', report);
  if (!isObject && !['type', 'enum', 'const', ...SAME_VALUE].some(has)) tellAt(schema, TAKES_ALL, report);
}

/** The schemas that describe what a pointer finds in a value of this schema; empty when the schema names no such place. */
export function schemasAt(schema: Place, pointer: string): Place[] {
  let at = sameValueSchemas(schema);
  for (const step of stepsOf(pointer)) {
    const next = at.flatMap((place) => [
      child(child(place, 'properties'), step),
      ...(/^(\d+|\*)$/.test(step) ? [child(place, 'items')] : []),
    ]);
    at = next.filter(({ value }) => value !== undefined).flatMap((place) => sameValueSchemas(place));
  }
  return at;
}

/** Whether a value of this schema always has what the pointer finds. */
export function isAlwaysThere(schema: Place, pointer: string): boolean {
  const steps = stepsOf(pointer);
  return steps.every((step, index) => {
    const above = `${steps
      .slice(0, index)
      .map((name) => `/${name}`)
      .join('')}`;
    return schemasAt(schema, above).some((place) => ((child(place, 'required').value as unknown[] | undefined) ?? []).includes(step));
  });
}

/** Pointers to the values of class C2 and C3 (`*` for any index). A schema that refers to itself is followed once. */
export function dataClassesOf(schema: Place): { readonly pointer: string; readonly dataClass: DataClass }[] {
  const found = new Map<string, DataClass>();
  walk(schema, '', []);
  return [...found].map(([pointer, dataClass]) => ({ pointer, dataClass }));

  function walk(place: Place, pointer: string, above: readonly string[]): void {
    for (const same of sameValueSchemas(place)) {
      const id = JSON.stringify(same.path);
      if (above.includes(id)) continue;
      const dataClass = child(same, 'x-data-class').value as DataClass | undefined;
      // Of two classes for one value the stricter counts.
      if (dataClass && dataClass !== 'C1' && (found.get(pointer) ?? 'C1') < dataClass) found.set(pointer, dataClass);
      for (const [name, member] of children(child(same, 'properties')))
        walk(member, `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`, [...above, id]);
      const items = child(same, 'items');
      if (items.value !== undefined) walk(items, `${pointer}/*`, [...above, id]);
    }
  }
}

/** A schema and those within allOf, anyOf and oneOf, references followed. */
function sameValueSchemas(schema: Place, depth = 0): Place[] {
  const target = follow(schema);
  if (!target || depth > 16) return [];
  const beside = schema.path === target.path ? [] : [schema];
  const inner = SAME_VALUE.flatMap((key) => children(child(target, key)).flatMap(([, place]) => sameValueSchemas(place, depth + 1)));
  return [...beside, target, ...inner];
}
