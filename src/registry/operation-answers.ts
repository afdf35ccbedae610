import type { HufuExtension } from '../config/operation-schema.ts';
import type { Report } from '../config/problems.ts';
import type { Operation, OutcomeRule, RepeatRule } from '../protocol/operation.ts';
import { checkKeys, child, children, followed, isMap, type Place, tellAt } from './place.ts';
import { parameterNames } from './routes.ts';
import { checkSchema, schemasAt } from './schema-walk.ts';
import type { Check, SchemaCompiler } from './schemas.ts';

/** The answers an operation describes: a status and the schema of its body, if it has one. */
export type Answers = ReadonlyMap<number, Place | undefined>;

export type CompiledAnswers = { readonly answers: Answers; readonly checkAnswer: Operation['checkAnswer'] };

/** Compiles the responses of an operation: each status by itself, JSON or nothing. */
export function compileAnswers(responses: Place, compile: SchemaCompiler, report: Report): CompiledAnswers {
  const answers = new Map<number, Place | undefined>();
  const checks = new Map<number, Check>();
  if (!isMap(responses)) tellAt(responses, 'responses: expected a map of statuses', report, 'key');
  for (const [status, place] of children(responses)) {
    if (!/^[2-5]\d\d$/.test(status)) {
      tellAt(place, `responses: expected a status such as 200, found "${status}"; each status is listed by itself`, report, 'key');
      continue;
    }
    const schema = readContent(place, report);
    answers.set(Number(status), schema);
    checks.set(Number(status), schema ? compileOrTell(schema, 'open', compile, report) : isNothing);
  }
  return {
    answers,
    checkAnswer: (status, body) => checks.get(status)?.(body) ?? [{ pointer: '', message: 'the status is not described' }],
  };
}

const isNothing: Check = (body) => (body === undefined ? [] : [{ pointer: '', message: 'must have no body' }]);

function readContent(response: Place, report: Report): Place | undefined {
  const target = followed(response, report);
  if (!target) return undefined;
  checkKeys(target, ['description', 'content', 'headers'], 'response', report);
  return readJsonContent(child(target, 'content'), report);
}

/** The schema of the one media type there is, application/json; undefined when there is no content. */
export function readJsonContent(content: Place, report: Report): Place | undefined {
  if (content.value === undefined) return undefined;
  for (const [type, place] of children(content)) {
    if (type !== 'application/json') tellAt(place, `content: only application/json is served, found "${type}"`, report, 'key');
  }
  const media = child(content, 'application/json');
  checkKeys(media, ['schema', 'example', 'examples'], 'media type', report);
  const schema = child(media, 'schema');
  if (schema.value === undefined) tellAt(content, 'content: application/json needs a schema', report, 'key');
  return schema.value === undefined ? undefined : schema;
}

/** Checks and compiles a schema; one that does not compile is reported and accepts nothing. */
export function compileOrTell(schema: Place, mode: 'closed' | 'open', compile: SchemaCompiler, report: Report): Check {
  checkSchema(schema, mode, report);
  try {
    return compile(schema);
  } catch (error) {
    tellAt(schema, `the schema does not compile: ${(error as Error).message}`, report);
    return () => [{ pointer: '', message: 'the schema does not compile' }];
  }
}

type RuleEntry = HufuExtension['outcome']['rules'][number];

/** The outcome rules of an operation, checked against the answers it describes. notFound rules are given apart. */
export function compileOutcome(
  place: Place,
  extension: HufuExtension,
  answers: Answers,
  report: Report,
): { rules: OutcomeRule[]; notFound: Omit<OutcomeRule, 'means'>[] } {
  const rulesPlace = child(child(place, 'outcome'), 'rules');
  const rules: OutcomeRule[] = [];
  const notFound: Omit<OutcomeRule, 'means'>[] = [];
  for (const [index, entry] of extension.outcome.rules.entries()) {
    checkRule(child(rulesPlace, index), entry, answers, report);
    const { means, pointer, values } = entry;
    const match = { status: [entry.status].flat(), ...(pointer !== undefined && { pointer }), ...(values && { values }) };
    if (means === 'notFound') notFound.push(match);
    // For the operation itself, which changes nothing, "not found" is a definite answer like any other.
    rules.push({ ...match, means: means === 'notFound' ? 'failed' : means });
  }
  if (!rules.some(({ means }) => means === 'succeeded'))
    tellAt(rulesPlace, 'no rule means succeeded, so nothing would ever be settled', report, 'key');
  return { rules, notFound };
}

function checkRule(place: Place, { status, pointer, values }: RuleEntry, answers: Answers, report: Report): void {
  if ((pointer === undefined) !== (values === undefined)) tellAt(place, 'pointer and values go together', report);
  for (const one of [status].flat()) {
    if (!answers.has(one)) {
      tellAt(child(place, 'status'), `the operation describes no answer with status ${one}`, report);
      continue;
    }
    const schema = answers.get(one);
    if (pointer === undefined) continue;
    const found = schema ? schemasAt(schema, pointer) : [];
    if (found.length === 0) tellAt(child(place, 'pointer'), `the schema of status ${one} has no ${pointer}`, report);
    for (const [index, value] of (values ?? []).entries()) {
      if (!found.every((at) => mayBe(at, value)))
        tellAt(child(child(place, 'values'), index), `the schema of status ${one} never has this value at ${pointer}`, report);
    }
  }
}

/** Whether a schema's own enum or const leaves room for a value. */
function mayBe(schema: Place, value: unknown): boolean {
  const words = child(schema, 'enum').value;
  const constant = child(schema, 'const').value;
  return (!Array.isArray(words) || words.includes(value)) && (constant === undefined || constant === value);
}

/** The repeat rules, checked against request, path and every answer that means success. */
export function compileRepeat(
  place: Place,
  extension: HufuExtension,
  body: Place | undefined,
  path: string,
  answers: Answers,
  report: Report,
): RepeatRule[] {
  const list = child(child(place, 'outcome'), 'repeat');
  const successes = extension.outcome.rules.filter(({ means }) => means === 'succeeded').flatMap(({ status }) => [status].flat());
  for (const [index, { request, answer }] of extension.outcome.repeat.entries()) {
    checkSource(child(child(list, index), 'request'), request, body, path, report);
    for (const status of new Set(successes)) {
      const schema = answers.get(status);
      if (answers.has(status) && (!schema || schemasAt(schema, answer).length === 0))
        tellAt(child(child(list, index), 'answer'), `the schema of status ${status} has no ${answer}`, report);
    }
  }
  return extension.outcome.repeat.map(({ request, answer }) => ({ request, answer }));
}

/** A value taken from a request: a pointer into its body or `path:NAME`; other words were checked by their form. */
export function checkSource(place: Place, source: string, body: Place | undefined, path: string, report: Report): void {
  if (source.startsWith('/')) {
    if (!body || schemasAt(body, source).length === 0) tellAt(place, `the body's schema has no ${source}`, report);
  } else if (source.startsWith('path:') && !parameterNames(path).includes(source.slice('path:'.length))) {
    tellAt(place, `the path ${path} has no parameter {${source.slice('path:'.length)}}`, report);
  }
}
