// What the examples for merchants in other languages need, since tests run them against the gateway.
import { ensureTools, findProgram, findToolProblem, type Tool } from './installed.ts';

/** The languages of examples/, each with what a merchant's machine has: the standard library, for Python the usual package beside it. */
const TOOLS = {
  python: {
    // A python3 of the user's own often comes without the package, Debian's with it.
    programs: ['python3', '/usr/bin/python3'],
    ask: ['-c', 'import sys, cryptography; print(sys.version_info >= (3, 9) and int(cryptography.__version__.split(".")[0]) >= 35)'],
    fits: /^True$/m,
    wanted: 'Python 3.9 or newer with the package cryptography',
    debian: ['python3-cryptography'],
    homebrew: ['cryptography'],
  },
  java: {
    programs: ['java'],
    ask: ['--list-modules'],
    fits: /^jdk\.compiler@(1[7-9]|[2-9]\d)/m,
    wanted: 'a JDK 17 or newer',
    debian: ['default-jdk-headless'],
    homebrew: ['openjdk'],
  },
  php: {
    programs: ['php'],
    ask: ['-r', 'var_dump(PHP_VERSION_ID >= 80100 && extension_loaded("curl") && extension_loaded("openssl"));'],
    fits: /^bool\(true\)$/m,
    wanted: 'PHP 8.1 or newer with curl and openssl',
    debian: ['php-cli', 'php-curl'],
    homebrew: ['php'],
  },
  go: {
    programs: ['go'],
    ask: ['version'],
    fits: /go1\.(19|[2-9]\d)/,
    wanted: 'Go 1.19 or newer',
    debian: ['golang-go'],
    homebrew: ['go'],
  },
} as const satisfies Record<string, Tool>;

export type Language = keyof typeof TOOLS;

const WHY = 'tests run examples/ and';

/** The program of a language. Throws the sentence that says what to install when it is not there. */
export function programOf(language: Language): string {
  const program = findProgram(TOOLS[language]);
  if (program === undefined) throw new Error(findToolProblem(WHY, [TOOLS[language]]));
  return program;
}

/** Makes sure that all of them are there, or ends the process with what to install. */
export const ensureLanguageTools = (): void => ensureTools(WHY, Object.values(TOOLS));
