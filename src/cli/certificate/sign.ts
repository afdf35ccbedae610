import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { issue } from '../../certificates/authority.ts';
import type { RequestFacts } from '../../certificates/request.ts';
import { merchantNumbersIn } from '../../certificates/subject.ts';
import { UserError } from '../../lib/user-error.ts';
import { WrongUse } from '../exit.ts';
import { journalActs, summaryOf } from './journal-act.ts';
import { type MerchantOptions, merchantSubject, withMerchant } from './merchant-subject.ts';
import { loadRequest } from './request-file.ts';
import {
  type ActingOptions,
  actorOf,
  asOnlyWriter,
  checkFree,
  directoryOf,
  readDays,
  requireAuthority,
  withActor,
  writeOnce,
} from './shared.ts';
import { tellIssued } from './tell.ts';

const EXAMPLES = `
Examples:
  hufu certificate sign --request tea-shop.csr --merchant 800000000000003 --organisation 示例茶行
  hufu certificate sign --request - --merchant 800000000000003 --organisation 示例茶行 --out tea-shop.crt < tea-shop.csr

The merchant makes key and request, for example:
  openssl req -new -newkey rsa:3072 -nodes -keyout merchant.key -out merchant.csr -subj /CN=800000000000003

Of the request only the key counts: the name is what you say here, and extensions it asks for are not given.`;

type Options = ActingOptions & MerchantOptions & { request: string; days?: string; out?: string };

/** `hufu certificate sign`: a merchant's certificate from a request. */
export function addSignCommand(parent: Command): void {
  const command = parent
    .command('sign')
    .description("Issue a merchant's certificate for a request (PKCS#10); its key stays with the merchant.");
  withMerchant(withActor(command))
    .requiredOption('--request <file>', 'the request, PEM; - reads standard input')
    .option('--days <days>', 'validity; at most what the profile allows')
    .option('--out <file>', 'where to (default merchants/NUMBER.crt below the directory)')
    .addHelpText('after', EXAMPLES)
    .action(run);
}

async function run(options: Options): Promise<void> {
  const directory = directoryOf(options);
  const { merchant } = options;
  if (merchant === undefined || !/^\d{15}$/.test(merchant)) throw new WrongUse('--merchant is a merchant number of 15 digits');
  const days = readDays(options.days);
  const nowMs = Date.now();
  const request = await loadRequest(options.request);
  checkNamesNobodyElse(request, merchant);
  const file = options.out === undefined ? join(directory, 'merchants', `${merchant}.crt`) : resolve(options.out);
  await asOnlyWriter(directory, async () => {
    checkFree(file);
    const authority = requireAuthority(directory, 'merchants', nowMs);
    const subject = merchantSubject(options, authority);
    const base = { profile: 'merchant', subject, publicKey: request.publicKey, days, actor: actorOf(options), nowMs } as const;
    const issued = await issue(authority, base);
    writeOnce(file, issued.pem, 0o644);
    tellIssued(issued.entry, file, options);
    await journalActs(options, directory, [{ act: 'sign', subject: issued.entry.serial, before: '', after: summaryOf(issued.entry) }]);
  });
  if (request.asked.length > 0 && !options.json) console.log(`not taken over from the request: ${request.asked.join(', ')}`);
}

/** A request that names another merchant was sent by that one, or by somebody who hopes that nobody looks. */
function checkNamesNobodyElse({ subject }: RequestFacts, merchant: string): void {
  const other = merchantNumbersIn(subject ?? []).find((number) => number !== merchant);
  if (other !== undefined)
    throw new UserError(`the request names merchant ${other}, and you said ${merchant}: ask the sender which it is, and for a new request`);
}
