// Finds the programs that tests run beside Node; as root on Debian the set-up installs those that are missing.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** A program that tests need: `programs` are where it may be found, `ask` what makes it print a text that fits, the rest is for people. */
export type Tool = {
  readonly programs: readonly string[];
  readonly ask: readonly string[];
  readonly fits: RegExp;
  readonly wanted: string;
  /** Packages of Debian and Ubuntu, and of Homebrew. */
  readonly debian: readonly string[];
  readonly homebrew: readonly string[];
};

/** The first of a tool's programs that is there and fits; undefined when there is none. */
export function findProgram({ programs, ask, fits }: Tool): string | undefined {
  return programs.find((program) => fits.test(spawnSync(program, ask, { encoding: 'utf8' }).stdout ?? ''));
}

/** Says what is missing and how to install it; undefined when everything is there. `why` begins the sentence. */
export function findToolProblem(why: string, tools: readonly Tool[]): string | undefined {
  const missing = tools.filter((tool) => findProgram(tool) === undefined);
  if (missing.length === 0) return undefined;
  const wanted = missing.map((tool) => tool.wanted).join(', ');
  const debian = missing.flatMap((tool) => tool.debian).join(' ');
  const homebrew = missing.flatMap((tool) => tool.homebrew).join(' ');
  return `${why} need ${wanted} on the PATH: install it (Debian and Ubuntu: \`sudo apt-get install ${debian}\`, macOS: \`brew install ${homebrew}\`)`;
}

/** Makes sure that all of them are there: installs them as root on Debian, otherwise ends the process with what to install. */
export function ensureTools(why: string, tools: readonly Tool[]): void {
  const missing = tools.filter((tool) => findProgram(tool) === undefined);
  if (missing.length > 0 && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) install(missing.flatMap((tool) => tool.debian));
  const problem = missing.length === 0 ? undefined : findToolProblem(why, missing);
  if (problem === undefined) return;
  console.error(problem);
  process.exit(1);
}

function install(packages: readonly string[]): void {
  console.log(`not found: ${packages.join(', ')}; installing with apt-get`);
  // The lists of a fresh image are empty or old.
  for (const step of [['update'], ['install', '--yes', '--no-install-recommends', ...packages]])
    spawnSync('env', ['DEBIAN_FRONTEND=noninteractive', 'apt-get', '-qq', ...step], { stdio: ['ignore', 'ignore', 'inherit'] });
}
