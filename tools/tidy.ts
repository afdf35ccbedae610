import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

const FILE_LINES_MAX = 300;
const FUNCTION_LINES_MAX = 70;
/** Files that are one table and nothing else may be as long as the table is. */
const TABLES = ['src/protocol/error-table.ts'];
/** Words that mark unfinished work, and calls that have one home. `allowed` are folders where they may stand. */
const BANNED = [
  { pattern: /\b(TODO|FIXME|XXX)\b/, why: 'finish it or open an issue', allowed: [] },
  { pattern: /\bMath\.random\b/, why: 'randomness is node:crypto', allowed: [] },
  { pattern: /@ts-(ignore|expect-error|nocheck)/, why: 'types are not switched off', allowed: [] },
  {
    pattern: /\bprocess\.env\b/,
    why: 'environment variables are read by config and cli',
    allowed: ['src/cli', 'src/config', 'src/main.ts', 'tools'],
  },
] as const;
/** Files nobody imports because something outside starts them. */
const ENTRIES = ['src/main.ts', 'src/sdk/index.ts'];

/** The longest function of a file by indentation: from a line that opens one to the line that closes it at the same depth. */
function longestFunction(lines: readonly string[]): { line: number; length: number } {
  let longest = { line: 0, length: 0 };
  lines.forEach((text, start) => {
    const opening = /^(\s*)(export )?(async )?function\b.*\{$|^(\s*)(export )?const \w+ = .*=> \{$/.exec(text);
    if (!opening) return;
    const indent = opening[1] ?? opening[4] ?? '';
    const end = lines.findIndex((other, index) => index > start && (other === `${indent}}` || other === `${indent}};`));
    if (end - start + 1 > longest.length) longest = { line: start + 1, length: end - start + 1 };
  });
  return longest;
}

function problemsOf(file: string, text: string): string[] {
  const lines = text.split('\n');
  const problems: string[] = [];
  const count = lines.at(-1) === '' ? lines.length - 1 : lines.length;
  if (count > FILE_LINES_MAX && !TABLES.includes(file))
    problems.push(`${file}: ${count} lines, at most ${FILE_LINES_MAX}; perhaps it is two rooms`);
  const longest = longestFunction(lines);
  if (longest.length > FUNCTION_LINES_MAX)
    problems.push(`${file}:${longest.line}: a function of ${longest.length} lines, at most ${FUNCTION_LINES_MAX}`);
  for (const { pattern, why, allowed } of BANNED) {
    if (allowed.some((folder) => file.startsWith(folder))) continue;
    lines.forEach((line, index) => {
      if (pattern.test(line)) problems.push(`${file}:${index + 1}: ${pattern.source} is banned: ${why}`);
    });
  }
  return problems;
}

/** Files that nothing but tests may use, since that is what they are for. */
const FOR_TESTS = ['src/admission/model.ts'];

/** Modules of src that nothing imports, and exports whose name stands nowhere else: what only tests use is dead too. */
function deadCode(texts: ReadonlyMap<string, string>): string[] {
  const imported = new Set<string>();
  for (const [file, text] of texts) {
    for (const match of text.matchAll(/\b(?:from|import)\s*\(?\s*'(\.[^']+)'/g))
      imported.add(relative('.', resolve(dirname(file), match[1] as string)));
  }
  const count = (name: string, folders: readonly string[]): number =>
    [...texts].reduce(
      (sum, [file, text]) =>
        folders.some((folder) => file.startsWith(`${folder}/`)) ? sum + (text.match(new RegExp(`\\b${name}\\b`, 'g'))?.length ?? 0) : sum,
      0,
    );
  const problems: string[] = [];
  for (const [file, text] of texts) {
    if (!file.startsWith('src/')) continue;
    if (!imported.has(file) && !ENTRIES.includes(file)) problems.push(`${file}: nothing imports it`);
    for (const [, name = ''] of text.matchAll(/^export (?:async )?(?:function|const|type|class) (\w+)/gm)) {
      if (count(name, ['src', 'tools', 'bench']) > 1 || FOR_TESTS.includes(file)) continue;
      problems.push(`${file}: ${name} is exported and ${count(name, ['test']) > 0 ? 'used by tests only' : 'used nowhere'}`);
    }
  }
  return problems;
}

/** Every TypeScript file of the project by its path, with its text. */
export function readTexts(): ReadonlyMap<string, string> {
  const files = ['src', 'tools', 'test', 'bench'].flatMap((folder) => globSync(join(folder, '**/*.ts'))).sort();
  return new Map(files.map((file) => [file, readFileSync(file, 'utf8')]));
}

/** Everything the formatter and the linter cannot see: sizes, banned words, dead files and exports. */
export function findProblems(texts: ReadonlyMap<string, string>): string[] {
  const own = [...texts]
    .filter(([file]) => file.startsWith('src/') || file.startsWith('tools/'))
    .filter(([file]) => file !== 'tools/tidy.ts');
  return [...own.flatMap(([file, text]) => problemsOf(file, text)), ...deadCode(texts)];
}
