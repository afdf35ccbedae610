import { resolve } from 'node:path';
import { type Archivable, archiveSegments, findArchivable } from '../../journal/archive.ts';
import { loadKeyring } from '../../keys/keyring.ts';
import { type ChangeOptions, change, readConfiguration } from '../change.ts';
import { WrongUse } from '../exit.ts';

export type ArchiveOptions = ChangeOptions & { to: string; keepDays: string; dryRun?: boolean };

const DAY_MS = 86_400_000;

/** `hufu journal archive`: moves old segments elsewhere, which nothing on this host needs any more. */
export async function archive(options: ArchiveOptions): Promise<void> {
  const config = readConfiguration(options);
  if (!/^[0-9]{1,5}$/.test(options.keepDays)) throw new WrongUse(`--keep-days ${options.keepDays}: expected a number of days`);
  const nowMs = Date.now();
  const found = await findArchivable(config.journal.directory, nowMs, Number(options.keepDays) * DAY_MS);
  const moving = found.filter(({ segments }) => segments.length > 0);
  for (const each of found) console.error(lineOf(each, options));
  if (options.dryRun || moving.length === 0) return;
  const { journal } = loadKeyring({ secretsDirectory: config.secretsDirectory });
  for (const each of moving) await archiveSegments(each, resolve(options.to), journal, nowMs);
  const after = JSON.stringify(
    moving.map(({ directory, segments }) => ({ directory, segments: segments.map(({ number }) => number), to: options.to })),
  );
  await change(options, config, [], { kind: 'reload', subject: 'journal archive', before: '', after });
}

function lineOf({ directory, segments }: Archivable, { to, dryRun }: ArchiveOptions): string {
  if (segments.length === 0) return `${directory}: nothing to archive`;
  return `${directory}: segments ${segments[0]?.number} to ${segments.at(-1)?.number} ${dryRun ? 'can go' : 'go'} to ${to}`;
}
