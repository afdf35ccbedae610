import type { Notes } from '../../ports/notes.ts';
import type { Statements } from './statements.ts';
import type { Transactions } from './transactions.ts';

type Work = Transactions<{ readonly statements: Statements }>;

/** Notes in the store's own file. */
export const noteCommands = ({ write, read }: Work): Notes => ({
  put: (topic, values) =>
    write(({ statements: s }) => {
      for (const [name, value] of Object.entries(values)) s.putNote.run(topic, name, value);
    }),
  claim: (topic, name, value) =>
    write(({ statements: s }) => {
      s.putNewNote.run(topic, name, value);
      return s.findNote.get(topic, name)?.value as string;
    }),
  all: (topic) =>
    read(({ statements: s }) => Object.fromEntries(s.allNotes.all(topic).map((row) => [row.name as string, row.value as string]))),
});
