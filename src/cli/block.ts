import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { loadCertificateFile } from '../certificates/files.ts';
import type { GatewayConfig } from '../config/schema.ts';
import { formatTable } from '../lib/table.ts';
import { UserError } from '../lib/user-error.ts';
import { printName } from '../protocol/distinguished-name.ts';
import { markOf } from '../registry/blocked.ts';
import { type ChangeOptions, change, readConfiguration, withChangeOptions } from './change.ts';
import { editYaml } from './edit-yaml.ts';
import { WrongUse } from './exit.ts';
import { reading } from './reading.ts';

const EXAMPLES = `
Examples:
  hufu block add --certificate stolen.crt --reason "laptop stolen, ticket 4711"
  hufu block add --serial 65EC2DC5091997559911B395504775F3 --reason "key on a public server"
  hufu block add --subject "CN=800000000000001,OU=Merchants,C=CN" --reason "contract ended"
  hufu block remove --serial 65EC2DC5091997559911B395504775F3 --reason "found again"
  hufu block list

Blocks certificates at once, whatever their authority says; connections that use them are closed. The list is \`blocked\` in
gateway.yaml. A certificate is blocked by its thumbprint, a serial number or name together with its authority.`;

type Entry = GatewayConfig['blocked'][number];
type Options = ChangeOptions & { certificate?: string; serial?: string; thumbprint?: string; subject?: string; authority?: string };

/** `hufu block`: the operator's own list of refused certificates. */
export function createCommand(): Command {
  const block = new Command('block').description('Block certificates, whatever their authority says.').addHelpText('after', EXAMPLES);
  const which = (command: Command) =>
    withChangeOptions(command, 'required')
      .option('--certificate <file>', 'one certificate, by its file')
      .option('--thumbprint <x5t#S256>', 'one certificate, by its SHA-256 in base64url')
      .option('--serial <hex>', 'one certificate, by its serial number')
      .option('--subject <name>', 'every certificate of a name, RFC 4514')
      .option('--authority <name>', 'who issued it, for --serial and --subject; needed when there are several');
  which(block.command('add').description('Refuse a certificate from now on, and close its connections.')).action(add);
  which(block.command('remove').description('Accept a blocked certificate again.')).action(remove);
  reading(block.command('list').description('The blocked certificates of the configuration.')).action(list);
  return block;
}

function readEntry({ certificate, serial, thumbprint, subject, authority, reason = '' }: Options): Entry {
  if ([certificate, serial, thumbprint, subject].filter((value) => value !== undefined).length !== 1)
    throw new WrongUse('name the certificate by one of --certificate, --thumbprint, --serial, --subject');
  const from = authority === undefined ? {} : { authority };
  if (certificate !== undefined) return { thumbprint: loadCertificateFile(certificate).facts.thumbprint, reason };
  if (thumbprint !== undefined) return { thumbprint, reason };
  if (serial !== undefined) return { ...from, serial: serial.toUpperCase(), reason };
  return { ...from, subject: subject as string, reason };
}

const fail = (message: string): never => {
  throw new UserError(message);
};

/** For the journal: whose certificate it was, where the file tells. */
const printed = (entry: Entry, { certificate }: Options): string => {
  const subject = certificate === undefined ? {} : { subject: printName(loadCertificateFile(certificate).facts.subject) };
  return JSON.stringify({ ...subject, ...entry });
};

async function add(options: Options): Promise<void> {
  const config = readConfiguration(options);
  const entry = readEntry(options);
  const subject = markOf(entry, config, fail);
  const former = readFileSync(config.file, 'utf8');
  const edit = editYaml(config.file, former);
  const isThere = config.blocked.some((other) => markOf(other, config, fail) === subject);
  if (!isThere) edit.append('blocked', entry);
  await change(options, config, [{ file: config.file, former, content: isThere ? former : edit.text() }], {
    kind: 'block',
    subject,
    before: '',
    after: printed(entry, options),
  });
}

async function remove(options: Options): Promise<void> {
  const config = readConfiguration(options);
  const entry = readEntry(options);
  const subject = markOf(entry, config, fail);
  const former = readFileSync(config.file, 'utf8');
  const edit = editYaml(config.file, former);
  const at = config.blocked.findIndex((other) => markOf(other, config, fail) === subject);
  if (at >= 0) edit.removeAt('blocked', at);
  const before = at >= 0 ? JSON.stringify(config.blocked[at]) : printed(entry, options);
  await change(options, config, [{ file: config.file, former, content: at >= 0 ? edit.text() : former }], {
    kind: 'unblock',
    subject,
    before,
    after: '',
  });
}

function list(options: ChangeOptions): void {
  const { blocked } = readConfiguration(options);
  if (options.json) {
    console.log(JSON.stringify(blocked));
    return;
  }
  const rows = blocked.map(({ authority, serial, thumbprint, subject, reason }) => [
    serial ? 'serial' : thumbprint ? 'thumbprint' : 'subject',
    serial ?? thumbprint ?? subject ?? '',
    authority ?? '',
    reason,
  ]);
  console.log(formatTable([{ title: 'by' }, { title: 'value' }, { title: 'authority' }, { title: 'reason' }], rows).join('\n'));
}
