// Formatting, lint and import rules. `--write` mends what can be mended and writes biome.json anew.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { biomeConfig } from './biome-config.ts';
import { findProblems, readTexts } from './tidy.ts';

const write = process.argv.includes('--write');

function findBiome(): string {
  const name = `@biomejs/cli-${process.platform}-${process.arch}`;
  try {
    return createRequire(import.meta.url).resolve(`${name}/biome`);
  } catch {
    console.error(`lint: ${name} is not installed. Linting runs on Linux x64 and arm64; run \`npm ci\` there.`);
    process.exit(1);
  }
}

/** Biome lays its own file out anew; only what it says counts. */
const compact = (json: string): string => JSON.stringify(JSON.parse(json));

const config = biomeConfig();
if (write) writeFileSync('biome.json', config);
else if (compact(readFileSync('biome.json', 'utf8')) !== compact(config)) {
  console.error('lint: biome.json is not what tools/biome-config.ts makes of its tables; run `npm run format`.');
  process.exit(1);
}

const biome = spawnSync(findBiome(), ['check', '--error-on-warnings', ...(write ? ['--write'] : [])], { stdio: 'inherit' });
const problems = findProblems(readTexts());
for (const problem of problems) console.error(`tidy: ${problem}`);
process.exit(biome.status === 0 && problems.length === 0 ? 0 : 1);
