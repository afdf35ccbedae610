import type { GatewayConfig } from '../config/schema.ts';
import { foldBans } from '../identity/bans.ts';
import { formatTable } from '../lib/table.ts';
import type { Announcement } from '../ports/announcements.ts';
import { type ChangeOptions, readConfiguration } from './change.ts';
import { readMerchant, readMerchants } from './merchant-file.ts';
import { withStore } from './with-store.ts';

/** Everything that was announced on the store. */
const readAnnouncements = (config: GatewayConfig): Promise<readonly Announcement[]> =>
  withStore(config, async (store) => (await store.announcements.since(0)).changes);

/** `hufu merchant show`: the file, and what operators announced about the merchant. */
export async function show(number: string, options: ChangeOptions): Promise<void> {
  const config = readConfiguration(options);
  const { file, content, written } = readMerchant(config, number);
  const announced = await readAnnouncements(config);
  const status = statusOf(written, announced);
  const own = announced.filter(({ subject }) => subject === number || subject.startsWith(`["${number}",`));
  if (options.json) {
    console.log(JSON.stringify({ file, status, merchant: written, announced: own }));
    return;
  }
  console.log(`# ${file}\n# status: ${status}\n# signatures: ${written.signatures.join(', ')}\n${content.trimEnd()}`);
  const rows = own.map(({ version, atMs, kind, actor, reason }) => [String(version), new Date(atMs).toISOString(), kind, actor, reason]);
  if (rows.length > 0)
    console.log(
      ['', ...formatTable([{ title: 'version' }, { title: 'at' }, { title: 'change' }, { title: 'by' }, { title: 'reason' }], rows)].join(
        '\n',
      ),
    );
}

/** The stricter of file and announcements, as the gateways have it. */
const statusOf = ({ number, status }: { readonly number: string; readonly status: string }, announced: readonly Announcement[]): string =>
  foldBans(announced).isSuspended(number) ? 'suspended' : status;

/** `hufu merchant list`: all merchants. */
export async function list(options: ChangeOptions): Promise<void> {
  const config = readConfiguration(options);
  const announced = await readAnnouncements(config);
  const rows = readMerchants(config).map(({ file, written }) => ({ ...written, status: statusOf(written, announced), file }));
  if (options.json) {
    console.log(
      JSON.stringify(
        rows.map(({ number, name, status, plan, names, file }) => ({ number, name, status, plan, names: names.length, file })),
      ),
    );
    return;
  }
  const columns = [{ title: 'number' }, { title: 'name' }, { title: 'status' }, { title: 'plan' }, { title: 'names' }];
  console.log(
    formatTable(
      columns,
      rows.map(({ number, name, status, plan, names }) => [number, name, status, plan, String(names.length)]),
    ).join('\n'),
  );
}
