// Finds what the pages of docs/ need beside Node, since tests run these pages; as root on Debian the set-up installs it.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

type Tool = { readonly name: string; readonly ask: string; readonly fits: RegExp; readonly wanted: string };

const TOOLS: readonly Tool[] = [
  { name: 'bash', ask: '--version', fits: /version ([4-9]|\d\d)\./, wanted: 'bash 4 or newer' },
  { name: 'curl', ask: '--version', fits: /^curl ([8-9]|7\.(5[5-9]|[6-9]\d))/, wanted: 'curl 7.55 or newer' },
  { name: 'openssl', ask: 'version', fits: /^OpenSSL ([3-9]|\d\d)\./, wanted: 'OpenSSL 3 or newer' },
];

/** What is missing, and how to install it; undefined when everything is there. */
export function findShellProblem(tools: readonly Tool[] = TOOLS): string | undefined {
  const missing = tools.filter(({ name, ask, fits }) => !fits.test(spawnSync(name, [ask], { encoding: 'utf8' }).stdout ?? ''));
  if (missing.length === 0) return undefined;
  const wanted = missing.map((tool) => tool.wanted).join(', ');
  const names = missing.map(({ name }) => name).join(' ');
  return `tests run the pages of docs/ and need ${wanted} on the PATH: install it (Debian and Ubuntu: \`sudo apt-get install ${names}\`, macOS: \`brew install ${names}\`)`;
}

/** Makes sure that all of them are there: installs them as root on Debian, otherwise ends the process with what to install. */
export function ensureShellTools(): void {
  if (findShellProblem() !== undefined && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    console.log('bash, curl, openssl: not all found; installing them with apt-get');
    for (const step of [['update'], ['install', '--yes', '--no-install-recommends', ...TOOLS.map(({ name }) => name)]])
      spawnSync('env', ['DEBIAN_FRONTEND=noninteractive', 'apt-get', '-qq', ...step], { stdio: ['ignore', 'ignore', 'inherit'] });
  }
  const problem = findShellProblem();
  if (problem === undefined) return;
  console.error(problem);
  process.exit(1);
}
