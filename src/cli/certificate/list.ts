import type { Command } from 'commander';
import { authorityFiles } from '../../certificates/authority.ts';
import { type IssuedEntry, readIndex, standingOf } from '../../certificates/authority-index.ts';
import { AUTHORITY_NAMES, type AuthorityName } from '../../certificates/issuing-rules.ts';
import { formatTable } from '../../lib/table.ts';
import { directoryOf, readAuthorityName, type SharedOptions, withDirectory } from './shared.ts';

const EXAMPLES = `
Examples:
  hufu certificate list
  hufu certificate list --authority merchants --json`;

type Options = SharedOptions & { authority?: string };
type Row = Omit<IssuedEntry, 'certificate' | 'event'> & {
  readonly authority: AuthorityName;
  readonly standing: string;
  readonly revokedAt?: string;
  readonly reason?: string;
};

/** `hufu certificate list`: what the authorities of a directory issued, and what became of it. */
export function addListCommand(parent: Command): void {
  withDirectory(parent.command('list').description('Everything that was issued, with its standing.'))
    .option('--authority <name>', `only that of one: ${AUTHORITY_NAMES.join(', ')}`)
    .addHelpText('after', EXAMPLES)
    .action(run);
}

function run(options: Options): void {
  const directory = directoryOf(options);
  const names = options.authority === undefined ? AUTHORITY_NAMES : [readAuthorityName(options.authority)];
  const rows = names.flatMap((name) => rowsOf(directory, name, Date.now()));
  if (options.json) {
    console.log(JSON.stringify(rows));
    return;
  }
  const titles = ['serial', 'authority', 'standing', 'until', 'by', 'subject'].map((title) => ({ title }));
  const cells = rows.map(({ serial, authority, standing, reason, notAfter, actor, subject }) => [
    serial,
    authority,
    reason === undefined ? standing : `${standing} (${reason})`,
    notAfter.slice(0, 10),
    actor,
    subject,
  ]);
  console.log(cells.length === 0 ? `${directory}: nothing was issued here by hufu certificate` : formatTable(titles, cells).join('\n'));
}

function rowsOf(directory: string, authority: AuthorityName, nowMs: number): Row[] {
  const index = readIndex(authorityFiles(directory, authority).index);
  return [...index.issued.values()].map((entry) => {
    const { certificate, event, ...shown } = entry;
    const revoked = index.revoked.get(entry.serial);
    return {
      authority,
      standing: standingOf(entry, index, nowMs),
      ...shown,
      ...(revoked && { revokedAt: revoked.at, reason: revoked.reason }),
    };
  });
}
