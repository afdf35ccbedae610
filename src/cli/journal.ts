import { createPublicKey, type KeyObject } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { readJournals } from '../journal/journals.ts';
import { type Verification, verifyJournal } from '../journal/verify.ts';
import { formatTable } from '../lib/table.ts';
import { UserError } from '../lib/user-error.ts';
import { withChangeOptions } from './change.ts';
import { EXIT } from './exit.ts';
import { archive } from './journal/archive.ts';
import { evidence } from './journal/evidence.ts';
import { find } from './journal/find.ts';
import { readDirectories } from './locate.ts';

const EXAMPLES = `
Examples:
  hufu journal verify                     every journal in the data directory
  hufu journal verify --directory /var/lib/hufu/journal/gateway-1 --key /etc/hufu/keys/journal.pub
  hufu journal list
  hufu journal find --order A-1 --merchant 800000000000001
  hufu journal find --from 2026-11-22T00:00:00+08:00 --to 2026-11-23T00:00:00+08:00 --json
  hufu journal archive --to /mnt/archive/host-1 --dry-run
  hufu journal evidence 5b0c1a5e-8f0a-4f0e-9b65-0e5a7f3f2c11 --out /tmp/case-4711

\`verify\` finds every record that was changed, removed or moved, by its number. It works offline and needs no running gateway.`;

type Options = { data?: string; directory?: string; key?: string[]; json?: boolean };

/** `hufu journal`: looks at what was decided, and whether it is still what was written. */
export function createCommand(): Command {
  const journal = new Command('journal').description('Verify and list journals.').addHelpText('after', EXAMPLES);
  const shared = (command: Command) =>
    command.option('--data <directory>', 'the data directory (default HUFU_DATA)').option('--json', 'print JSON');
  shared(journal.command('verify').description('Check hashes, numbers, signatures and anchors. Exit status 1 when something is wrong.'))
    .option('--directory <directory>', 'one journal folder (default: all below the data directory)')
    .option(
      '--key <file...>',
      'public keys of the checkpoints, present and former (default journal.pub and journal.*.pub of keys/ in the data directory)',
    )
    .action(verify);
  shared(journal.command('list').description('Journals of this host.')).action(list);
  shared(journal.command('find').description('Records by request, order, merchant and time.'))
    .option('--directory <directory>', 'one journal folder (default: all below the data directory)')
    .option('--request <id>', 'Hufu-Request-Id')
    .option('--order <number>', 'order number')
    .option('--merchant <number>', 'merchant number')
    .option('--from <time>', 'not before, RFC 3339')
    .option('--to <time>', 'before, RFC 3339')
    .action(find);
  shared(journal.command('evidence <request-id>').description('What proves a request and its answer, for openssl alone.'))
    .option('--profile <name>', 'development or production', 'development')
    .option('--config <file>', 'gateway.yaml (default HUFU_CONFIG, else the copy in the data directory)')
    .option('--out <directory>', 'where to write it (default evidence-REQUEST_ID)')
    .action(evidence);
  withChangeOptions(journal.command('archive').description('Move old segments elsewhere that nothing here needs any more.'), 'optional')
    .requiredOption('--to <directory>', 'where to, e.g. a mounted archive; one folder for each journal is made there')
    .option('--keep-days <number>', 'keep younger records here', '400')
    .option('--dry-run', 'only say what would go')
    .action(archive);
  return journal;
}

const rootOf = (options: Options): string => readDirectories(options, process.env).journals;

async function list(options: Options): Promise<void> {
  const journals = await readJournals(rootOf(options));
  if (options.json) {
    console.log(JSON.stringify(journals));
    return;
  }
  const rows = journals.map(({ instance, locked, cleanlyClosed, lastRecordAtMs }) => [
    instance,
    locked ? 'open' : cleanlyClosed ? 'closed' : 'ended uncleanly',
    lastRecordAtMs === 0 ? 'none' : new Date(lastRecordAtMs).toISOString(),
  ]);
  console.log(formatTable([{ title: 'journal' }, { title: 'state' }, { title: 'last record' }], rows).join('\n'));
}

/** `journal.pub` and what former keys left, such as `journal.2026.pub`; or the files that were named. */
function keyFiles(options: Options): readonly string[] {
  if (options.key !== undefined) return options.key;
  const { secrets } = readDirectories(options, process.env);
  const names = existsSync(secrets) ? readdirSync(secrets) : [];
  return names.filter((name) => /^journal(\..+)?\.pub$/.test(name)).map((name) => join(secrets, name));
}

function readKeys(options: Options): { readonly publicKeys: readonly KeyObject[] } {
  const publicKeys = keyFiles(options).map((file) => {
    if (!existsSync(file)) throw new UserError(`${file}: there is no such file; --key names the public key of the checkpoints`);
    try {
      return createPublicKey(readFileSync(file));
    } catch (cause) {
      throw new UserError(`${file}: this is no public key in PEM form`, { cause });
    }
  });
  return { publicKeys };
}

async function verify(options: Options): Promise<void> {
  const keys = readKeys(options);
  const directories = options.directory
    ? [resolve(options.directory)]
    : (await readJournals(rootOf(options))).map(({ directory }) => directory);
  if (directories.length === 0) throw new UserError(`${rootOf(options)}: there is no journal; name one with --directory`);
  if (directories.some((directory) => !existsSync(directory))) throw new UserError(`${directories[0]}: there is no such folder`);
  const results: (Verification & { directory: string })[] = [];
  for (const directory of directories) results.push({ directory, ...(await verifyJournal(directory, keys)) });
  console.log(options.json ? JSON.stringify(results) : results.map((result) => textOf(result, keys.publicKeys.length > 0)).join('\n'));
  if (results.some(({ problems }) => problems.length > 0)) process.exitCode = EXIT.refused;
}

function textOf(result: Verification & { directory: string }, signed: boolean): string {
  const { directory, records, segments, problems, tornBytes, cleanlyClosed, lastRecord, anchoredRecord, anchoredAtMs } = result;
  const lines = [
    `${directory}: ${problems.length === 0 ? 'whole' : 'NOT as it was written'}, ${records} records in ${segments} ${segments === 1 ? 'segment' : 'segments'}${signed ? '' : ' (signatures not checked: no key)'}`,
  ];
  for (const { segment, record, reason } of problems) lines.push(`  segment ${segment}, record ${record}: ${reason}`);
  if (tornBytes > 0)
    lines.push(`  ${tornBytes} bytes of a record at the end were never finished (a crash); they are cut at the next start`);
  if (lastRecord > anchoredRecord)
    lines.push(`  tail unanchored since record ${anchoredRecord}${anchoredAtMs > 0 ? `, ${new Date(anchoredAtMs).toISOString()}` : ''}`);
  if (!cleanlyClosed) lines.push('  not closed: a gateway is writing it, or ended without notice');
  return lines.join('\n');
}
