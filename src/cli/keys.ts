import { Command, Option } from 'commander';
import { findCertificate } from '../config/check-files.ts';
import type { GatewayConfig } from '../config/schema.ts';
import { systemClock } from '../lib/clock.ts';
import { formatTable } from '../lib/table.ts';
import { UserError } from '../lib/user-error.ts';
import { keyStateAt } from '../protocol/answer-key.ts';
import type { Merchant } from '../protocol/merchant.ts';
import { loadRegistry } from '../registry/load.ts';
import { type ChangeOptions, change, readConfiguration, withChangeOptions } from './change.ts';
import { WrongUse } from './exit.ts';
import { adopt } from './keys/adopt.ts';
import { KEY_LISTS, type KeyListName, type KeyRow, listWith, openList, rowsOf, USE_OF } from './keys/key-list.ts';
import { type Readiness, readinessOf } from './keys/readiness.ts';
import { planPromotion, planRetirement, type RotationEdit, USUAL_SHARES } from './keys/rotation.ts';
import { certificatePath } from './merchant-file.ts';
import { reading } from './reading.ts';
import { withStore } from './with-store.ts';

const EXAMPLES = `
Examples:
  hufu keys announce platform-2027 --certificate signing/platform-2027.crt --key signing/platform-2027.key
  hufu keys readiness platform-2027
  hufu keys promote platform-2027 --share 5
  hufu keys promote platform-2027
  hufu keys retire platform-ec
  hufu keys list

A key is announced (published, so that merchants fetch it), current (it signs), retiring (published, still verifiable), retired.
Promotion goes by shares of the merchants, such as ${USUAL_SHARES.join(', ')} %; the former key retires when the share is 100. The keys that
requests are encrypted to (announce --use enc) go the same way without shares; a retired one no longer decrypts. The lists are \`answers.keys\`
and \`encryption.keys\` in gateway.yaml; every change takes effect in the running gateways without a restart. See docs/keys.md.`;

type AnnounceOptions = ChangeOptions & { use: 'sig' | 'enc'; certificate: string; key: string; algorithm?: string; currentFrom?: string };
type PromoteOptions = ChangeOptions & { share: string; force?: boolean };
type RetireOptions = ChangeOptions & { now?: boolean };

/** `hufu keys`: the keys that sign answers or that requests are encrypted to, from their announcement to their end. */
export function createCommand(): Command {
  const keys = new Command('keys')
    .description('Announce, promote and retire the keys that sign answers and those that requests are encrypted to.')
    .addHelpText('after', EXAMPLES);
  const sub = (name: string, summary: string): Command =>
    withChangeOptions(keys.command(name).description(summary), 'optional').argument('<keyid>', 'the key, as messages name it');
  sub('announce', 'Publish a new key, so that merchants can fetch it before it signs.')
    .addOption(new Option('--use <use>', 'sig: signs answers; enc: requests are encrypted to it').choices(['sig', 'enc']).default('sig'))
    .requiredOption('--certificate <file>', 'its certificate, relative to the certificates directory')
    .requiredOption('--key <file>', 'its private key, readable by its owner only')
    .option('--algorithm <name>', 'the one algorithm it signs with; default: what the key is for')
    .option('--current-from <time>', 'when it becomes current by itself, RFC 3339')
    .action(announce);
  sub('promote', 'Let a key sign, for a share of the merchants or for all; the former key is then retiring.')
    .option('--share <percent>', 'for how many of a hundred merchants, 1 to 100', '100')
    .option('--force', 'give it to all although too few merchants have fetched it; needs --reason')
    .action(promote);
  sub('retire', 'One step towards the end: a current key is retiring then, an announced or retiring one retired.')
    .option('--now', 'retire it at once, as when it was stolen: merchants refuse what it signed, we what is encrypted to it')
    .action(retire);
  withChangeOptions(
    keys.command('adopt').description('Tell the store that all instances hold the shared secrets of this one now.'),
    'required',
  ).action(adopt);
  reading(keys.command('readiness').description('Which merchants have fetched a key or asked for it.'))
    .argument('<keyid>', 'the key, as answers name it')
    .action(readiness);
  reading(keys.command('list').alias('status').description('All keys, their states and what changes them next.')).action(list);
  return keys;
}

const { nowMs } = systemClock;

/** What a journal calls the keys of a list. */
const KIND: Readonly<Record<KeyListName, string>> = { answers: 'answer key', encryption: 'encryption key' };

const described = ({ keyid, state, sharePercent, currentFrom, retiringFrom, retiredFrom }: KeyRow) => ({
  ...{ keyid, state, sharePercent, currentFrom, retiringFrom, retiredFrom },
});

async function announce(keyid: string, options: AnnounceOptions): Promise<void> {
  const config = readConfiguration(options);
  const taken = KEY_LISTS.find((name) => config[name].keys.some((row) => row.keyid === keyid));
  if (taken)
    throw new UserError(`there is a key ${keyid} in ${taken}.keys already; each key has a name of its own, also after it is retired`);
  const { algorithm, currentFrom, use } = options;
  if (use === 'enc' && algorithm !== undefined)
    throw new WrongUse('--algorithm is of keys that sign; the kind of an encryption key decides');
  const list = use === 'enc' ? 'encryption' : 'answers';
  const { former, edit } = openList(config, list);
  const entry = {
    keyid,
    certificate: certificatePath(config, options.certificate),
    key: certificatePath(config, options.key),
    ...(algorithm === undefined ? {} : { algorithm }),
    state: 'announced',
    ...(currentFrom === undefined ? {} : { currentFrom }),
  };
  edit.appendIn([list, 'keys'], entry);
  await write(options, config, { former, edit }, `${KIND[list]} ${keyid} announced`, '', JSON.stringify(entry));
}

