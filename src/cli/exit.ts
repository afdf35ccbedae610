import { CommanderError } from 'commander';
import { UserError } from '../lib/user-error.ts';

/** Exit statuses of every command. `refused` also means: could not be proved, invalid, or broken. */
export const EXIT = { ok: 0, refused: 1, wrongUse: 2 } as const;

/** The command line itself was wrong, found only after parsing it: one line, exit status 2. */
export class WrongUse extends UserError {
  constructor(message: string) {
    super(message);
    this.name = 'WrongUse';
  }
}

/** Ends of commander that are not mistakes. */
const CALM_ENDS: readonly string[] = ['commander.helpDisplayed', 'commander.version'];

const isFileProblem = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && 'syscall' in error && 'path' in error && 'code' in error;

/**
 * What to print on standard error, and the exit status, for whatever a command threw.
 * Commander has printed its own message already. A stack is shown only for a fault of ours.
 */
export function describeFailure(error: unknown): { readonly text: string; readonly exitCode: number } {
  if (error instanceof CommanderError) return { text: '', exitCode: CALM_ENDS.includes(error.code) ? EXIT.ok : EXIT.wrongUse };
  if (error instanceof UserError) {
    // Several problems at once, as the configuration tells them, are several lines.
    const text = error.message.replace(/^/gm, 'hufu: ');
    return { text: `${text}\n`, exitCode: error instanceof WrongUse ? EXIT.wrongUse : EXIT.refused };
  }
  // A directory that may not be written, a full disk: the system's own words name the path, and a stack would hide them.
  if (isFileProblem(error)) return { text: `hufu: ${error.message}; mend that, or name another place\n`, exitCode: EXIT.refused };
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { text: `hufu: a fault in hufu itself; please report it with this text:\n${text}\n`, exitCode: EXIT.refused };
}
