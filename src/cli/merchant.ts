import { Command } from 'commander';
import type { GatewayConfig } from '../config/schema.ts';
import { bindingMark } from '../protocol/marks.ts';
import { type ChangeOptions, change, readConfiguration, withChangeOptions } from './change.ts';
import { editYaml } from './edit-yaml.ts';
import { bindingKeyOfEntry, certificatePath, findName, type NameOptions, nameOf, newMerchantFile, readMerchant } from './merchant-file.ts';
import { keyCommand } from './merchant-key.ts';
import { type MoveOptions, move } from './merchant-move.ts';
import { list, show } from './merchant-show.ts';
import { workingKeysCommand } from './merchant-working-keys.ts';
import { reading } from './reading.ts';

const EXAMPLES = `
Examples:
  hufu merchant add 800000000000003 --name "Example Bakery" --certificate merchants/800000000000003.crt --plan standard
  hufu merchant bind 800000000000003 --certificate merchants/renewed.crt --reason "second data centre"
  hufu merchant bind 800000000000003 --subject "CN=bakery,O=Bakery,C=CN" --not-before 2027-01-01T00:00:00+08:00
  hufu merchant move 800000000000003 --from 800000000000001 --certificate merchants/second.crt --reason "merger, ticket 4801"
  hufu merchant unbind 800000000000003 --certificate merchants/old.crt --reason "key lost, ticket 4712"
  hufu merchant suspend 800000000000003 --reason "fraud case 17"
  hufu merchant resume 800000000000003 --reason "fraud case 17 closed"

Changes edit the merchant's file and keep its comments. The whole configuration is checked before anything is written; then every
gateway on the store is told, and the command ends when all configured instances have the change in force and in their journal.
Exit status 1: the change is wrong, or an instance did not acknowledge.`;

type BindOptions = ChangeOptions & NameOptions & { notBefore?: string; notAfter?: string; pin?: string[]; signingCertificate?: string };
type AddOptions = BindOptions & { name: string; plan: string };

/** `hufu merchant`: everything about merchants that changes while gateways run. */
export function createCommand(): Command {
  const merchant = new Command('merchant')
    .description('Add, bind, unbind, suspend, resume and show merchants.')
    .addHelpText('after', EXAMPLES);
  const sub = (name: string, description: string, reason: 'required' | 'optional') =>
    withChangeOptions(merchant.command(name).description(description).argument('<number>', 'merchant number, 15 digits'), reason);
  bindingOptions(sub('add', 'Write a new merchant.', 'optional').requiredOption('--name <text>', 'name, for people'))
    .option('--plan <name>', 'plan of plans.yaml', 'standard')
    .action(add);
  bindingOptions(sub('bind', 'Let a certificate name connect as this merchant.', 'optional')).action(bind);
  nameOptions(sub('move', 'Take a certificate name from another merchant to this one, in one step.', 'required'))
    .requiredOption('--from <number>', 'the merchant that has the name now')
    .option('--signing-certificate <file>', 'take the signing key of this certificate along')
    .action((number: string, options: MoveOptions) => move(number, options));
  nameOptions(sub('unbind', 'Take a certificate name from this merchant; its connections are closed.', 'required')).action(unbind);
  sub('suspend', 'Refuse every request of this merchant; its connections are closed.', 'required').action(suspend);
  sub('resume', 'Serve a suspended merchant again.', 'optional').action(resume);
  merchant.addCommand(keyCommand());
  merchant.addCommand(workingKeysCommand());
  reading(merchant.command('show').description("A merchant's file, and what was announced about it."))
    .argument('<number>', 'merchant number, 15 digits')
    .action(show);
  reading(merchant.command('list').description('All merchants.')).action(list);
  return merchant;
}

const nameOptions = (command: Command): Command =>
  command
    .option('--certificate <file>', 'a certificate file, relative to the certificates directory; its subject is the name')
    .option('--subject <name>', 'instead: the name itself, RFC 4514')
    .option('--authority <name>', 'who issues it; needed when gateway.yaml has several authorities');

