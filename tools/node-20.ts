// Finds Node 20, the oldest that the SDK promises to run on. A machine without one gets it from npm, pinned by a lockfile of its own.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, globSync, mkdirSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';

const PROJECT = resolve(import.meta.dirname, '..');
const LOCKED = join(PROJECT, 'tools', 'node-20');
const CACHE = join(PROJECT, 'node_modules', '.cache', 'node-20');
const ADVICE = 'put a node of version 20 on the PATH, or let npm reach its registry';

const isNode20 = (path: string): boolean => /^v20\./.test(spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout ?? '');

/** The path of a Node 20: one of the PATH outside of this project, else the one that npm brought; undefined when there is none. */
export function findNode20(): string | undefined {
  const folders = [...new Set((process.env.PATH ?? '').split(delimiter))].filter((folder) => !folder.includes('node_modules'));
  const brought = globSync(join(CACHE, 'node_modules', 'node-*', 'bin', 'node*'));
  return [...folders.map((folder) => join(folder, 'node')), ...brought].find((path) => existsSync(path) && isNode20(path));
}

/** Makes sure that there is a Node 20, or ends the process with what to do. */
export function ensureNode20(): void {
  if (findNode20() === undefined) bringNode20();
  if (findNode20() !== undefined) return;
  console.error(`tests run the SDK under Node 20 and found none: ${ADVICE}`);
  process.exit(1);
}

function bringNode20(): void {
  console.log('Node 20: not found; npm brings it for the tests of the SDK');
  mkdirSync(CACHE, { recursive: true });
  cpSync(LOCKED, CACHE, { recursive: true });
  spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: CACHE, stdio: ['ignore', 'ignore', 'inherit'] });
}
