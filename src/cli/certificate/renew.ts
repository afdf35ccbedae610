import { X509Certificate } from 'node:crypto';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { factsOf, issue } from '../../certificates/authority.ts';
import { type IssuedEntry, standingOf } from '../../certificates/authority-index.ts';
import { checkKeyPolicy } from '../../certificates/policy.ts';
import { CertificateProblem } from '../../certificates/problem.ts';
import type { CertificateFacts } from '../../certificates/read.ts';
import { writeFileAtomic } from '../../lib/files.ts';
import { UserError } from '../../lib/user-error.ts';
import { WrongUse } from '../exit.ts';
import { journalActs, summaryOf } from './journal-act.ts';
import { loadRequest } from './request-file.ts';
import {
  type ActingOptions,
  actorOf,
  asOnlyWriter,
  type ChosenOptions,
  checkFree,
  chooseCertificate,
  directoryOf,
  readDays,
  requireAuthority,
  withActor,
  withChosen,
} from './shared.ts';
import { tellIssued } from './tell.ts';

const EXAMPLES = `
Examples:
  hufu certificate renew --certificate certs/merchants/800000000000003.crt --replace
  hufu certificate renew --serial 01A4… --request new.csr --out renewed.crt

The subject stays, so nothing changes in the merchant file; the key stays too unless a request brings a new one. The old
certificate stays valid until it ends or you revoke it.`;

type Options = ActingOptions & ChosenOptions & { request?: string; days?: string; out?: string; replace?: boolean };

/** `hufu certificate renew`: the same name for another time. */
export function addRenewCommand(parent: Command): void {
  const command = parent.command('renew').description('Issue a successor with the same subject.');
  withChosen(withActor(command))
    .option('--request <file>', 'a request for a new key, PEM; - reads standard input')
    .option('--days <days>', 'validity; at most what the profile allows')
    .option('--out <file>', 'where to (default: beside the old one, with the serial number in the name)')
    .option('--replace', 'write over the file of --certificate; the index keeps the old one')
    .addHelpText('after', EXAMPLES)
    .action(run);
}

async function run(options: Options): Promise<void> {
  if (options.replace && (options.certificate === undefined || options.out !== undefined))
    throw new WrongUse('--replace goes with --certificate, and without --out');
  const directory = directoryOf(options);
  const days = readDays(options.days);
  const nowMs = Date.now();
  const request = options.request === undefined ? undefined : await loadRequest(options.request);
  if (options.out !== undefined) checkFree(resolve(options.out));
  await asOnlyWriter(directory, async () => {
    const { name, entry } = await chooseCertificate(directory, options, nowMs);
    const authority = requireAuthority(directory, name, nowMs);
    const standing = standingOf(entry, authority.index, nowMs);
    if (standing === 'revoked' || standing === 'on hold')
      throw new UserError(`${entry.serial} is ${standing} and cannot be renewed: issue or sign a new one`);
    if (entry.profile === 'authority' || entry.profile === 'root')
      throw new UserError('an authority is not renewed but replaced: make new ones with authority init');
    const facts = factsOf(entry);
    if (request === undefined) checkKeyIsStillFit(facts);
    const hosts = hostsOf(entry);
    const issued = await issue(authority, {
      profile: entry.profile,
      subject: facts.subject,
      publicKey: request?.publicKey ?? facts.publicKey,
      days,
      replaces: entry,
      actor: actorOf(options),
      nowMs,
      ...(hosts && { hosts }),
    });
    const file = placeOf(options, directory, issued.entry);
    await writeFileAtomic(file, issued.pem, { mode: 0o644 });
    tellIssued(issued.entry, file, options);
    await journalActs(options, directory, [
      { act: 'renew', subject: issued.entry.serial, before: summaryOf(entry), after: summaryOf(issued.entry) },
    ]);
  });
}

/** The bounds may have risen since the key was certified. */
function checkKeyIsStillFit(facts: CertificateFacts): void {
  try {
    checkKeyPolicy(facts);
  } catch (cause) {
    if (cause instanceof CertificateProblem)
      throw new UserError(`the key cannot be certified again: ${cause.reason}; bring a new one with --request`, { cause });
    throw cause;
  }
}

/** Names and addresses of a server certificate, as we wrote them. */
function hostsOf(entry: IssuedEntry): string[] | undefined {
  const names = new X509Certificate(Buffer.from(entry.certificate, 'base64')).subjectAltName;
  return names?.split(', ').map((name) => name.replace(/^(DNS|IP Address):/, ''));
}

function placeOf({ certificate, out, replace }: Options, directory: string, { serial, profile }: IssuedEntry): string {
  if (replace) return resolve(certificate as string);
  const beside =
    certificate === undefined ? join(directory, `${profile}-${serial}.crt`) : certificate.replace(/(\.crt)?$/, `-${serial}.crt`);
  return resolve(out ?? beside);
}
