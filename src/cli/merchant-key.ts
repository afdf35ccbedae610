import { Command } from 'commander';
import type { MerchantKeyEntry } from '../config/merchant-schema.ts';
import type { GatewayConfig } from '../config/schema.ts';
import { systemClock } from '../lib/clock.ts';
import { formatTable } from '../lib/table.ts';
import { UserError } from '../lib/user-error.ts';
import { keyidOf } from '../protocol/keyid.ts';
import type { MerchantKey } from '../protocol/merchant.ts';
import { loadRegistry } from '../registry/load.ts';
import { openMerchantFiles } from '../registry/merchant-files.ts';
import { type ChangeOptions, change, readConfiguration, withChangeOptions } from './change.ts';
import { editYaml } from './edit-yaml.ts';
import { WrongUse } from './exit.ts';
import { certificatePath, readMerchant } from './merchant-file.ts';
import { reading } from './reading.ts';

const EXAMPLES = `
Examples:
  hufu merchant key add 800000000000003 --certificate merchants/800000000000003-2027.crt --reason "yearly change"
  hufu merchant key add 800000000000003 --public-key merchants/app.pub --keyid app-2027 --not-before 2027-01-01T00:00:00+08:00
  hufu merchant key retire 800000000000003 --keyid app-2026 --at 2027-02-01T00:00:00+08:00 --reason "yearly change"
  hufu merchant key list 800000000000003

Several keys may be valid at once: add the new one, let the merchant change over, retire the old one.`;

type AddOptions = ChangeOptions & {
  certificate?: string;
  publicKey?: string;
  keyid?: string;
  algorithm?: string;
  notBefore?: string;
  notAfter?: string;
};
type RetireOptions = ChangeOptions & { keyid: string; at?: string };

/** `hufu merchant key`: the keys that a merchant's requests may be signed with. */
export function keyCommand(): Command {
  const command = new Command('key').description('Keys that requests may be signed with.').addHelpText('after', EXAMPLES);
  const number = ['<number>', 'merchant number, 15 digits'] as const;
  withChangeOptions(command.command('add').description('Accept signatures by a further key.'), 'optional')
    .argument(...number)
    .option('--certificate <file>', 'certificate with the key, relative to the certificates directory; its validity bounds the key')
    .option('--public-key <file>', 'instead: a public key in PEM')
    .option('--keyid <keyid>', 'what signatures call it; default: SHA-256 of its SubjectPublicKeyInfo, hex')
    .option('--algorithm <name>', 'the one algorithm it may be used with; default: what the key is for')
    .option('--not-before <time>', 'accepted from then on only, RFC 3339')
    .option('--not-after <time>', 'accepted until then only, RFC 3339')
    .action(add);
  withChangeOptions(command.command('retire').description('Accept a key no longer, now or from a moment on.'), 'required')
    .argument(...number)
    .requiredOption('--keyid <keyid>', 'the key, as `hufu merchant key list` shows it')
    .option('--at <time>', 'when it ends, RFC 3339; default: now')
    .action(retire);
  reading(command.command('list').description('The keys of a merchant.'))
    .argument(...number)
    .action(list);
  return command;
}

async function add(number: string, options: AddOptions): Promise<void> {
  const { certificate, publicKey, keyid, algorithm, notBefore, notAfter } = options;
  if ((certificate === undefined) === (publicKey === undefined)) throw new WrongUse('name the key by --certificate or by --public-key');
  const config = readConfiguration(options);
  const { file, content } = readMerchant(config, number);
  const entry = {
    ...(certificate === undefined ? {} : { certificate: certificatePath(config, certificate) }),
    ...(publicKey === undefined ? {} : { publicKey: certificatePath(config, publicKey) }),
    ...Object.fromEntries(Object.entries({ keyid, algorithm, notBefore, notAfter }).filter(([, value]) => value !== undefined)),
  };
  const edit = editYaml(file, content);
  edit.append('keys', entry);
  await change(options, config, [{ file, former: content, content: edit.text() }], {
    kind: 'reload',
    subject: `key added to merchant ${number}`,
    before: '',
    after: JSON.stringify(entry),
  });
}

async function retire(number: string, options: RetireOptions): Promise<void> {
  const endsAtMs = options.at === undefined ? systemClock.nowMs() : Date.parse(options.at);
  if (Number.isNaN(endsAtMs)) throw new WrongUse('--at: expected an RFC 3339 time such as 2027-02-01T00:00:00+08:00');
  const config = readConfiguration(options);
  const { file, content, written } = readMerchant(config, number);
  const key = keysOf(config, number).find(({ keyid }) => keyid === options.keyid);
  const index = key === undefined ? -1 : written.keys.findIndex((entry) => keyidOfEntry(config, entry) === key.keyid);
  if (key === undefined)
    throw new UserError(`merchant ${number} has no key ${options.keyid}; \`hufu merchant key list ${number}\` shows all`);
  const edit = editYaml(file, content);
  // A key that had not begun yet has nothing to keep.
  if (key.notBeforeMs >= endsAtMs) edit.removeAt('keys', index);
  else edit.setIn(['keys', index, 'notAfter'], new Date(endsAtMs).toISOString());
  await change(options, config, [{ file, former: content, content: edit.text() }], {
    kind: 'reload',
    subject: `key ${key.keyid} of merchant ${number} retired`,
    before: JSON.stringify(written.keys[index]),
    after: JSON.stringify({ notAfter: new Date(endsAtMs).toISOString() }),
  });
}

/** The keyid of an entry: as written, else made of its key. */
function keyidOfEntry(config: GatewayConfig, { keyid, certificate, publicKey }: MerchantKeyEntry): string {
  const files = openMerchantFiles(config);
  if (keyid !== undefined) return keyid;
  return keyidOf(certificate === undefined ? files.loadPublicKey(publicKey as string) : files.loadCertificate(certificate).facts.publicKey);
}

/** Its own ones: those that a delegation lets sign for it stand in another file. */
function keysOf(config: GatewayConfig, number: string): readonly MerchantKey[] {
  return loadRegistry(config)
    .keysOf(number)
    .filter(({ merchantNumbers }) => merchantNumbers[0] === number);
}

function list(number: string, options: ChangeOptions): void {
  const config = readConfiguration(options);
  readMerchant(config, number);
  const nowMs = systemClock.nowMs();
  const keys = keysOf(config, number).map(({ keyid, algorithm, notBeforeMs, notAfterMs }) => ({
    ...{ keyid, algorithm, notBefore: new Date(notBeforeMs).toISOString(), notAfter: new Date(notAfterMs).toISOString() },
    state: nowMs < notBeforeMs ? 'not yet' : nowMs > notAfterMs ? 'ended' : 'valid',
  }));
  if (options.json) {
    console.log(JSON.stringify({ keys }));
    return;
  }
  const titles = ['keyid', 'algorithm', 'state', 'from', 'until'].map((title) => ({ title }));
  const cells = keys.map(({ keyid, algorithm, state, notBefore, notAfter }) => [keyid, algorithm, state, notBefore, notAfter]);
  console.log(formatTable(titles, cells).join('\n'));
}
