import { resolve } from 'node:path';
import type { Command } from 'commander';
import { authorityFiles, LIST_DAYS_MAX, publishRevocationList, requireIssued, revoke } from '../../certificates/authority.ts';
import { standingOf } from '../../certificates/authority-index.ts';
import { AUTHORITY_NAMES } from '../../certificates/issuing-rules.ts';
import { revocationListPemOf } from '../../certificates/pem.ts';
import { REVOCATION_REASON_NAMES, type RevocationReason } from '../../certificates/revocation-list.ts';
import { writeFileAtomic } from '../../lib/files.ts';
import { WrongUse } from '../exit.ts';
import { journalActs } from './journal-act.ts';
import {
  type ActingOptions,
  actorOf,
  asOnlyWriter,
  type ChosenOptions,
  chooseCertificate,
  directoryOf,
  readAuthorityName,
  readDays,
  readWord,
  requireAuthority,
  withActor,
  withChosen,
} from './shared.ts';

const REVOKE_EXAMPLES = `
Examples:
  hufu certificate revoke --certificate certs/merchants/800000000000003.crt --reason keyCompromise --note 'laptop stolen'
  hufu certificate revoke --serial 01A4… --reason certificateHold        (and later --reason removeFromCRL)

Written into the authority's index. It reaches those who read revocation lists with the next \`hufu certificate crl\`.`;

const CRL_EXAMPLES = `
Examples:
  hufu certificate crl                                     merchants-authority.crl, valid for 7 days
  hufu certificate crl --authority root --days 30 --der --out /srv/www/root.crl

Write it again well before nextUpdate: who holds an outdated list must refuse.`;

const STANDING_AFTER: Readonly<Partial<Record<RevocationReason, string>>> = { removeFromCRL: 'valid', certificateHold: 'on hold' };

type RevokeOptions = ActingOptions & ChosenOptions & { reason: string };
type CrlOptions = ActingOptions & { authority: string; days: string; out?: string; der?: boolean };

/** `hufu certificate revoke`: ends a certificate before its time. */
export function addRevokeCommand(parent: Command): void {
  withChosen(withActor(parent.command('revoke').description('Revoke a certificate; recorded with actor, time and reason.')))
    .requiredOption('--reason <reason>', REVOCATION_REASON_NAMES.join(', '))
    .addHelpText('after', REVOKE_EXAMPLES)
    .action(runRevoke);
}

async function runRevoke(options: RevokeOptions): Promise<void> {
  const reason = readWord(REVOCATION_REASON_NAMES, options.reason, '--reason');
  const directory = directoryOf(options);
  const nowMs = Date.now();
  await asOnlyWriter(directory, async () => {
    const { name, entry } = await chooseCertificate(directory, options, nowMs);
    const authority = requireAuthority(directory, name, nowMs);
    const revoking = { entry: requireIssued(authority, entry.serial), reason, note: options.note, actor: actorOf(options), nowMs };
    const before = { standing: standingOf(entry, authority.index, nowMs), subject: entry.subject, authority: name };
    const serials = await revoke(authority, revoking);
    if (options.json) console.log(JSON.stringify({ serials, subject: entry.subject, reason, authority: name }));
    else console.log(textOf(serials, entry.subject, reason, name));
    const after = { ...before, standing: STANDING_AFTER[reason] ?? 'revoked', reason };
    const acts = serials.map((serial) => ({ act: 'revoke', subject: serial, before, after }));
    await journalActs(options, directory, acts);
  });
}

function textOf(serials: readonly string[], subject: string, reason: RevocationReason, authority: string): string {
  const what = reason === 'removeFromCRL' ? 'is no longer on hold' : `revoked (${reason})`;
  return [...serials.map((serial) => `${serial} ${what}: ${subject}`), `Next: hufu certificate crl --authority ${authority}`].join('\n');
}

/** `hufu certificate crl`: the list of what is revoked, signed. */
export function addCrlCommand(parent: Command): void {
  withActor(parent.command('crl').description('Write the signed revocation list of an authority.'))
    .option('--authority <name>', AUTHORITY_NAMES.join(', '), 'merchants')
    .option('--days <days>', `until nextUpdate, at most ${LIST_DAYS_MAX}`, '7')
    .option('--out <file>', 'where to (default AUTHORITY.crl below the directory); replaced whole')
    .option('--der', 'DER instead of PEM, as most programs want it from http')
    .addHelpText('after', CRL_EXAMPLES)
    .action(runCrl);
}

async function runCrl(options: CrlOptions): Promise<void> {
  const directory = directoryOf(options);
  const name = readAuthorityName(options.authority);
  const days = readDays(options.days) as number;
  if (days > LIST_DAYS_MAX) throw new WrongUse(`--days is at most ${LIST_DAYS_MAX}: what was revoked meanwhile is not on the list`);
  const nowMs = Date.now();
  const file = options.out === undefined ? authorityFiles(directory, name).certificate.replace(/crt$/, 'crl') : resolve(options.out);
  await asOnlyWriter(directory, async () => {
    const { der, number, revoked, nextUpdateMs } = await publishRevocationList(requireAuthority(directory, name, nowMs), {
      days,
      actor: actorOf(options),
      nowMs,
    });
    await writeFileAtomic(file, options.der ? der : revocationListPemOf(der), { mode: 0o644 });
    const nextUpdate = new Date(nextUpdateMs).toISOString();
    if (options.json) console.log(JSON.stringify({ file, number, revoked, nextUpdate }));
    else console.log(`${file}  list ${number}, ${revoked} revoked, next update before ${nextUpdate}`);
    await journalActs(options, directory, [{ act: 'crl', subject: name, before: '', after: { number, revoked, nextUpdate, file } }]);
  });
}
