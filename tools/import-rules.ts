/**
 * Who may import whom: the import rows of the design, as one table. biome.json is generated from it.
 * `imports` names folders of src; a folder may always import itself. `packages` are the npm packages at home there.
 */
export type Room = { readonly imports: readonly string[]; readonly packages: readonly string[] };

const LOW = ['lib', 'protocol', 'ports', 'certificates', 'keys', 'config'];
const MIDDLE = ['store', 'journal', 'identity', 'signature', 'encryption', 'admission', 'forward'];
const upTo = (...more: string[]) => [...LOW, 'registry', ...more];

export const ROOMS: Readonly<Record<string, Room>> = {
  lib: { imports: [], packages: ['pino', 'prom-client', 'undici'] },
  protocol: { imports: ['lib'], packages: [] },
  ports: { imports: ['lib', 'protocol'], packages: [] },
  certificates: { imports: ['lib', 'protocol', 'ports'], packages: ['pkijs', 'asn1js'] },
  keys: { imports: ['lib', 'protocol', 'ports', 'certificates'], packages: [] },
  config: { imports: ['lib', 'protocol', 'ports', 'certificates'], packages: ['yaml', 'zod'] },
  registry: { imports: [...LOW], packages: ['ajv'] },
  store: { imports: upTo(), packages: ['ioredis', 'node:sqlite'] },
  journal: { imports: upTo(), packages: ['node:sqlite'] },
  identity: { imports: upTo(), packages: [] },
  signature: { imports: upTo(), packages: ['structured-headers', 'jose'] },
  encryption: { imports: upTo(), packages: [] },
  admission: { imports: upTo(), packages: [] },
  forward: { imports: upTo(), packages: ['jose'] },
  settlement: { imports: upTo(...MIDDLE), packages: [] },
  pipeline: { imports: upTo(...MIDDLE, 'settlement'), packages: [] },
  listeners: { imports: upTo(...MIDDLE, 'settlement', 'pipeline'), packages: ['express', 'helmet'] },
  runtime: { imports: upTo(...MIDDLE, 'settlement', 'pipeline', 'listeners', 'reference-core'), packages: [] },
  cli: {
    imports: upTo(...MIDDLE, 'settlement', 'pipeline', 'listeners', 'runtime', 'sdk', 'reference-core'),
    packages: ['commander', 'yaml'],
  },
  sdk: { imports: ['lib', 'protocol'], packages: [] },
  'reference-core': { imports: ['lib', 'protocol'], packages: ['express', 'helmet', 'jose', 'node:sqlite'] },
};

/** Files of lib that import npm packages: the SDK, which has no dependency, must not reach them. */
export const LIB_WITH_PACKAGES = ['http', 'log', 'metrics'];

const ALL_PACKAGES = [...new Set(Object.values(ROOMS).flatMap((room) => room.packages))];

/** The restriction of one folder, in the form of Biome's noRestrictedImports. */
export function restrictionOf(folder: string): object {
  const room = ROOMS[folder] as Room;
  const forbidden = Object.keys(ROOMS).filter((other) => other !== folder && !room.imports.includes(other));
  // Whatever stands before the folder's name: `../`, `./../` and `../../src/` all lead there.
  const folders = forbidden.map((other) => `**/${other}/**`);
  const packages = ALL_PACKAGES.filter((name) => !room.packages.includes(name)).flatMap((name) => [name, `${name}/**`]);
  const files = folder === 'sdk' ? LIB_WITH_PACKAGES.map((file) => `**/lib/${file}.ts`) : [];
  const message = `src/${folder} imports only ${[...room.imports, ...room.packages].join(', ') || 'Node'} (tools/import-rules.ts)`;
  return { level: 'error', options: { patterns: [{ group: [...folders, ...packages, ...files], message }] } };
}
