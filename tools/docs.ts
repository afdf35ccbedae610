// Documents that are made from tables. Without an argument it checks that they are current; `--write` writes them.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { configMarkdown } from '../src/config/document.ts';
import { editorSchemas } from '../src/config/editor-schemas.ts';
import { errorsDocument } from './errors-document.ts';
import { mistakesDocument } from './mistakes-document.ts';

const documents: Readonly<Record<string, string>> = {
  'docs/errors.md': errorsDocument(),
  'docs/signature-doctor.md': mistakesDocument(),
  'docs/config.md': configMarkdown(),
  ...editorSchemas(),
};

function isCurrent(file: string, text: string): boolean {
  try {
    return readFileSync(file, 'utf8') === text;
  } catch {
    return false;
  }
}

const stale = Object.entries(documents).filter(([file, text]) => !isCurrent(file, text));
if (process.argv.includes('--write')) {
  for (const [file, text] of stale) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    console.log(`docs: wrote ${file}`);
  }
} else if (stale.length > 0) {
  console.error(`docs: not what their tables say: ${stale.map(([file]) => file).join(', ')}; run \`npm run docs\`.`);
  process.exit(1);
}
