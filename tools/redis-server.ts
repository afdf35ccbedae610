// Finds the redis-server that tests start themselves; as root on Debian the set-up installs it.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const ADVICE = 'install it (Debian and Ubuntu: `sudo apt-get install redis-server`, macOS: `brew install redis`), or set REDIS_URL';
const VERSION_MIN = [6, 2] as const;

/** The version of the redis-server on the PATH; undefined when there is none. */
export function findRedisServer(): string | undefined {
  const { status, stdout } = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
  return status === 0 ? /v=(\d+\.\d+\.\d+)/.exec(stdout)?.[1] : undefined;
}

/** Why tests cannot run on what is there, and what to install; undefined when they can. */
export function findRedisProblem(): string | undefined {
  const version = findRedisServer();
  if (version === undefined) return `tests need a redis-server on the PATH and found none: ${ADVICE}`;
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > VERSION_MIN[0] || (major === VERSION_MIN[0] && minor >= VERSION_MIN[1])) return undefined;
  return `tests need redis-server ${VERSION_MIN.join('.')} or newer and found ${version}: ${ADVICE}`;
}

/** Makes sure that a redis-server is there: installs it as root on Debian, otherwise ends the process with what to install. */
export function ensureRedisServer(): void {
  if (findRedisServer() === undefined && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) installRedisServer();
  const problem = findRedisProblem();
  if (problem === undefined) return;
  console.error(problem);
  process.exit(1);
}

function installRedisServer(): void {
  console.log('redis-server: not found; installing it with apt-get');
  // The lists of a fresh image are empty or old. RUNLEVEL=1 keeps the package from starting its service.
  for (const step of [['update'], ['install', '--yes', '--no-install-recommends', 'redis-server']]) {
    spawnSync('env', ['DEBIAN_FRONTEND=noninteractive', 'RUNLEVEL=1', 'apt-get', '-qq', ...step], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
}

if (import.meta.main) ensureRedisServer();
