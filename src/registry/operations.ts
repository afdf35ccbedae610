import { describe } from '../config/check-shape.ts';
import type { Report } from '../config/problems.ts';
import { hint } from '../config/suggest.ts';
import { readYamlFile, type YamlFile } from '../config/yaml-file.ts';
import type { Operation, ResolveRule } from '../protocol/operation.ts';
import { checkSource } from './operation-answers.ts';
import { type Compiled, compileOperation } from './operation-compile.ts';
import { checkKeys, child, children, follow, isMap, type Place, rootOf, tellAt } from './place.ts';
import { isParameter, parameterNames } from './routes.ts';
import { schemasAt } from './schema-walk.ts';
import { createSchemaCompiler } from './schemas.ts';

/** All operations, and which of them merchants may call. */
export type Operations = { readonly all: readonly Operation[]; readonly routable: readonly Operation[] };

const METHODS: Readonly<Record<string, Operation['method']>> = { get: 'GET', post: 'POST', put: 'PUT', patch: 'PATCH', delete: 'DELETE' };
const TOP_KEYS = ['openapi', 'info', 'jsonSchemaDialect', 'servers', 'paths', 'components', 'security', 'tags', 'externalDocs'];

/** Compiles OpenAPI 3.1 documents with `x-hufu` into operations. Everything wrong is reported with its line. */
export function loadOperations(files: readonly string[], report: Report): Operations {
  const compiled: Compiled[] = [];
  for (const file of files) {
    const source = readYamlFile(file, report);
    if (source) compiled.push(...compileDocument(source, report));
  }
  checkUnique(compiled, report);
  const all = compiled.map((one) => joinResolve(one, compiled, report));
  return { all, routable: all.filter((_, index) => !(compiled[index] as Compiled).extension.internal) };
}

function compileDocument(source: YamlFile, report: Report): Compiled[] {
  const root = rootOf(source);
  if (!isMap(root)) {
    tellAt(root, 'expected an OpenAPI 3.1 document', report);
    return [];
  }
  checkKeys(root, TOP_KEYS, 'document', report);
  const version = child(root, 'openapi');
  if (!/^3\.1\.\d+$/.test(String(version.value))) tellAt(version, `openapi: expected 3.1.x, found ${describe(version.value)}`, report);
  for (const [, server] of children(child(root, 'servers'))) checkServer(child(server, 'url'), report);
  const compile = createSchemaCompiler(root, report);
  const paths = child(root, 'paths');
  if (!isMap(paths)) tellAt(paths, 'paths: expected a map of paths', report, 'key');
  return children(paths).flatMap(([path, place]) => compilePath(path, place, compile, report));
}

/** Paths are matched as they are written; a base path would be silently lost. */
function checkServer(url: Place, report: Report): void {
  const isPlain = typeof url.value === 'string' && /^(https?:\/\/[^/]+)?\/?$/.test(url.value);
  if (!isPlain) tellAt(url, 'servers: a base path is not supported; write it into the paths', report);
}

function compilePath(path: string, place: Place, compile: ReturnType<typeof createSchemaCompiler>, report: Report): Compiled[] {
  const problem = findTemplateProblem(path);
  if (problem) tellAt(place, problem, report, 'key');
  checkKeys(place, [...Object.keys(METHODS), 'parameters', 'summary', 'description'], 'path', report);
  return Object.entries(METHODS).flatMap(([key, method]) => {
    const operation = child(place, key);
    return operation.value === undefined || problem
      ? []
      : (compileOperation(child(place, 'parameters'), operation, method, path, compile, report) ?? []);
  });
}

function findTemplateProblem(path: string): string | undefined {
  if (!path.startsWith('/')) return 'a path begins with /';
  for (const segment of path.slice(1).split('/')) {
    const fits = isParameter(segment)
      ? /^\{[A-Za-z][A-Za-z0-9_]*\}$/.test(segment)
      : /^[A-Za-z0-9._~-]+$/.test(segment) && !/^\.\.?$/.test(segment);
    if (!fits) return `the path has the segment ${describe(segment)}; a segment is {name} or made of A-Z a-z 0-9 . _ ~ -`;
  }
  const names = parameterNames(path);
  return new Set(names).size < names.length ? 'the path has two parameters of one name' : undefined;
}

function checkUnique(compiled: readonly Compiled[], report: Report): void {
  const ids = new Map<string, Compiled>();
  const routes = new Map<string, Compiled>();
  for (const one of compiled) {
    const { id, method, path } = one.operation;
    const route = `${method} ${path.replaceAll(/\{[^}]*\}/g, '{}')}`;
    if (ids.has(id)) tellAt(child(one.place, 'operationId'), `operationId ${id} is used twice`, report);
    if (routes.has(route))
      tellAt(one.place, `${method} ${path} is the same path as that of ${routes.get(route)?.operation.id}`, report, 'key');
    if (!ids.has(id)) ids.set(id, one);
    if (!routes.has(route)) routes.set(route, one);
  }
}

/** Adds the resolve rule, whose outcome rules are those of the operation that is asked. */
function joinResolve(one: Compiled, compiled: readonly Compiled[], report: Report): Operation {
  const { resolve } = one.extension;
  if (!resolve) return one.operation;
  const place = child(child(one.place, 'x-hufu'), 'resolve');
  const asked = compiled.find(({ operation }) => operation.id === resolve.operation);
  if (!asked) {
    const ids = compiled.map(({ operation }) => operation.id);
    tellAt(child(place, 'operation'), `there is no operation ${describe(resolve.operation)}${hint(resolve.operation, ids)}`, report);
    return one.operation;
  }
  checkResolve(place, one, asked, report);
  const rules = asked.operation.outcome.rules.filter((_, index) => asked.extension.outcome.rules[index]?.means !== 'notFound');
  const rule: ResolveRule = {
    operationId: resolve.operation,
    parameters: resolve.parameters,
    rules,
    notFoundRules: asked.notFound,
    notFound: resolve.notFound,
  };
  return { ...one.operation, resolve: rule };
}

function checkResolve(place: Place, one: Compiled, asked: Compiled, report: Report): void {
  const { operation } = asked;
  const at = child(place, 'operation');
  if (operation.method !== 'GET' || operation.answeredBy !== 'core')
    tellAt(at, `${operation.id} cannot be asked: it must be a GET that the core answers`, report);
  if (asked.notFound.length === 0)
    tellAt(at, `${operation.id} has no rule that means notFound, so a request that never ran could not be settled`, report);
  const parameters = child(place, 'parameters');
  const names = parameterNames(operation.path);
  for (const [name, source] of children(parameters)) {
    if (!names.includes(name)) tellAt(source, `${operation.path} has no parameter {${name}}${hint(name, names)}`, report, 'key');
    else checkSource(source, String(source.value), one.body, one.operation.path, report);
  }
  for (const name of names)
    if (child(parameters, name).value === undefined)
      tellAt(parameters, `the parameter {${name}} of ${operation.path} is missing`, report, 'key');
  for (const [index, { answer }] of one.operation.outcome.repeat.entries()) {
    const knows = [...asked.answers].some(
      ([status, schema]) => status < 300 && schema && schemasAt(follow(schema) ?? schema, answer).length > 0,
    );
    if (!knows)
      tellAt(
        child(child(child(child(one.place, 'x-hufu'), 'outcome'), 'repeat'), index),
        `the answer of ${operation.id} has no ${answer} to compare`,
        report,
      );
  }
}
