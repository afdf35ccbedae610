import type { Report } from '../config/problems.ts';
import { hint } from '../config/suggest.ts';
import type { YamlFile, YamlPath } from '../config/yaml-file.ts';

/** A value in an OpenAPI document together with where it stands, so that every problem has a line. */
export type Place = { readonly source: YamlFile; readonly path: YamlPath; readonly value: unknown };

/** More `$ref` in a row than this are a circle. */
const REFERENCES_MAX = 16;

export const rootOf = (source: YamlFile): Place => ({ source, path: [], value: source.value });

/** What stands below a place; its value is undefined when nothing does. Only own members count. */
export function child(place: Place, step: string | number): Place {
  const { value } = place;
  const isThere = value !== null && typeof value === 'object' && Object.hasOwn(value, step);
  return {
    source: place.source,
    path: [...place.path, step],
    value: isThere ? (value as Record<string | number, unknown>)[step] : undefined,
  };
}

/** The members of a map or list, in order; none for anything else. */
export function children(place: Place): [step: string, place: Place][] {
  if (place.value === null || typeof place.value !== 'object') return [];
  return Object.keys(place.value).map((key) => {
    const step = Array.isArray(place.value) ? Number(key) : key;
    return [key, child(place, step)];
  });
}

export const isMap = (place: Place): boolean => place.value !== null && typeof place.value === 'object' && !Array.isArray(place.value);

/** Follows `$ref` within the document; undefined when it leads nowhere or in a circle. */
export function follow(place: Place): Place | undefined {
  let at = place;
  for (let step = 0; step < REFERENCES_MAX; step++) {
    const reference = child(at, '$ref').value;
    if (reference === undefined) return at.value === undefined ? undefined : at;
    if (typeof reference !== 'string' || !reference.startsWith('#/')) return undefined;
    at = reference.slice(2).split('/').map(unescapeStep).reduce(child, rootOf(at.source));
  }
  return undefined;
}

/** As follow; a dead reference is reported where it is written. */
export function followed(place: Place, report: Report): Place | undefined {
  const target = follow(place);
  if (!target) tellAt(child(place, '$ref'), `$ref ${JSON.stringify(child(place, '$ref').value)} leads nowhere in this file`, report);
  return target;
}

/** Reports a problem at a place. */
export function tellAt(place: Place, message: string, report: Report, part: 'key' | 'value' = 'value'): void {
  report(place.source.problem(place.path, message, part));
}

/** Reports every key of a map that is not among `known`; `x-` keys pass. */
export function checkKeys(place: Place, known: readonly string[], where: string, report: Report): void {
  for (const [key, member] of children(place)) {
    if (!known.includes(key) && !key.startsWith('x-'))
      tellAt(member, `${where}: the key "${key}" is not supported${hint(key, known)}`, report, 'key');
  }
}

/** The steps of a JSON pointer, RFC 6901 section 4. */
export const stepsOf = (pointer: string): string[] => pointer.split('/').slice(1).map(unescapeStep);

const unescapeStep = (step: string): string => step.replaceAll('~1', '/').replaceAll('~0', '~');
