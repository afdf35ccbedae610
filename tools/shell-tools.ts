// What the pages of docs/ need beside Node, since tests run these pages.
import { ensureTools, findToolProblem, type Tool } from './installed.ts';

const row = (name: string, ask: string, fits: RegExp, wanted: string): Tool => ({
  ...{ programs: [name], ask: [ask], fits, wanted, debian: [name], homebrew: [name] },
});

const TOOLS: readonly Tool[] = [
  row('bash', '--version', /version ([4-9]|\d\d)\./, 'bash 4 or newer'),
  row('curl', '--version', /^curl ([8-9]|7\.(5[5-9]|[6-9]\d))/, 'curl 7.55 or newer'),
  row('openssl', 'version', /^OpenSSL ([3-9]|\d\d)\./, 'OpenSSL 3 or newer'),
];

const WHY = 'tests run the pages of docs/ and';

/** What is missing, and how to install it; undefined when everything is there. */
export const findShellProblem = (tools: readonly Tool[] = TOOLS): string | undefined => findToolProblem(WHY, tools);

/** Makes sure that all of them are there, or ends the process with what to install. */
export const ensureShellTools = (): void => ensureTools(WHY, TOOLS);
