import { readJournals } from '../../journal/journals.ts';
import type { JournalRecord } from '../../journal/record.ts';
import { type Place, searchJournal } from '../../journal/search.ts';
import { formatTable } from '../../lib/table.ts';
import { WrongUse } from '../exit.ts';
import { readDirectories } from '../locate.ts';

export type FindOptions = {
  data?: string;
  directory?: string;
  request?: string;
  order?: string;
  merchant?: string;
  from?: string;
  to?: string;
  json?: boolean;
};

/** What is asked for; everything that is given must fit. */
type Wanted = { readonly fits: (record: JournalRecord) => boolean; readonly names: (record: JournalRecord) => boolean };

type Named = { readonly requestId?: unknown; readonly admissionId?: unknown; readonly merchantNumber?: unknown };

/** What a record is about, wherever it says so. */
export function aboutOf(record: JournalRecord): Named & { readonly orderNo?: unknown } {
  const data: Named = 'data' in record ? (record.data as Named) : (record as unknown as Named);
  const resolve = record.type === 'admitted' ? record.resolve : undefined;
  return {
    requestId: resolve?.requestId ?? data.requestId,
    admissionId: data.admissionId,
    merchantNumber: data.merchantNumber,
    ...(resolve && { orderNo: resolve.repeat['/orderNo'] ?? resolve.parameters.orderNo }),
  };
}

/**
 * `hufu journal find`: records by request, order, merchant and time. Those that only name an admission (outcomes) are found with the
 * admission's own record.
 */
export async function find(options: FindOptions): Promise<void> {
  const wanted = readWanted(options);
  const directories = options.directory
    ? [options.directory]
    : (await readJournals(readDirectories(options, process.env).journals)).map(({ directory }) => directory);
  const found: Place[] = [];
  const admissions = new Set<unknown>();
  for (const directory of directories)
    for await (const place of searchJournal(directory)) {
      const { record } = place.line;
      const { admissionId } = aboutOf(record);
      const isNamed = wanted.names(record);
      if (isNamed && admissionId !== undefined) admissions.add(admissionId);
      if ((isNamed || admissions.has(admissionId)) && wanted.fits(record)) found.push(place);
    }
  if (options.json) for (const { line } of found) console.log(line.json.toString());
  else if (found.length === 0) console.log('No record is about that.');
  else
    console.log(
      formatTable(
        ['record', 'at', 'type', 'merchant', 'about', 'says'].map((title) => ({ title })),
        found.map(rowOf),
      ).join('\n'),
    );
}

function readWanted({ request, order, merchant, from, to }: FindOptions): Wanted {
  if ([request, order, merchant, from, to].every((value) => value === undefined))
    throw new WrongUse('say what to look for: --request, --order, --merchant, --from or --to');
  const [fromMs, toMs] = [momentOf('--from', from) ?? -Infinity, momentOf('--to', to) ?? Infinity];
  return {
    fits: ({ at }) => at >= fromMs && at < toMs,
    names: (record) => {
      const about = aboutOf(record);
      const asked = [
        [request, about.requestId],
        [order, about.orderNo],
        [merchant, about.merchantNumber],
      ];
      return asked.every(([value, found]) => value === undefined || value === found);
    },
  };
}

function momentOf(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new WrongUse(`${option} ${text}: expected a time such as 2026-11-22T00:00:00+08:00`);
  return ms;
}

function rowOf({ line: { record } }: Place): string[] {
  const { requestId, admissionId, merchantNumber, orderNo } = aboutOf(record);
  const about = [requestId ?? admissionId, orderNo === undefined ? undefined : `order ${orderNo}`].filter((part) => part !== undefined);
  return [
    String(record.seq),
    new Date(record.at).toISOString(),
    record.type,
    String(merchantNumber ?? ''),
    about.join(', '),
    saysOf(record),
  ];
}

/** What a record adds, in a word or two. */
function saysOf(record: JournalRecord): string {
  switch (record.type) {
    case 'outcome':
      return `${record.outcome}, ${record.by}`;
    case 'admitted':
      return record.reservation.map(({ counter, add }) => `${counter} +${add}`).join(' ');
    case 'answer':
      return String(record.data.status);
    case 'request':
      return `${record.data.operation}, ${record.data.scheme} by ${record.data.keyid}`;
    case 'operator':
      return `${record.data.kind} ${record.data.subject} by ${record.data.actor}: ${record.data.reason}`;
    default:
      return '';
  }
}
