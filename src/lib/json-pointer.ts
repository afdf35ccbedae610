/**
 * The value at a JSON pointer (RFC 6901); undefined when there is none. '' is the whole document.
 * Sees own members only, so no pointer reaches a prototype; array indices are plain decimals without leading zeros.
 */
export function findAt(value: unknown, pointer: string): unknown {
  if (pointer === '') return value;
  if (!pointer.startsWith('/')) return undefined;
  let found: unknown = value;
  for (const token of pointer.slice(1).split('/')) {
    found = findMember(found, token.replaceAll('~1', '/').replaceAll('~0', '~'));
    if (found === undefined) return undefined;
  }
  return found;
}

function findMember(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value) && !/^(?:0|[1-9][0-9]*)$/.test(name)) return undefined;
  return Object.hasOwn(value, name) ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}
