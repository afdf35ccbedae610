import { ROOMS, restrictionOf } from './import-rules.ts';

const KEBAB = { level: 'error', options: { filenameCases: ['kebab-case'] } };

/** The whole of biome.json: formatter, lint rules, and one override for each folder's import rules. */
export function biomeConfig(): string {
  const rules = {
    preset: 'recommended',
    correctness: { noUnusedImports: 'error', noUnusedVariables: 'error' },
    nursery: {},
    performance: { noBarrelFile: 'error' },
    style: {
      noDefaultExport: 'error',
      noEnum: 'error',
      noNamespace: 'error',
      noParameterProperties: 'error',
      useFilenamingConvention: KEBAB,
      noNonNullAssertion: 'error',
    },
    suspicious: { noConsole: 'error', noImportCycles: 'error', noControlCharactersInRegex: 'off' },
  };
  const rooms = Object.keys(ROOMS).map((folder) => ({
    includes: [`src/${folder}/**`],
    linter: { rules: { style: { noRestrictedImports: restrictionOf(folder) } } },
  }));
  const config = {
    files: { includes: ['src/**', 'test/**', 'tools/**', 'bin/**', 'bench/**'] },
    formatter: { indentStyle: 'space', indentWidth: 2, lineWidth: 140 },
    javascript: { formatter: { quoteStyle: 'single' } },
    linter: { rules },
    overrides: [
      ...rooms,
      {
        includes: ['bin/**', 'tools/**', 'bench/**', 'test/**', 'src/cli/**', 'src/main.ts'],
        linter: { rules: { suspicious: { noConsole: 'off' } } },
      },
    ],
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}
