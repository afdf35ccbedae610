import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const PROJECT = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** A project of somebody else that has the built SDK installed, and nothing of ours. */
export type Consumer = {
  readonly folder: string;
  readonly write: (name: string, content: string) => string;
  readonly dispose: () => void;
};

/** Builds the SDK as `npm run build:sdk` does, into a new project's node_modules. */
export function createConsumer(): Consumer {
  const folder = mkdtempSync(join(tmpdir(), 'hufu-consumer-'));
  mkdirSync(join(folder, 'node_modules'));
  execFileSync(process.execPath, [join(PROJECT, 'tools', 'build-sdk.ts'), join(folder, 'node_modules', 'hufu-sdk')], { stdio: 'pipe' });
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

/** Types of Node are what every TypeScript project on Node has. */
export function installNodeTypes({ folder }: Consumer): void {
  mkdirSync(join(folder, 'node_modules', '@types'), { recursive: true });
  for (const name of ['@types/node', 'undici-types']) {
    if (existsSync(join(PROJECT, 'node_modules', name)))
      symlinkSync(join(PROJECT, 'node_modules', name), join(folder, 'node_modules', name));
  }
}

const run = promisify(execFile);

/** Runs a file of the consumer and gives what it printed; throws with all output when it fails. */
export async function runFile(node: string, file: string, options: { readonly cwd: string }): Promise<string> {
  const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(HUFU_|NODE_)/.test(name)));
  const { stdout } = await run(node, [file], { cwd: options.cwd, env: environment });
  return stdout;
}

/** This Node, and an older one that the SDK must run on, when the machine has one. */
export function findNodes(): { readonly path: string; readonly version: string }[] {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'));
  const others = [...new Set(folders)].map((folder) => join(folder, 'node')).filter((path) => existsSync(path));
  const nodes = [process.execPath, ...others].map((path) => ({
    path,
    version: execFileSync(path, ['--version'], { encoding: 'utf8' }).trim(),
  }));
  const usable = nodes.filter(({ version }) => Number(version.slice(1).split('.')[0]) >= 20);
  return usable.filter(({ version }, i) => usable.findIndex((other) => other.version === version) === i);
}
