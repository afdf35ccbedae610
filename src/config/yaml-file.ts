import { readFileSync, statSync } from 'node:fs';
import { type Document, isMap, isNode, isPair, isScalar, isSeq, LineCounter, type Node, parseAllDocuments, visit } from 'yaml';
import { JsonProblem, parseStrictJson } from '../lib/json.ts';
import { type ConfigurationProblem, fileProblem, type Report } from './problems.ts';

/** Larger files are refused before they are parsed. */
const FILE_BYTES_MAX = 8 * 1024 * 1024;

export type YamlPath = readonly (string | number)[];

/** A file as plain values, with the place of each. */
export type YamlFile = {
  readonly file: string;
  readonly content: string;
  readonly value: unknown;
  /** A problem at a path: at the key or at the value of its last step; a path that is not there points at what is nearest above. */
  readonly problem: (path: YamlPath, message: string, part?: 'key' | 'value') => ConfigurationProblem;
};

/**
 * Reads a YAML 1.2 file, or a JSON file when its name ends in .json (20 times faster, for many merchants).
 * Anything wrong is reported and gives undefined: one document, no duplicate keys, no tags, no aliases.
 */
export function readYamlFile(file: string, report: Report): YamlFile | undefined {
  const content = readTextFile(file, report);
  if (content === undefined) return undefined;
  return file.endsWith('.json') ? readJson(file, content, report) : readYaml(file, content, report);
}

/** As readYamlFile, for YAML already at hand. */
export function readYaml(file: string, content: string, report: Report): YamlFile | undefined {
  const { documents, at } = parse(file, content);
  const [document, second] = documents;
  if (!document) {
    report(fileProblem(file, 'is empty; expected a map of keys and values'));
    return undefined;
  }
  const found = documents
    .flatMap(({ errors, warnings }) => [...errors, ...warnings])
    .map(({ pos, message }) => at(pos[0], firstLine(message)));
  if (second) found.push(at(second.range?.[0] ?? 0, 'only one document per file is read; remove "---" and what follows'));
  if (found.length === 0) found.push(...findForbidden(document, at));
  for (const problem of found) report(problem);
  return found.length > 0 ? undefined : withPlaces(file, content, document.toJS({ maxAliasCount: 0 }));
}

function readJson(file: string, content: string, report: Report): YamlFile | undefined {
  try {
    return withPlaces(file, content, parseStrictJson(Buffer.from(content), { depthMax: 64, keysMax: 100_000 }));
  } catch (error) {
    if (!(error instanceof JsonProblem)) throw error;
    const before = Buffer.from(content).subarray(0, error.offset).toString().split('\n');
    report({ file, line: before.length, column: (before.at(-1) ?? '').length + 1, message: error.reason });
    return undefined;
  }
}

/** Places are looked up in the text again, since problems are rare and documents are large beside their values. */
function withPlaces(file: string, content: string, value: unknown): YamlFile {
  return {
    file,
    content,
    value,
    problem: (path, message, part = 'value') => {
      const { documents, at } = parse(file, content);
      return documents[0] ? at(offsetOf(documents[0], path, part), message) : fileProblem(file, message);
    },
  };
}

type Parsed = {
  readonly documents: readonly Document[];
  readonly at: (offset: number, message: string) => ConfigurationProblem;
};

function parse(file: string, content: string): Parsed {
  const lines = new LineCounter();
  const documents = parseAllDocuments(content, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: true,
    stringKeys: true,
    merge: false,
  });
  return {
    documents: Array.isArray(documents) ? (documents as readonly Document[]) : [],
    at: (offset, message) => {
      const { line, col } = lines.linePos(offset);
      return { file, line, column: col, message };
    },
  };
}

function readTextFile(file: string, report: Report): string | undefined {
  try {
    if (statSync(file).size > FILE_BYTES_MAX) {
      report(fileProblem(file, `is larger than ${FILE_BYTES_MAX} bytes`));
      return undefined;
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    report(fileProblem(file, readFailure(error)));
    return undefined;
  }
}

/** What to tell about a file that cannot be read. */
export function readFailure(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  const known: Record<string, string> = {
    ENOENT: 'there is no such file',
    EACCES: 'the file may not be read by this user',
    EISDIR: 'this is a directory, expected a file',
    ENOTDIR: 'a part of this path is not a directory',
    ERR_ENCODING_INVALID_ENCODED_DATA: 'the file is not UTF-8',
  };
  return known[code ?? ''] ?? `the file cannot be read (${code ?? String(error)})`;
}

/** Aliases can blow a small file up without bound, and tags make values that the schema does not know: both are refused. */
function findForbidden(document: Document, at: (offset: number, message: string) => ConfigurationProblem): ConfigurationProblem[] {
  const found: ConfigurationProblem[] = [];
  visit(document, {
    Alias: (_key, node) => void found.push(at(node.range?.[0] ?? 0, `the alias *${node.source} is not supported; write the value out`)),
    Node: (_key, node) => {
      if ('tag' in node && node.tag !== undefined) found.push(at(node.range?.[0] ?? 0, `the tag ${node.tag} is not supported`));
    },
  });
  return found;
}

/** Where a path is in the text; the place of the nearest key above when it is not there. */
function offsetOf(document: Document, path: YamlPath, part: 'key' | 'value'): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const [index, step] of path.entries()) {
    const next = findChild(node, step);
    if (next === undefined) break;
    const wantsKey = part === 'key' || index < path.length - 1;
    offset = (wantsKey ? startOf(next.key) : undefined) ?? startOf(next.value) ?? startOf(next.key) ?? offset;
    node = next.value;
  }
  return offset;
}

function findChild(node: unknown, step: string | number): { readonly key: unknown; readonly value: unknown } | undefined {
  if (isSeq(node)) {
    const item = node.items[Number(step)];
    return item === undefined ? undefined : { key: item, value: item };
  }
  if (!isMap(node)) return undefined;
  return node.items.find((pair) => isPair(pair) && isScalar(pair.key) && String(pair.key.value) === String(step));
}

const startOf = (node: unknown): number | undefined => (isNode(node) ? (node as Node).range?.[0] : undefined);

const firstLine = (message: string): string => (message.split('\n')[0] as string).replace(/:$/, '');
