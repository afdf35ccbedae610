import type { WorkingKeyShelf } from '../../ports/working-keys.ts';
import type { Statements } from './statements.ts';
import type { Transactions } from './transactions.ts';

/** Working keys in one row for each merchant. */
export const workingKeyCommands = ({ write, read }: Transactions<{ readonly statements: Statements }>): WorkingKeyShelf => ({
  read: (merchantNumber) => read(({ statements }) => textOf(statements, merchantNumber)),
  replace: ({ merchantNumber, before, after, untilMs }) =>
    write(({ statements }) => {
      if (textOf(statements, merchantNumber) !== before) return false;
      statements.putWorkingKeys.run(merchantNumber, after, untilMs);
      return true;
    }),
});

const textOf = (s: Statements, merchantNumber: string): string => (s.findWorkingKeys.get(merchantNumber)?.keys as string | undefined) ?? '';