const bindingOptions = (command: Command): Command =>
  nameOptions(command)
    .option('--not-before <time>', 'bound from then on only, RFC 3339')
    .option('--not-after <time>', 'bound until then only, RFC 3339')
    .option('--pin <sha256...>', 'the only keys a certificate of this name may have: SHA-256 of the SubjectPublicKeyInfo, hex')
    .option('--signing-certificate <file>', 'also accept request signatures by the key of this certificate');

function entryOf(config: GatewayConfig, { notBefore, notAfter, pin, ...options }: BindOptions) {
  return {
    ...nameOf(config, options),
    ...(notBefore === undefined ? {} : { notBefore }),
    ...(notAfter === undefined ? {} : { notAfter }),
    ...(pin === undefined ? {} : { pins: pin }),
  };
}

async function add(number: string, options: AddOptions): Promise<void> {
  const config = readConfiguration(options);
  const file = newMerchantFile(config, number);
  const entry = entryOf(config, options);
  const edit = editYaml(file, `number: '${number}'\n`);
  edit.set('name', options.name);
  edit.append('names', entry);
  const signing = options.signingCertificate ?? options.certificate;
  if (signing !== undefined) edit.append('keys', { certificate: certificatePath(config, signing) });
  edit.set('plan', options.plan);
  const after = JSON.stringify({ number, name: options.name, names: [entry], plan: options.plan });
  const subject = bindingMark(bindingKeyOfEntry(config, file, entry), number);
  await change(options, config, [{ file, former: undefined, content: edit.text() }], { kind: 'bind', subject, before: '', after });
}

async function bind(number: string, options: BindOptions): Promise<void> {
  const config = readConfiguration(options);
  const merchant = readMerchant(config, number);
  const entry = entryOf(config, options);
  const key = bindingKeyOfEntry(config, merchant.file, entry);
  const edit = editYaml(merchant.file, merchant.content);
  const at = findName(config, merchant, 'names', key);
  if (at >= 0) edit.removeAt('names', at);
  edit.append('names', entry);
  if (options.signingCertificate !== undefined) edit.append('keys', { certificate: certificatePath(config, options.signingCertificate) });
  await change(options, config, [{ file: merchant.file, former: merchant.content, content: edit.text() }], {
    kind: 'bind',
    subject: bindingMark(key, number),
    before: at >= 0 ? JSON.stringify(merchant.written.names[at]) : '',
    after: JSON.stringify(entry),
  });
}

async function unbind(number: string, options: ChangeOptions & NameOptions): Promise<void> {
  const config = readConfiguration(options);
  const merchant = readMerchant(config, number);
  const key = bindingKeyOfEntry(config, merchant.file, nameOf(config, options));
  const edit = editYaml(merchant.file, merchant.content);
  const lists = (['names', 'delegations'] as const).map((list) => ({ list, at: findName(config, merchant, list, key) }));
  const found = lists.filter(({ at }) => at >= 0);
  for (const { list, at } of found) edit.removeAt(list, at);
  await change(
    options,
    config,
    [{ file: merchant.file, former: merchant.content, content: found.length > 0 ? edit.text() : merchant.content }],
    {
      kind: 'unbind',
      subject: bindingMark(key, number),
      before: JSON.stringify(found.map(({ list, at }) => merchant.written[list][at])),
      after: '',
    },
  );
}

const suspend = (number: string, options: ChangeOptions): Promise<void> => setStatus(number, options, 'suspended');
const resume = (number: string, options: ChangeOptions): Promise<void> => setStatus(number, options, 'active');

async function setStatus(number: string, options: ChangeOptions, status: 'active' | 'suspended'): Promise<void> {
  const config = readConfiguration(options);
  const { file, content, written } = readMerchant(config, number);
  const edit = editYaml(file, content);
  edit.set('status', status);
  // Told also when it stands in the file already: another host's file, or an announcement, may say otherwise.
  await change(options, config, [{ file, former: content, content: written.status === status ? content : edit.text() }], {
    kind: status === 'suspended' ? 'suspend' : 'resume',
    subject: number,
    before: written.status,
    after: status,
  });
}
