import { relative } from 'node:path';
import { Command } from 'commander';
import { type Column, formatTable } from '../lib/table.ts';
import { EXIT, WrongUse } from './exit.ts';
import { collectInventory, type Inventory } from './inventory/collect.ts';
import { locate, readOnly } from './locate.ts';

const EXAMPLES = `
Examples:
  hufu inventory
  hufu inventory --config /etc/hufu/gateway.yaml --json
  hufu inventory --fail-before-days 30        for a nightly job: exit status 1 when something in use ends within 30 days

What is in use and ends within 60, 30 or 7 days is told at the end. Reads only; no key leaves its file.`;

type Options = { config?: string; data?: string; json?: boolean; failBeforeDays?: string };

/** `hufu inventory`: all keys, certificates, suites, bindings and ends, from the configuration and its directories. */
export function createCommand(): Command {
  return new Command('inventory')
    .description('List every key, certificate, suite and binding, and when each ends.')
    .option('--config <file>', 'gateway.yaml (default HUFU_CONFIG, else the copy in the data directory)')
    .option('--data <directory>', 'the data directory (default HUFU_DATA)')
    .option('--fail-before-days <days>', 'exit status 1 when something in use ends earlier than this')
    .option('--json', 'print everything as JSON')
    .addHelpText('after', EXAMPLES)
    .action(run);
}

function run(options: Options): void {
  const { failBeforeDays } = options;
  if (failBeforeDays !== undefined && !/^\d{1,5}$/.test(failBeforeDays)) throw new WrongUse('--fail-before-days is a whole number of days');
  const inventory = collectInventory(readOnly(locate(options, process.env), process.env), Date.now());
  console.log(options.json ? JSON.stringify(inventory) : textOf(inventory).join('\n'));
  const ends = endsOf(inventory);
  if (failBeforeDays !== undefined && ends.some(({ daysLeft }) => daysLeft < Number(failBeforeDays))) process.exitCode = EXIT.refused;
}

type End = { readonly what: string; readonly daysLeft: number; readonly notAfter: string; readonly warning: string | undefined };

/** Everything in use that has an end. */
function endsOf({ certificates, merchantKeys, crls }: Inventory): End[] {
  const used = certificates
    .filter(({ uses }) => uses.length > 0)
    .map(({ subject, serial, uses, daysLeft, notAfter, warning }) => ({
      what: `certificate ${subject} (serial ${serial}; ${uses.join(', ')})`,
      daysLeft,
      notAfter,
      warning,
    }));
  const keys = merchantKeys.flatMap(({ keyid, merchants, daysLeft, notAfter, warning }) =>
    daysLeft === undefined || notAfter === undefined
      ? []
      : [{ what: `signing key ${keyid} of merchant ${merchants.join(', ')}`, daysLeft, notAfter, warning }],
  );
  const lists = crls.flatMap(({ authority, source, nextUpdate, daysLeft, warning }) =>
    nextUpdate === undefined || daysLeft === undefined || warning === undefined
      ? []
      : [{ what: `revocation list ${source} of ${authority}`, daysLeft, notAfter: nextUpdate, warning }],
  );
  return [...used, ...keys, ...lists];
}

const left = (title: string): Column => ({ title });
const right = (title: string): Column => ({ title, align: 'right' });
const place = (file: string): string => {
  const short = relative(process.cwd(), file);
  return short.startsWith('..') ? file : short;
};

function chapter(title: string, columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  return [`${title} (${rows.length})`, ...(rows.length > 0 ? formatTable(columns, rows).map((line) => `  ${line}`) : []), ''];
}

function textOf(inventory: Inventory): string[] {
  const { certificates, merchantKeys, bindings, privateKeys, crls, tickets, suites, problems } = inventory;
  const warnings = endsOf(inventory).filter(({ warning }) => warning !== undefined);
  return [
    ...chapter(
      'Certificates',
      [right('days'), left('until'), left('key'), left('subject'), left('used by'), left('file')],
      certificates.map(({ daysLeft, notAfter, key, subject, uses, files }) => [
        String(daysLeft),
        notAfter.slice(0, 10),
        key,
        subject,
        uses.join(', ') || '-',
        files.map(place).join(', '),
      ]),
    ),
    ...chapter(
      'Signing keys of merchants',
      [right('days'), left('merchant'), left('key'), left('algorithm'), left('keyid')],
      merchantKeys.map(({ daysLeft, merchants, key, algorithm, keyid }) => [
        String(daysLeft ?? 'no end'),
        merchants.join(', '),
        key,
        algorithm,
        keyid,
      ]),
    ),
    ...chapter(
      'Bindings',
      [left('merchant'), left('authority'), left('subject')],
      bindings.map(({ merchants, authority, subject }) => [merchants.join(', '), authority, subject]),
    ),
    ...chapter(
      'Private and secret keys',
      [left('kind'), left('id'), left('file')],
      privateKeys.map(({ kind, id, file }) => [kind, id, place(file)]),
    ),
    ...chapter(
      'Revocation lists',
      [left('authority'), left('made'), right('age h'), left('next update'), right('revoked'), left('source')],
      crls.map(({ authority, thisUpdate, ageHours, nextUpdate, revoked, source }) => [
        authority,
        thisUpdate?.slice(0, 16) ?? 'none here',
        String(ageHours ?? ''),
        nextUpdate?.slice(0, 16) ?? '',
        String(revoked ?? ''),
        source.startsWith('http://') ? source : place(source),
      ]),
    ),
    tickets.isShared
      ? `TLS tickets: keys of ${tickets.keysOf}, in use for ${tickets.keysAgeHours} h; their secret is ${tickets.secretAgeDays} days old, ${place(tickets.file)}`
      : `TLS tickets: each process has a secret of its own, made at its start; write ${place(tickets.file)} to share sessions`,
    '',
    `TLS ${suites.versions.join(' to ')}: ${suites.ciphers.join(', ')}`,
    `Groups: ${suites.groups.join(', ')}`,
    `Signatures: ${suites.signatures.join(', ')}`,
    '',
    ...problems.map((problem) => `problem: ${problem}`),
    ...warnings.map(({ what, notAfter, warning }) =>
      warning === 'expired' ? `EXPIRED ${notAfter}: ${what}` : `ends within ${warning}, ${notAfter}: ${what}`,
    ),
    ...(warnings.length + problems.length === 0 ? ['Nothing in use ends within 60 days.'] : []),
  ];
}
