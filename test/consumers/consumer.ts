import { execFile, execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findNode20 } from '../../tools/node-20.ts';

const PROJECT = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
/** Nothing that is started here may keep a test from ending: after this it is killed, and its pipes are closed, whoever holds them. */
const LIMIT = { timeout: 90_000, killSignal: 'SIGKILL' } as const;
const execute = promisify(execFile);
const run = (
  file: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: NodeJS.ProcessEnv; readonly timeout?: number },
) => execute(file, [...args], { ...LIMIT, ...options });

/** A project of somebody else that has the built SDK installed, and nothing of ours. */
export type Consumer = {
  readonly folder: string;
  readonly write: (name: string, content: string) => string;
  readonly dispose: () => void;
};

function consumerIn(folder: string): Consumer {
  return {
    folder,
    write: (name, content) => {
      const file = join(folder, name);
      writeFileSync(file, content);
      return file;
    },
    dispose: () => rmSync(folder, { recursive: true }),
  };
}

const build = (folder: string): void =>
  void execFileSync(process.execPath, [join(PROJECT, 'tools', 'build-sdk.ts'), folder], { ...LIMIT, stdio: 'pipe' });

/** A new project with the SDK built into its node_modules. */
export function createConsumer(): Consumer {
  const folder = mkdtempSync(join(tmpdir(), 'hufu-consumer-'));
  mkdirSync(join(folder, 'node_modules'));
  build(join(folder, 'node_modules', 'hufu-sdk'));
  return consumerIn(folder);
}

/** The environment of somebody who has nothing to do with this project or with the npm that runs its tests. */
const strangersEnvironment = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(HUFU_|NODE_|npm_)/i.test(name))),
  ...more,
});

const npm = (folder: string, args: readonly string[]) => run('npm', args, { cwd: folder, env: strangersEnvironment() });

/** Builds the SDK as `npm run build:sdk` does and packs it as for a registry. Gives the path of the tarball and of every file in it. */
export async function packSdk(folder: string): Promise<{ readonly tarball: string; readonly files: readonly string[] }> {
  build(join(folder, 'sdk'));
  const { stdout } = await npm(join(folder, 'sdk'), ['pack', '--json', '--pack-destination', folder]);
  const packed = JSON.parse(stdout) as object;
  // npm 12 gives an object by package name, older ones a list.
  const [{ filename, files }] = Object.values(packed) as [{ filename: string; files: { path: string }[] }];
  return { tarball: join(folder, filename), files: files.map(({ path }) => path) };
}

/** Copies a project of this folder and installs the tarball into it, without a registry. */
export async function installConsumer(name: string, folder: string, tarball: string): Promise<Consumer> {
  const own = join(folder, name);
  cpSync(join(PROJECT, 'test', 'consumers', name), own, { recursive: true });
  await npm(own, ['install', '--offline', '--no-audit', '--no-fund', '--no-package-lock', tarball]);
  return consumerIn(own);
}

/** Types of Node are what every TypeScript project on Node has. */
export function installNodeTypes({ folder }: Consumer): void {
  mkdirSync(join(folder, 'node_modules', '@types'), { recursive: true });
  for (const name of ['@types/node', 'undici-types']) {
    if (existsSync(join(PROJECT, 'node_modules', name)))
      symlinkSync(join(PROJECT, 'node_modules', name), join(folder, 'node_modules', name));
  }
}

/** Compiles a TypeScript project by its own tsconfig.json; throws with what the compiler said. */
export async function compile({ folder }: Consumer): Promise<void> {
  const compiler = join(PROJECT, 'node_modules', 'typescript', 'bin', 'tsc');
  await run(process.execPath, [compiler, '-p', folder], { cwd: folder }).catch((error: { stdout?: string }) => {
    throw new Error(error.stdout, { cause: error });
  });
}

export type RunOptions = {
  readonly cwd: string;
  /** Milliseconds until it is killed. */
  readonly timeout?: number;
  readonly environment?: NodeJS.ProcessEnv;
};

/** Runs a file of the consumer and gives what it printed; throws with all output when it fails. */
export async function runFile(node: string, file: string, { cwd, timeout = LIMIT.timeout, environment = {} }: RunOptions): Promise<string> {
  const { stdout } = await run(node, [file], { cwd, timeout, env: strangersEnvironment(environment) });
  return stdout;
}

/** The two versions of Node that the SDK is run under: this one, and the oldest that it promises. */
export function findNodes(): { readonly path: string; readonly version: string }[] {
  const oldest = findNode20();
  if (oldest === undefined)
    throw new Error('there is no Node 20: `npm test` brings one, `node tools/test.ts` with the name of a test of consumers too');
  return [oldest, process.execPath].map((path) => ({
    path,
    version: execFileSync(path, ['--version'], { ...LIMIT, encoding: 'utf8' }).trim(),
  }));
}
