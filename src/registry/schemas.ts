import type { ErrorObject } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Report } from '../config/problems.ts';
import type { Problem } from '../protocol/operation.ts';
import { FORMATS } from './formats.ts';
import { child, children, type Place, rootOf, tellAt } from './place.ts';

/** What the schema of all components of a document is called within its compiler. */
const COMPONENTS = 'components';
/** Problems of one message that are told; more help nobody. */
const PROBLEMS_MAX = 20;
/** Names of members that may be repeated in an answer: nothing that could carry data or break a log line. */
const TELLABLE = /^[A-Za-z0-9_.-]{1,64}$/;

/** Keywords that say something about a schema and check nothing. */
export const ANNOTATIONS: readonly string[] = ['example', 'externalDocs', 'xml', 'x-data-class'];

/** Checks a value: no problems when it fits. Never throws for hostile input. */
export type Check = (value: unknown) => readonly Problem[];

/** Compiles the schemas of one document. A schema that cannot be compiled throws an Error that says why. */
export type SchemaCompiler = (schema: Place) => Check;

/**
 * A compiler for the schemas of a document. Strict: unknown keywords and formats do not compile; nothing is coerced, no
 * default is filled in, and only own members of a value are looked at, so that `__proto__` and `toString` are mere names.
 */
export function createSchemaCompiler(document: Place, report: Report): SchemaCompiler {
  const ajv = new Ajv2020({
    strict: true,
    allErrors: true,
    ownProperties: true,
    coerceTypes: false,
    useDefaults: false,
    logger: false,
    validateFormats: true,
  });
  ajv.addVocabulary([...ANNOTATIONS]);
  for (const [name, validate] of Object.entries(FORMATS)) ajv.addFormat(name, { type: 'string', validate });
  const $defs: Record<string, unknown> = {};
  for (const [name, place] of children(child(child(rootOf(document.source), 'components'), 'schemas'))) {
    $defs[name] = rewrite(place.value);
    if (!ajv.validateSchema($defs[name] as object))
      tellAt(place, `is no JSON Schema: ${ajv.errorsText(ajv.errors, { dataVar: name })}`, report);
  }
  // Checked above, each at its place.
  ajv.addSchema({ $id: COMPONENTS, $defs }, undefined, false, false);
  return (schema) => {
    const validate = ajv.compile(rewrite(schema.value) as object);
    return (value) => (validate(value) ? [] : problemsOf(validate.errors ?? []));
  };
}

/** A schema whose references point into the schema of all components. */
function rewrite(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(rewrite);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      key,
      key === '$ref' && typeof member === 'string'
        ? member.replace(/^#\/components\/schemas\//, () => `${COMPONENTS}#/$defs/`)
        : rewrite(member),
    ]),
  );
}

/** Names the place and the rule, never the value. */
function problemsOf(errors: readonly ErrorObject[]): Problem[] {
  return errors.slice(0, PROBLEMS_MAX).map(({ instancePath, keyword, params, message }) => ({
    pointer: instancePath,
    message: messageOf(keyword, params, message ?? `breaks ${keyword}`),
  }));
}

/** The parts of ajv's error parameters that are told. */
type Params = {
  readonly additionalProperty?: string;
  readonly unevaluatedProperty?: string;
  readonly allowedValues?: readonly unknown[];
  readonly allowedValue?: unknown;
};

function messageOf(keyword: string, params: Params, message: string): string {
  if (keyword === 'additionalProperties' || keyword === 'unevaluatedProperties') {
    const name = params.additionalProperty ?? params.unevaluatedProperty;
    return TELLABLE.test(String(name)) ? `must not have the member ${name}` : 'must not have a member that the schema does not name';
  }
  if (keyword === 'enum') return `must be one of ${(params.allowedValues ?? []).join(', ')}`;
  if (keyword === 'const') return `must be ${JSON.stringify(params.allowedValue)}`;
  return message;
}
