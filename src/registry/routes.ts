import type { Operation } from '../protocol/operation.ts';

/** What a path parameter may be made of (RFC 3986 unreserved). No percent, so nothing is ever decoded; no `;`, no `,`. */
const PARAMETER = /^[A-Za-z0-9._~-]+$/;
/** Segments that other software would resolve away (RFC 3986 section 5.2.4). */
const DOTS: ReadonlySet<string> = new Set(['.', '..']);
/** Longer paths are no route of ours. */
const PATH_LENGTH_MAX = 2_048;

type Node = {
  readonly literals: Map<string, Node>;
  parameter?: Node;
  readonly operations: Map<string, { readonly operation: Operation; readonly names: readonly string[] }>;
};

export type Route = { readonly operation: Operation; readonly pathParameters: Readonly<Record<string, string>> };
export type FindRoute = (method: string, path: string) => Route | undefined;

const emptyNode = (): Node => ({ literals: new Map(), operations: new Map() });

/**
 * Compiles the paths of operations (no two with the same method and the same places of parameters) into a search that costs the
 * same however many there are. Letters count as they are; nothing is decoded, folded or normalised. A literal segment wins over a
 * parameter, leftmost first.
 */
export function compileRoutes(operations: readonly Operation[]): FindRoute {
  const root = emptyNode();
  for (const operation of operations) insert(root, operation);
  return (method, path) => {
    if (!path.startsWith('/') || path.length > PATH_LENGTH_MAX) return undefined;
    const values: string[] = [];
    const found = walk(root, path.slice(1).split('/'), 0, method, values);
    if (!found) return undefined;
    return {
      operation: found.operation,
      pathParameters: Object.fromEntries(found.names.map((name, index) => [name, values[index] as string])),
    };
  };
}

function insert(root: Node, operation: Operation): void {
  let node = root;
  for (const segment of operation.path.slice(1).split('/')) {
    if (isParameter(segment)) {
      node.parameter ??= emptyNode();
      node = node.parameter;
      continue;
    }
    const next = node.literals.get(segment) ?? emptyNode();
    node.literals.set(segment, next);
    node = next;
  }
  node.operations.set(operation.method, { operation, names: parameterNames(operation.path) });
}

function walk(
  node: Node,
  segments: readonly string[],
  depth: number,
  method: string,
  values: string[],
): { operation: Operation; names: readonly string[] } | undefined {
  const segment = segments[depth];
  if (segment === undefined) return node.operations.get(method);
  const literal = node.literals.get(segment);
  const found = literal && walk(literal, segments, depth + 1, method, values);
  if (found || !node.parameter || !isParameterValue(segment)) return found;
  values.push(segment);
  const behind = walk(node.parameter, segments, depth + 1, method, values);
  if (!behind) values.pop();
  return behind;
}

/** Whether a segment of a template is a parameter. */
export const isParameter = (segment: string): boolean => segment.startsWith('{');

/** Whether a raw path segment may be the value of a parameter. */
export const isParameterValue = (segment: string): boolean => PARAMETER.test(segment) && !DOTS.has(segment);

/** The names of a template's parameters, in order. */
export const parameterNames = (path: string): string[] =>
  path.split('/').flatMap((segment) => (isParameter(segment) ? [segment.slice(1, -1)] : []));
