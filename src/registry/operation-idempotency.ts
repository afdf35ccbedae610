import type { HufuExtension } from '../config/operation-schema.ts';
import type { Report } from '../config/problems.ts';
import type { Operation } from '../protocol/operation.ts';
import { child, type Place, tellAt } from './place.ts';
import { parameterNames } from './routes.ts';
import { isAlwaysThere, schemasAt } from './schema-walk.ts';

/** Whether the values that name a business order are there in every request and have one text: path parameters, texts and integers of the body. */
export function checkIdempotencyFrom(
  place: Place,
  extension: HufuExtension,
  operation: Pick<Operation, 'path' | 'idempotency'>,
  body: Place | undefined,
  report: Report,
): void {
  const sources = extension.idempotencyFrom ?? [];
  const at = child(place, 'idempotencyFrom');
  if (sources.length > 0 && operation.idempotency === 'none')
    tellAt(at, 'idempotencyFrom is given but the operation has no idempotency', report, 'key');
  for (const [index, source] of sources.entries()) {
    const problem = source.startsWith('path:')
      ? findPathProblem(source.slice('path:'.length), operation.path)
      : findBodyProblem(source, body);
    if (problem) tellAt(child(at, index), problem, report);
  }
}

const findPathProblem = (name: string, path: string): string | undefined =>
  parameterNames(path).includes(name) ? undefined : `${path} has no parameter {${name}}`;

function findBodyProblem(pointer: string, body: Place | undefined): string | undefined {
  const found = body ? schemasAt(body, pointer) : [];
  if (!body || found.length === 0) return `the body's schema has no ${pointer}`;
  if (!found.some((schema) => ['string', 'integer'].includes(String(child(schema, 'type').value))))
    return `${pointer} must be of type string or integer`;
  return isAlwaysThere(body, pointer) ? undefined : `${pointer} must be required, or a request without it would have no key`;
}
