import { type Announced, type Announcement, type Announcements, TOPIC } from '../../ports/announcements.ts';
import type { Statements } from './statements.ts';
import type { Transactions } from './transactions.ts';

type Work = Transactions<{ readonly statements: Statements }>;

/** Announcements in the store's own file: one row each, numbered by the file. */
export const announcementCommands = ({ write, read }: Work): Announcements => ({
  announce: (change) => write(({ statements }) => put(statements, change, false)),
  since: (version) =>
    read(({ statements: s }) => {
      const present = versionOf(s);
      return { version: present, changes: present > version ? s.announcementsSince.all(version).map(rowOf) : [] };
    }),
  restore: (changes) =>
    write(({ statements: s }) => {
      for (const change of changes) {
        const latest = s.latestAnnouncement.get(TOPIC[change.kind], change.subject)?.atMs as number | null | undefined;
        if ((latest ?? -1) < change.atMs) put(s, change, true);
      }
    }),
  acknowledge: ({ instance, version, problem }) =>
    write(({ statements }) => {
      statements.putAcknowledgement.run(instance, version, problem);
    }),
  acknowledgements: () =>
    read(({ statements }) =>
      statements.allAcknowledgements.all().map((row) => ({
        instance: row.instance as string,
        version: row.version as number,
        problem: row.problem as string,
      })),
    ),
});

const versionOf = (s: Statements): number => (s.announcementVersion.get()?.version as number | null) ?? 0;

function put(s: Statements, change: Announced, restored: boolean): number {
  const { kind, subject, actor, reason, atMs, before, after } = change;
  const version = versionOf(s) + 1;
  s.putAnnouncement.run(version, TOPIC[kind], kind, subject, actor, reason, atMs, before, after, restored ? 1 : 0);
  return version;
}

const rowOf = ({ restored, ...row }: Record<string, unknown>): Announcement =>
  ({ ...row, restored: restored === 1 }) as unknown as Announcement;
