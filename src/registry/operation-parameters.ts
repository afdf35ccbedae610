import { describe } from '../config/check-shape.ts';
import type { Report } from '../config/problems.ts';
import type { DataClass, Operation, Problem } from '../protocol/operation.ts';
import { checkKeys, child, children, follow, followed, isMap, type Place, tellAt } from './place.ts';
import { parameterNames } from './routes.ts';
import { checkSchema, dataClassesOf } from './schema-walk.ts';
import type { Check, SchemaCompiler } from './schemas.ts';

type Parameter = {
  readonly in: 'path' | 'query';
  readonly name: string;
  readonly required: boolean;
  readonly schema: Place;
  readonly place: Place;
};

export type CompiledParameters = {
  readonly checkParameters: Operation['checkParameters'];
  readonly classes: NonNullable<Operation['parameterClasses']>;
};

const KEYS = ['name', 'in', 'required', 'description', 'schema', 'example', 'examples', 'deprecated'];

/** Compiles the path and query parameters of an operation; `shared` are those of its path. Everything wrong is reported. */
export function compileParameters(shared: Place, own: Place, path: string, compile: SchemaCompiler, report: Report): CompiledParameters {
  const parameters = new Map<string, Parameter>();
  for (const place of [...entries(shared, report), ...entries(own, report)]) {
    const parameter = readParameter(place, report);
    // The operation's own declaration replaces the one of its path (OpenAPI 3.1 section 4.8.9).
    if (parameter) parameters.set(`${parameter.in}:${parameter.name}`, parameter);
  }
  const list = [...parameters.values()];
  checkTemplate(own.value === undefined ? shared : own, list, path, report);
  const checks = new Map(list.map((parameter) => [`${parameter.in}:${parameter.name}`, compileSchema(parameter, compile, report)]));
  return {
    classes: list.flatMap(({ in: where, name, schema }) => classOf(schema).map((dataClass) => ({ in: where, name, dataClass }))),
    checkParameters: (pathValues, query) => checkAll(list, checks, pathValues, query),
  };
}

const classOf = (schema: Place): DataClass[] =>
  dataClassesOf(schema).flatMap(({ pointer, dataClass }) => (pointer === '' ? [dataClass] : []));

function entries(place: Place, report: Report): Place[] {
  if (place.value !== undefined && !Array.isArray(place.value)) tellAt(place, 'parameters: expected a list', report);
  return Array.isArray(place.value) ? children(place).flatMap(([, entry]) => followed(entry, report) ?? []) : [];
}

function readParameter(place: Place, report: Report): Parameter | undefined {
  if (!isMap(place)) {
    tellAt(place, 'expected a parameter', report);
    return undefined;
  }
  checkKeys(place, KEYS, 'parameter', report);
  const [where, name, required, schema] = ['in', 'name', 'required', 'schema'].map((key) => child(place, key)) as [
    Place,
    Place,
    Place,
    Place,
  ];
  const before = { failed: false };
  const fail = (at: Place, message: string): void => {
    before.failed = true;
    tellAt(at.value === undefined ? place : at, message, report);
  };
  if (where.value !== 'path' && where.value !== 'query')
    fail(where, `in: expected path or query, found ${describe(where.value)}; headers are not forwarded`);
  if (typeof name.value !== 'string' || !/^[A-Za-z][A-Za-z0-9_]{0,63}$/.test(name.value))
    fail(name, `name: expected a name of letters, digits and _, found ${describe(name.value)}`);
  if (where.value === 'path' && required.value !== true) fail(required, 'a path parameter needs required: true');
  if (child(follow(schema) ?? schema, 'type').value !== 'string')
    fail(schema, 'a parameter is text: its schema needs type: string, with a pattern for numbers');
  if (before.failed) return undefined;
  return { in: where.value as 'path' | 'query', name: name.value as string, required: required.value === true, schema, place };
}

/** Names in the template and declared path parameters are the same. */
function checkTemplate(at: Place, parameters: readonly Parameter[], path: string, report: Report): void {
  const names = parameterNames(path);
  for (const name of names) {
    if (!parameters.some((parameter) => parameter.in === 'path' && parameter.name === name))
      tellAt(at, `the path parameter {${name}} is not declared`, report, 'key');
  }
  for (const parameter of parameters) {
    if (parameter.in === 'path' && !names.includes(parameter.name))
      tellAt(parameter.place, `the path ${path} has no parameter {${parameter.name}}`, report);
  }
}

function compileSchema(parameter: Parameter, compile: SchemaCompiler, report: Report): Check {
  checkSchema(parameter.schema, 'closed', report);
  try {
    return compile(parameter.schema);
  } catch (error) {
    tellAt(parameter.schema, `the schema does not compile: ${(error as Error).message}`, report);
    return () => [];
  }
}

function checkAll(
  parameters: readonly Parameter[],
  checks: ReadonlyMap<string, Check>,
  pathValues: Readonly<Record<string, string>>,
  query: readonly (readonly [string, string])[],
): readonly Problem[] {
  const given: [string, string][] = [...Object.entries(pathValues).map(([name, value]): [string, string] => [`path:${name}`, value])];
  const problems: Problem[] = [];
  for (const [name, value] of query) {
    const key = `query:${name}`;
    if (!checks.has(key)) problems.push({ pointer: '/query', message: 'has a parameter that the operation does not name' });
    else if (given.some(([other]) => other === key)) problems.push({ pointer: key, message: 'must not be sent twice' });
    else given.push([key, value]);
  }
  for (const { in: where, name, required } of parameters) {
    const key = `${where}:${name}`;
    const value = given.find(([other]) => other === key)?.[1];
    if (value === undefined && required) problems.push({ pointer: key, message: 'is required' });
    if (value !== undefined) problems.push(...(checks.get(key) as Check)(value).map(({ message }) => ({ pointer: key, message })));
  }
  return problems.slice(0, 20);
}
