import { relative } from 'node:path';
import { UserError } from '../lib/user-error.ts';

/** Something wrong in a configuration file. `line` and `column` count from 1; 0 where there is no text to point at (a missing file, a variable). */
export type ConfigurationProblem = { readonly file: string; readonly line: number; readonly column: number; readonly message: string };

/** Takes a problem and goes on, so that all of them are told at once. */
export type Report = (problem: ConfigurationProblem) => void;

/** The configuration cannot be used. `message` is one line for each problem. */
export class ConfigurationProblems extends UserError {
  readonly problems: readonly ConfigurationProblem[];
  constructor(problems: readonly ConfigurationProblem[]) {
    super(formatProblems(problems));
    this.name = 'ConfigurationProblems';
    this.problems = problems;
  }
}

/** Throws everything that was reported, if anything was. */
export function checkNone(problems: readonly ConfigurationProblem[]): void {
  if (problems.length > 0) throw new ConfigurationProblems(problems);
}

/** A problem of a file as a whole. */
export const fileProblem = (file: string, message: string): ConfigurationProblem => ({ file, line: 0, column: 0, message });

/** One line each, `file:line:column: message`, in the order of the files and of the lines in them; paths as short as they can be. */
export function formatProblems(problems: readonly ConfigurationProblem[]): string {
  const order = [...new Set(problems.map(({ file }) => file))];
  return [...problems]
    .sort((a, b) => order.indexOf(a.file) - order.indexOf(b.file) || a.line - b.line || a.column - b.column)
    .map(formatProblem)
    .join('\n');
}

function formatProblem({ file, line, column, message }: ConfigurationProblem): string {
  const place = line === 0 ? shortPath(file) : `${shortPath(file)}:${line}:${column}`;
  return `${place}: ${message.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')}`;
}

function shortPath(file: string): string {
  const short = relative(process.cwd(), file);
  return file.startsWith('/') && short !== '' && !short.startsWith('..') ? short : file;
}
