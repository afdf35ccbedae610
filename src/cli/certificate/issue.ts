import { rmSync } from 'node:fs';
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { type Authority, issue } from '../../certificates/authority.ts';
import type { IssuedEntry } from '../../certificates/authority-index.ts';
import { ISSUING_RULES } from '../../certificates/issuing-rules.ts';
import { createKeyPair, KEY_KINDS } from '../../certificates/key-pair.ts';
import { UserError } from '../../lib/user-error.ts';
import { type DistinguishedName, findNameProblem, parseName } from '../../protocol/distinguished-name.ts';
import { WrongUse } from '../exit.ts';
import { journalActs, summaryOf } from './journal-act.ts';
import { type MerchantOptions, merchantSubject, organisationOf, withMerchant } from './merchant-subject.ts';
import {
  type ActingOptions,
  actorOf,
  asOnlyWriter,
  checkFree,
  directoryOf,
  readDays,
  readWord,
  requireAuthority,
  withActor,
  writeOnce,
} from './shared.ts';
import { tellIssued } from './tell.ts';

const EXAMPLES = `
Examples:
  hufu certificate issue --merchant 800000000000003 --organisation 示例茶行
  hufu certificate issue --merchant 800000000000003 --organisation 示例茶行 --name-style cfca --key-kind rsa-3072 --days 730
  hufu certificate issue --profile server --host pay.example.com --host 192.0.2.10
  hufu certificate issue --profile signing --keyid platform-2027

Makes a key and a certificate for it. Better for merchants: they make the key and you \`sign\` their request.`;

const PROFILES = ['merchant', 'server', 'signing', 'encryption'] as const;
type LeafProfile = (typeof PROFILES)[number];

type Options = ActingOptions &
  MerchantOptions & { profile: string; host?: string[]; keyid?: string; keyKind: string; days?: string; out?: string };

const collect = (value: string, before: string[] = []): string[] => [...before, value];

/** `hufu certificate issue`: a key pair and its certificate. */
export function addIssueCommand(parent: Command): void {
  const command = parent.command('issue').description('Make a key and issue a certificate for it.');
  withMerchant(withActor(command))
    .option('--profile <profile>', PROFILES.join(', '), 'merchant')
    .option('--host <name>', 'server: DNS name or IP address; may be repeated', collect)
    .option('--keyid <keyid>', 'signing, encryption: what messages call the key')
    .option('--key-kind <kind>', KEY_KINDS.join(', '), 'p-256')
    .option('--days <days>', 'validity; at most what the profile allows')
    .option('--out <path>', 'where to, without extension (default: the place of its profile below the directory)')
    .addHelpText('after', EXAMPLES)
    .action(run);
}

async function run(options: Options): Promise<void> {
  const directory = directoryOf(options);
  const profile = readWord(PROFILES, options.profile, '--profile');
  const kind = readWord(KEY_KINDS, options.keyKind, '--key-kind');
  const days = readDays(options.days);
  const nowMs = Date.now();
  const place = options.out === undefined ? join(directory, defaultPlace(profile, options)) : resolve(options.out);
  const hosts = profile === 'server' ? readHosts(options.host) : undefined;
  await asOnlyWriter(directory, async () => {
    checkFree(`${place}.crt`, `${place}.key`);
    const authority = requireAuthority(directory, ISSUING_RULES[profile].authority, nowMs);
    const subject = subjectFor(profile, options, authority);
    const keys = await createKeyPair(kind);
    let entry: IssuedEntry;
    writeOnce(`${place}.key`, keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), 0o600);
    try {
      const base = { profile, subject, publicKey: keys.publicKey, days, actor: actorOf(options), nowMs };
      const issued = await issue(authority, { ...base, ...(hosts && { hosts }) });
      writeOnce(`${place}.crt`, issued.pem, 0o644);
      ({ entry } = issued);
      tellIssued(entry, `${place}.crt`, options, `${place}.key`);
    } catch (error) {
      rmSync(`${place}.key`);
      throw error;
    }
    await journalActs(options, directory, [{ act: 'issue', subject: entry.serial, before: '', after: summaryOf(entry) }]);
  });
}

function defaultPlace(profile: LeafProfile, { merchant, keyid }: Options): string {
  if (profile === 'server') return 'server';
  if (profile === 'merchant') {
    if (!/^\d{15}$/.test(merchant ?? '')) throw new WrongUse('--merchant is a merchant number of 15 digits');
    return join('merchants', merchant as string);
  }
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(keyid ?? '') || /^\.+$/.test(keyid ?? ''))
    throw new WrongUse('--keyid is a key id of A-Z a-z 0-9 . _ -');
  return join(profile, keyid as string);
}

function readHosts(hosts: readonly string[] | undefined): readonly string[] {
  if (hosts === undefined) throw new WrongUse('a server certificate needs --host, once for each name or address');
  for (const host of hosts) {
    const isName = host.length <= 253 && /^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/.test(host);
    if (isIP(host) === 0 && !isName)
      throw new WrongUse(`--host ${JSON.stringify(host)} is neither a DNS name in lower case nor an IP address`);
  }
  return hosts;
}

function subjectFor(profile: LeafProfile, options: Options, authority: Authority): DistinguishedName {
  if (profile === 'merchant') return merchantSubject(options, authority);
  if (options.subject !== undefined) return parseName(options.subject);
  const commonName = profile === 'server' ? (options.host?.[0] ?? '') : (options.keyid ?? '');
  const name: DistinguishedName = [[{ oid: '2.5.4.10', value: organisationOf(authority) }], [{ oid: '2.5.4.3', value: commonName }]];
  const problem = findNameProblem(name);
  if (problem !== undefined) throw new UserError(`the subject cannot be issued: ${problem}`);
  return name;
}
