/**
 * The value at a JSON pointer (RFC 6901); undefined when there is none. '' is the whole document.
 * Sees own members only, so no pointer reaches a prototype; array indices are plain decimals without leading zeros.
 */
export function findAt(value: unknown, pointer: string): unknown {
  if (pointer === '') return value;
  if (!pointer.startsWith('/')) return undefined;
  let found: unknown = value;
  for (const token of pointer.slice(1).split('/')) {
    found = findMember(found, plainStep(token));
    if (found === undefined) return undefined;
  }
  return found;
}

const plainStep = (token: string): string => token.replaceAll('~1', '/').replaceAll('~0', '~');

function findMember(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value) && !/^(?:0|[1-9][0-9]*)$/.test(name)) return undefined;
  return Object.hasOwn(value, name) ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}

/** The places that a pointer with `*` for any array index names in a value; only those that are there. */
export function placesOf(value: unknown, pattern: string): { readonly pointer: string; readonly value: unknown }[] {
  let found: { pointer: string; value: unknown }[] = [{ pointer: '', value }];
  for (const token of pattern.split('/').slice(1)) {
    found = found.flatMap(({ pointer, value: at }) => {
      const tokens = token === '*' ? (Array.isArray(at) ? at.map((_, index) => String(index)) : []) : [token];
      return tokens.map((each) => ({ pointer: `${pointer}/${each}`, value: findAt(at, `/${each}`) }));
    });
  }
  return found.filter((place) => place.value !== undefined);
}

/** Puts another value in a place that placesOf has found, other than the whole. */
export function replaceAt(value: unknown, pointer: string, replacement: unknown): void {
  const end = pointer.lastIndexOf('/');
  const holder = findAt(value, pointer.slice(0, end)) as Record<string, unknown>;
  holder[plainStep(pointer.slice(end + 1))] = replacement;
}
