import { execFileSync } from 'node:child_process';
import { copyFileSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Builds the SDK for merchants as a package of its own: dist/sdk with ESM, CommonJS and types, no dependency but Node >= 20.
 * Usage: node tools/build-sdk.ts [directory]
 */

const PROJECT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const ENTRY = 'src/sdk/index.ts';

/** One build for each way of loading; `type` tells Node how to read the .js files below the folder. */
const FORMATS = [
  { folder: 'esm', type: 'module', module: 'nodenext', moduleResolution: 'nodenext' },
  { folder: 'cjs', type: 'commonjs', module: 'commonjs', moduleResolution: 'bundler' },
] as const;

/** What Node 20 has: ES2023, and of ES2024 only `isWellFormed` of strings. */
const LIBRARY = 'es2023,es2024.string';
const STRICT = ['--strict', '--noUncheckedIndexedAccess', '--exactOptionalPropertyTypes', '--noEmitOnError'];

function compile(directory: string, { folder, type, module, moduleResolution }: (typeof FORMATS)[number]): void {
  const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  const out = join(directory, folder);
  const shape = ['--module', module, '--moduleResolution', moduleResolution, '--target', 'es2022', '--lib', LIBRARY, '--types', 'node'];
  const emit = ['--outDir', out, '--rootDir', join(PROJECT, 'src'), '--declaration', '--rewriteRelativeImportExtensions', '--skipLibCheck'];
  execFileSync(process.execPath, [compiler, '--ignoreConfig', ...STRICT, ...shape, ...emit, join(PROJECT, ENTRY)], {
    cwd: PROJECT,
    stdio: 'inherit',
  });
  writeFileSync(join(out, 'package.json'), `${JSON.stringify({ type })}\n`);
  for (const file of globSync(join(out, '**/*.d.ts'))) rewriteExtensions(file);
}

/** The compiler rewrites imports in .js files only; in .d.ts files they would name sources that are not in the package. */
function rewriteExtensions(file: string): void {
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text.replace(/((?:from|import\()\s*['"]\.[^'"]*)\.ts(['"])/g, '$1.js$2'));
}

const entryOf = (folder: string) => ({ types: `./${folder}/sdk/index.d.ts`, default: `./${folder}/sdk/index.js` });

function writeManifest(directory: string): void {
  const { version, license } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as { version: string; license: string };
  const manifest = {
    name: 'hufu-sdk',
    version,
    license,
    description: 'Signs requests to a Hufu gateway and verifies its answers. No dependency but Node.',
    type: 'module',
    engines: { node: '>=20' },
    sideEffects: false,
    exports: { '.': { import: entryOf('esm'), require: entryOf('cjs') }, './package.json': './package.json' },
    main: './cjs/sdk/index.js',
    types: './cjs/sdk/index.d.ts',
  };
  writeFileSync(join(directory, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  copyFileSync(join(PROJECT, 'LICENSE'), join(directory, 'LICENSE'));
  copyPages(directory);
}

/** The pages of the SDK, in their places to one another. Links to pages of the gateway, which are not in the package, become their text. */
function copyPages(directory: string): void {
  const docs = join(PROJECT, 'docs');
  const pages = ['sdk.md', ...globSync('sdk/*.md', { cwd: docs })];
  mkdirSync(join(directory, 'sdk'), { recursive: true });
  for (const page of pages) {
    const text = readFileSync(join(docs, page), 'utf8').replace(
      /\[([^\]]+)\]\(([^)\s#]+\.md)[^)\s]*\)/g,
      (link, words: string, target: string) => (pages.includes(join(dirname(page), target)) ? link : words),
    );
    writeFileSync(join(directory, page === 'sdk.md' ? 'README.md' : page), text);
  }
}

const directory = resolve(process.argv[2] ?? join(PROJECT, 'dist', 'sdk'));
mkdirSync(directory, { recursive: true });
for (const format of FORMATS) {
  rmSync(join(directory, format.folder), { recursive: true, force: true });
  compile(directory, format);
}
writeManifest(directory);
process.stdout.write(`built ${directory}\n`);