async function promote(keyid: string, options: PromoteOptions): Promise<void> {
  const percent = Number(options.share);
  if (!/^\d{1,3}$/.test(options.share) || percent < 1 || percent > 100) throw new WrongUse('--share: expected a whole number 1 to 100');
  if (options.force && !options.reason) throw new WrongUse('--force needs --reason, for the journal');
  const config = readConfiguration(options);
  const list = listWith(config, keyid);
  if (list === 'encryption' && percent < 100)
    throw new WrongUse('--share is of keys that sign: every merchant takes the current key from the same list');
  const rows = rowsOf(config, list);
  const edits = planPromotion(rows, keyid, percent, nowMs());
  // To the former encryption key everybody may go on encrypting, so nobody has to be ready.
  if (list === 'answers' && percent === 100 && !options.force) await checkReady(config, rows, keyid);
  await apply(options, config, list, edits, `${KIND[list]} ${keyid} promoted to ${percent} %`);
}

async function retire(keyid: string, options: RetireOptions): Promise<void> {
  const config = readConfiguration(options);
  const list = listWith(config, keyid);
  const edits = planRetirement(rowsOf(config, list), keyid, options.now ?? false, nowMs());
  await apply(options, config, list, edits, `${KIND[list]} ${keyid} retired a step`);
}

async function apply(
  options: ChangeOptions,
  config: GatewayConfig,
  list: KeyListName,
  edits: readonly RotationEdit[],
  subject: string,
): Promise<void> {
  const rows = rowsOf(config, list);
  const { former, edit } = openList(config, list);
  for (const { index, key, value } of edits) edit.setIn([list, 'keys', index, key], value);
  const touched = [...new Set(edits.map((one) => one.index))];
  const after = touched.map((index) => ({
    ...described(rows[index] as KeyRow),
    ...Object.fromEntries(edits.filter((one) => one.index === index).map((one) => [one.key, one.value])),
  }));
  const before = touched.map((index) => described(rows[index] as KeyRow));
  await write(options, config, { former, edit }, subject, JSON.stringify(before), JSON.stringify(after));
}

function write(
  options: ChangeOptions,
  config: GatewayConfig,
  { former, edit }: ReturnType<typeof openList>,
  subject: string,
  before: string,
  after: string,
): Promise<void> {
  return change(options, config, [{ file: config.file, former, content: edit.text() }], { kind: 'reload', subject, before, after });
}

async function readReadiness(config: GatewayConfig, rows: readonly KeyRow[], keyid: string): Promise<Readiness> {
  const row = rows.find((each) => each.keyid === keyid) as KeyRow;
  const { merchantNumbers, findMerchant } = loadRegistry(config);
  const merchants = merchantNumbers.map((number) => findMerchant(number) as Merchant);
  const notes = await withStore(config, (store) => store.notes.all('answer-keys-seen'));
  return readinessOf(row, merchants, new Map(Object.entries(notes).map(([name, atMs]) => [name, Number(atMs)])));
}

async function checkReady(config: GatewayConfig, rows: readonly KeyRow[], keyid: string): Promise<void> {
  const { readyPercent } = await readReadiness(config, rows, keyid);
  const { readinessPercent } = config.answers;
  if (readyPercent >= readinessPercent) return;
  throw new UserError(
    `${keyid} was fetched by ${readyPercent} % of the merchants it is for, and answers.readinessPercent is ${readinessPercent}: see \`hufu keys readiness ${keyid}\`, promote it to a smaller --share first, or add --force --reason`,
  );
}

async function readiness(keyid: string, options: ChangeOptions): Promise<void> {
  const config = readConfiguration(options);
  const found = await readReadiness(config, rowsOf(config, listWith(config, keyid)), keyid);
  if (options.json) {
    console.log(JSON.stringify(found));
    return;
  }
  const rows = found.merchants.map(({ merchantNumber, seenAtMs, isInShare }) => [
    merchantNumber,
    seenAtMs === undefined ? 'never' : iso(seenAtMs),
    isInShare ? 'in its share' : '',
  ]);
  const titles = [{ title: 'merchant' }, { title: 'fetched or asked for' }, { title: '' }];
  console.log([`${keyid}: ${found.readyPercent} % ready`, ...formatTable(titles, rows)].join('\n'));
}

const iso = (ms: number): string => new Date(ms).toISOString();

function list(options: ChangeOptions): void {
  const config = readConfiguration(options);
  const now = nowMs();
  const keys = KEY_LISTS.flatMap((list) =>
    rowsOf(config, list).map((row) => ({
      ...described(row),
      use: USE_OF[list],
      state: keyStateAt(row, now),
      algorithm: row.algorithm,
      notAfter: endOf(row),
    })),
  );
  if (options.json) {
    console.log(JSON.stringify({ keys }));
    return;
  }
  const titles = ['keyid', 'use', 'algorithm', 'state', 'share', 'current from', 'retiring from', 'retired from', 'certificate ends'];
  const cells = keys.map(({ keyid, use, algorithm, state, sharePercent, currentFrom, retiringFrom, retiredFrom, notAfter }) => [
    ...[keyid, use, algorithm ?? '', state, use === 'sig' && state === 'current' ? `${sharePercent} %` : ''],
    ...[currentFrom ?? '', retiringFrom ?? '', retiredFrom ?? '', notAfter ?? ''],
  ]);
  console.log(
    formatTable(
      titles.map((title) => ({ title })),
      cells,
    ).join('\n'),
  );
}

function endOf({ certificate }: KeyRow): string | undefined {
  const notAfterMs = findCertificate(certificate)?.facts.notAfterMs;
  return notAfterMs === undefined ? undefined : iso(notAfterMs);
}
