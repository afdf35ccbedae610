import type { HufuExtension } from '../config/operation-schema.ts';
import type { Report } from '../config/problems.ts';
import type { Operation, OutcomeRule } from '../protocol/operation.ts';
import { type Answers, compileAnswers, compileOrTell, compileOutcome, compileRepeat, readJsonContent } from './operation-answers.ts';
import { checkEncryption } from './operation-encryption.ts';
import { checkBodyPointers, checkExtension, isGuardedWrite, readExtension } from './operation-extension.ts';
import { checkIdempotencyFrom } from './operation-idempotency.ts';
import { compileParameters } from './operation-parameters.ts';
import { checkKeys, child, followed, type Place, tellAt } from './place.ts';
import { dataClassesOf } from './schema-walk.ts';
import type { Check, SchemaCompiler } from './schemas.ts';

/** An operation with what is needed to join it with others: resolve rules come from the operation that is asked. */
export type Compiled = {
  readonly operation: Operation;
  readonly place: Place;
  readonly extension: HufuExtension;
  readonly body: Place | undefined;
  readonly answers: Answers;
  readonly notFound: readonly Omit<OutcomeRule, 'means'>[];
};

const KEYS = ['operationId', 'summary', 'description', 'tags', 'deprecated', 'externalDocs', 'parameters', 'requestBody', 'responses'];

/** Compiles one operation of a document; undefined when too much is wrong, after everything was reported. */
export function compileOperation(
  shared: Place,
  place: Place,
  method: Operation['method'],
  path: string,
  compile: SchemaCompiler,
  report: Report,
): Compiled | undefined {
  checkKeys(place, KEYS, 'operation', report);
  const id = child(place, 'operationId').value;
  if (typeof id !== 'string' || !/^[A-Za-z][A-Za-z0-9._-]{0,63}$/.test(id))
    tellAt(child(place, 'operationId'), 'operationId: expected a name such as orders.create', report, 'key');
  const extension = readExtension(place, report);
  const parameters = compileParameters(shared, child(place, 'parameters'), path, compile, report);
  const { schema: body, checkBody } = compileBody(place, method, compile, report);
  const { answers, checkAnswer } = compileAnswers(child(place, 'responses'), compile, report);
  if (!extension || typeof id !== 'string') return undefined;
  const hufu = child(place, 'x-hufu');
  checkExtension(hufu, method, extension, report);
  checkBodyPointers(hufu, extension, body, report);
  checkEncryption(hufu, method, extension, { body, answers }, report);
  const { rules, notFound } = compileOutcome(hufu, extension, answers, report);
  const repeat = compileRepeat(hufu, extension, body, path, answers, report);
  const operation: Operation = {
    ...plainFacts(extension, method),
    id,
    method,
    path,
    outcome: { rules, repeat },
    hasBody: body !== undefined,
    dataClasses: body ? dataClassesOf(body) : [],
    parameterClasses: parameters.classes,
    checkBody,
    checkParameters: parameters.checkParameters,
    checkAnswer,
  };
  checkIdempotencyFrom(hufu, extension, operation, body, report);
  return { operation, place, extension, body, answers, notFound };
}

/** What is taken from `x-hufu` as it is. */
function plainFacts(extension: HufuExtension, method: Operation['method']) {
  const {
    level,
    channels,
    window,
    merchant,
    amount,
    currency,
    payer,
    device,
    batch,
    scene,
    repeatable,
    timeoutMs,
    answeredBy,
    bodyBytesMax,
  } = extension;
  return {
    level,
    channels,
    ...(window && { window: { fromMinute: minuteOf(window.from), toMinute: minuteOf(window.to) } }),
    idempotency: extension.idempotency ?? (isGuardedWrite(method, extension) ? 'required' : 'none'),
    ...(extension.idempotencyFrom && { idempotencyFrom: extension.idempotencyFrom }),
    merchant,
    ...(amount !== undefined && { amount }),
    ...(currency !== undefined && { currency }),
    ...(payer !== undefined && { payer }),
    ...(device !== undefined && { device }),
    ...(batch && { batch }),
    ...(scene !== undefined && { scene }),
    limits: extension.limits ?? 'none',
    repeatable,
    timeoutMs,
    answeredBy,
    encryption: extension.encryption,
    forward: extension.forward,
    mac: extension.mac,
    bodyBytesMax,
  } as const;
}

const minuteOf = (clock: string): number => Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3));

function compileBody(
  place: Place,
  method: Operation['method'],
  compile: SchemaCompiler,
  report: Report,
): { schema: Place | undefined; checkBody: Check } {
  const written = child(place, 'requestBody');
  const noBody: Check = (body) => (body === undefined ? [] : [{ pointer: '', message: 'must have no body' }]);
  if (written.value === undefined) return { schema: undefined, checkBody: noBody };
  const request = followed(written, report);
  if (method === 'GET' || method === 'DELETE') tellAt(written, `a ${method} has no body`, report, 'key');
  if (!request) return { schema: undefined, checkBody: noBody };
  checkKeys(request, ['description', 'required', 'content'], 'requestBody', report);
  if (child(request, 'required').value !== true)
    tellAt(request, 'requestBody needs required: true; an operation has a body or it has none', report);
  const content = child(request, 'content');
  if (content.value === undefined) tellAt(request, 'requestBody needs content with application/json', report);
  const schema = readJsonContent(content, report);
  return { schema, checkBody: schema ? compileOrTell(schema, 'closed', compile, report) : noBody };
}
