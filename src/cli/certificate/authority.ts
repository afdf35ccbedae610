import { existsSync, rmSync } from 'node:fs';
import { Command } from 'commander';
import { authorityFiles, entryOf } from '../../certificates/authority.ts';
import { appendToIndex, type IssuedEntry } from '../../certificates/authority-index.ts';
import { type Issuer, issueCertificate } from '../../certificates/issue.ts';
import { AUTHORITY_NAMES, type AuthorityName, validityOf } from '../../certificates/issuing-rules.ts';
import { createKeyPair, KEY_KINDS, type KeyPair } from '../../certificates/key-pair.ts';
import { readPem } from '../../certificates/pem.ts';
import { readCertificate } from '../../certificates/read.ts';
import { UserError } from '../../lib/user-error.ts';
import { type DistinguishedName, findNameProblem, parseName, printName } from '../../protocol/distinguished-name.ts';
import { journalActs } from './journal-act.ts';
import { type ActingOptions, actorOf, asOnlyWriter, directoryOf, readDays, readWord, withActor, writeOnce } from './shared.ts';

const EXAMPLES = `
Examples:
  hufu certificate authority init --organisation 示例银行 --directory /etc/hufu/certs
  hufu certificate authority init --organisation 示例银行 --key-kind p-384 --root-days 9000 --merchants-name 'CN=Merchants 2026,O=示例银行,C=CN'

Makes a root and three issuing authorities below it: merchants, server, signing. Nothing is overwritten. When it is done, take
authority.key, the root's key, off this machine: it is needed again only to replace or revoke an issuing authority.`;

const TITLES: Readonly<Record<AuthorityName, string>> = {
  root: 'Root',
  server: 'Server Authority',
  merchants: 'Merchants Authority',
  signing: 'Platform Signing Authority',
};

type Options = ActingOptions & {
  organisation: string;
  country: string;
  keyKind: string;
  rootDays?: string;
  days?: string;
  rootName?: string;
  serverName?: string;
  merchantsName?: string;
  signingName?: string;
};

/** `hufu certificate authority`: the authorities of an installation. */
export function createAuthorityCommand(): Command {
  const authority = new Command('authority').description('The authorities that issue everything else.');
  const init = authority.command('init').description('Make a root and the authorities for merchants, server and signing.');
  withActor(init)
    .requiredOption('--organisation <name>', 'your organisation, the O of all names')
    .option('--country <code>', 'the C of all names, two letters', 'CN')
    .option('--key-kind <kind>', KEY_KINDS.join(', '), 'p-256')
    .option('--root-days <days>', 'validity of the root')
    .option('--days <days>', 'validity of the issuing authorities')
    .option('--root-name <dn>', 'another subject, RFC 4514')
    .option('--server-name <dn>', 'another subject, RFC 4514')
    .option('--merchants-name <dn>', 'another subject, RFC 4514')
    .option('--signing-name <dn>', 'another subject, RFC 4514')
    .addHelpText('after', EXAMPLES)
    .action(init_);
  return authority;
}

type Made = { readonly name: AuthorityName; readonly keys: KeyPair; readonly pem: string; readonly file: string };

async function init_(options: Options): Promise<void> {
  const directory = directoryOf(options);
  const kind = readWord(KEY_KINDS, options.keyKind, '--key-kind');
  const names = namesOf(options);
  const days = { root: readDays(options.rootDays, '--root-days'), other: readDays(options.days) };
  const nowMs = Date.now();
  const made = await asOnlyWriter(directory, async () => {
    checkNothingThere(directory);
    const keys = await Promise.all(AUTHORITY_NAMES.map(() => createKeyPair(kind)));
    const all: Made[] = [];
    for (const [index, name] of AUTHORITY_NAMES.entries())
      all.push(await make(directory, name, names[name], keys[index] as KeyPair, all[0], name === 'root' ? days.root : days.other, nowMs));
    await writeAll(directory, all, actorOf(options), nowMs);
    return all;
  });
  const rows = made.map(({ name, file }) => ({ authority: name, certificate: file, subject: printName(names[name]) }));
  console.log(options.json ? JSON.stringify(rows) : rows.map(({ certificate, subject }) => `${certificate}  ${subject}`).join('\n'));
  const acts = rows.map(({ authority, ...after }) => ({ act: 'authority init', subject: authority, before: '' as const, after }));
  await journalActs(options, directory, acts);
}

function namesOf(options: Options): Record<AuthorityName, DistinguishedName> {
  const given = { root: options.rootName, server: options.serverName, merchants: options.merchantsName, signing: options.signingName };
  if (!/^[A-Z]{2}$/.test(options.country)) throw new UserError('--country is two capital letters, such as CN');
  const nameOf = (name: AuthorityName): DistinguishedName => {
    const text = given[name];
    if (text !== undefined) return parseName(text);
    const own: DistinguishedName = [
      [{ oid: '2.5.4.6', value: options.country }],
      [{ oid: '2.5.4.10', value: options.organisation }],
      [{ oid: '2.5.4.3', value: `${options.organisation} ${TITLES[name]}` }],
    ];
    const problem = findNameProblem(own);
    if (problem !== undefined) throw new UserError(`--organisation cannot be used: ${problem}`);
    return own;
  };
  const names = Object.fromEntries(AUTHORITY_NAMES.map((name) => [name, nameOf(name)])) as Record<AuthorityName, DistinguishedName>;
  if (new Set(Object.values(names).map(printName)).size < AUTHORITY_NAMES.length)
    throw new UserError('two authorities have one name: nobody could tell what they issue apart');
  return names;
}

function checkNothingThere(directory: string): void {
  const files = AUTHORITY_NAMES.flatMap((name) => Object.values(authorityFiles(directory, name)));
  const [found] = files.filter((file) => existsSync(file));
  if (found !== undefined)
    throw new UserError(`${found} exists: nothing is overwritten; name an empty folder with --directory, or move the old authorities away`);
}

async function make(
  directory: string,
  name: AuthorityName,
  subject: DistinguishedName,
  keys: KeyPair,
  root: Made | undefined,
  days: number | undefined,
  nowMs: number,
): Promise<Made> {
  const profile = root === undefined ? 'root' : 'authority';
  const above = root && readCertificate(readPem(root.pem, root.file)[0]);
  const issuer: Issuer = root && above ? { name: above.subject, keys: root.keys } : { name: subject, keys };
  const own = await issueCertificate({ subject, publicKey: keys.publicKey, issuer, profile, ...validityOf(profile, days, nowMs, above) });
  return { name, keys, pem: own + (root?.pem ?? ''), file: authorityFiles(directory, name).certificate };
}

/** All or nothing: what was written before a failure is taken away again, for nobody has seen it. */
async function writeAll(directory: string, made: readonly Made[], actor: string, nowMs: number): Promise<void> {
  const written: string[] = [];
  const write = (file: string, content: string, mode: 0o600 | 0o644): void => {
    writeOnce(file, content, mode);
    written.push(file);
  };
  try {
    for (const { name, keys, pem } of made) {
      const files = authorityFiles(directory, name);
      write(files.key, keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), 0o600);
      write(files.certificate, pem, 0o644);
    }
    const entries: IssuedEntry[] = made.slice(1).map(({ pem }) => entryOf(pem, { profile: 'authority', actor, nowMs }));
    await appendToIndex(authorityFiles(directory, 'root').index, entries);
  } catch (error) {
    for (const file of written) rmSync(file);
    throw error;
  }
}
