import { Command } from 'commander';
import { formatTable } from '../lib/table.ts';
import { UserError } from '../lib/user-error.ts';
import type { ClaimView, Store } from '../ports/store.ts';
import { claimMark } from '../protocol/marks.ts';
import { type ChangeOptions, change, readConfiguration, withChangeOptions } from './change.ts';
import { WrongUse } from './exit.ts';
import { reading } from './reading.ts';
import { withStore } from './with-store.ts';

const EXAMPLES = `
Examples:
  hufu reservations list
  hufu reservations list --merchant 800000000000001 --json
  hufu reservations resolve 800000000000001 --claim wkZ...k3A --outcome failed --reason "core's ledger has no such order, ticket 4711"

A reservation is open while a payment is under way or its outcome is unknown; its amount counts. Gateways ask the core about unknown
ones by themselves. Decide by hand only what the core itself can no longer tell: \`succeeded\` makes the amount used, \`failed\` gives it
back. What is under way is not decided, what the core may still begin cannot be called failed, and what is final stays.`;

type ListOptions = { profile: string; config?: string; data?: string; merchant?: string; json?: boolean };
type ResolveOptions = ChangeOptions & { claim: string; outcome: string };

/** An open claim, as it is told. */
type Row = {
  readonly merchant: string;
  readonly claim: string;
  readonly state: ClaimView['state'];
  readonly operation: string;
  readonly requestId: string;
  readonly about: ClaimView['resolve']['repeat'];
  readonly questions: number;
  /** After this moment the core can no longer begin it. */
  readonly expiredAt: string;
};

/** Open claims that are looked at of one merchant. */
const CLAIMS_MAX = 10_000;
/** How long the gateways have to settle a decided one, ms. */
const SETTLE_MS = 20_000;

/** `hufu reservations`: what is open, and an operator's word on what nobody else can tell. */
export function createCommand(): Command {
  const command = new Command('reservations')
    .description('Payments under way or of unknown outcome (预占), which hold their amount.')
    .addHelpText('after', EXAMPLES);
  reading(command.command('list').description('every open reservation')).option('--merchant <number>', 'of one merchant').action(list);
  withChangeOptions(command.command('resolve <merchant>'), 'required')
    .description('decide the outcome of one, as `list` names it')
    // An option, since a claim may begin with a hyphen, and an argument may not.
    .requiredOption('--claim <claim>', 'the claim, as `list` names it')
    .requiredOption('--outcome <outcome>', 'succeeded or failed')
    .action(resolve);
  return command;
}

async function list(options: ListOptions): Promise<void> {
  const config = readConfiguration(options);
  const rows = await withStore(config, async (store) => {
    const merchants = options.merchant === undefined ? await store.merchants() : [options.merchant];
    const found: Row[] = [];
    for (const merchant of [...merchants].sort()) found.push(...(await openOf(store, merchant)));
    return found;
  });
  if (options.json) return console.log(JSON.stringify(rows));
  if (rows.length === 0) return console.log('No reservation is open.');
  const columns = ['merchant', 'claim', 'state', 'operation', 'about', 'questions', 'expired at'].map((title) => ({ title }));
  const lines = rows.map(({ merchant, claim, state, operation, about, questions, expiredAt }) => {
    const facts = Object.entries(about).map(([pointer, value]) => `${pointer.slice(1)}=${value}`);
    return [merchant, claim, state, operation, facts.join(' '), String(questions), expiredAt];
  });
  console.log(formatTable(columns, lines).join('\n'));
}

async function openOf(store: Store, merchant: string): Promise<Row[]> {
  // Due by the end of all time: in flight or unknown.
  const keys = await store.findDue({ merchantNumber: merchant, nowMs: Number.MAX_SAFE_INTEGER, limit: CLAIMS_MAX });
  const claims = await Promise.all(keys.map((keyHash) => store.findClaim({ merchantNumber: merchant, keyHash })));
  return claims.flatMap((claim) => (claim && claim.state !== 'final' ? [rowOf(merchant, claim)] : []));
}

const rowOf = (merchant: string, { keyHash, state, resolve, fence, expiresAtMs }: ClaimView): Row => ({
  merchant,
  claim: keyHash,
  state,
  operation: resolve.operationId,
  requestId: resolve.requestId,
  about: resolve.repeat,
  questions: fence,
  expiredAt: new Date(expiresAtMs).toISOString(),
});

async function resolve(merchant: string, options: ResolveOptions): Promise<void> {
  const { claim, outcome } = options;
  if (outcome !== 'succeeded' && outcome !== 'failed') throw new WrongUse('--outcome: expected succeeded or failed');
  const config = readConfiguration(options);
  const view = await withStore(config, (store) => store.findClaim({ merchantNumber: merchant, keyHash: claim }));
  checkDecidable(view, outcome, config.resolve.clockAllowanceMs);
  await change(options, config, [], { kind: 'settle', subject: claimMark(merchant, claim), before: view?.state ?? '', after: outcome });
  const settled = await withStore(config, (store) => untilFinal(store, merchant, claim));
  if (settled?.outcome !== outcome)
    throw new UserError(
      `the gateways were told, and it is ${settled?.outcome ?? settled?.state ?? 'gone'}: see \`hufu reservations list\` and the alarms in the log`,
    );
  console.error(`hufu: ${outcome}`);
}

/** The same that a gateway checks again. */
function checkDecidable(view: ClaimView | undefined, outcome: string, clockAllowanceMs: number): void {
  if (!view) throw new UserError('there is no such reservation: `hufu reservations list` shows all');
  if (view.state === 'final') throw new UserError(`it is final already: ${view.outcome}`);
  if (view.state === 'inFlight' && Date.now() < view.deadlineMs)
    throw new UserError(`it is under way until ${new Date(view.deadlineMs).toISOString()} at most: only then it can be decided`);
  const untilMs = view.expiresAtMs + clockAllowanceMs;
  if (outcome === 'failed' && Date.now() <= untilMs)
    throw new UserError(`the core may begin it until ${new Date(untilMs).toISOString()}: only then it can be called failed`);
}

async function untilFinal(store: Store, merchantNumber: string, keyHash: string): Promise<ClaimView | undefined> {
  const endsAtMs = performance.now() + SETTLE_MS;
  for (;;) {
    const view = await store.findClaim({ merchantNumber, keyHash });
    if (!view || view.state === 'final' || performance.now() > endsAtMs) return view;
    await new Promise((done) => setTimeout(done, 100));
  }
}
