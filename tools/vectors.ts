// Our own test vectors, test/vectors/SCHEME/NAME.json. Without an argument it checks that they are current; `--write` writes them.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { ANSWERS, answerVectorOf } from './vectors/answers.ts';
import { FORMS } from './vectors/forms.ts';
import { vectorOf } from './vectors/vector.ts';

const FOLDER = resolve(import.meta.dirname, '..', 'test', 'vectors');
const stale: string[] = [];

/** Makes a vector from what is stored of it, and says whether that is the same. */
function keep(path: readonly string[], make: (stored: never) => object): void {
  const file = `${join(FOLDER, ...path)}.json`;
  const stored: unknown = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
  const made = make(stored as never);
  // Compared as values: the formatter has the last word on the text.
  if (isDeepStrictEqual(JSON.parse(JSON.stringify(made)), stored)) return;
  stale.push(file);
  if (!process.argv.includes('--write')) return;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(made, null, 2)}\n`);
  console.log(`vectors: wrote ${file}`);
}

for (const form of FORMS) keep([form.scheme, form.name], (stored) => vectorOf(form, stored));
for (const answer of ANSWERS) keep(['rfc9421', answer.name], (stored) => answerVectorOf(answer, stored));
if (stale.length > 0 && !process.argv.includes('--write')) {
  console.error(`vectors: not what tools/vectors makes: ${stale.join(', ')}; run \`npm run vectors -- --write\`.`);
  process.exit(1);
}
