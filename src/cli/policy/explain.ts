import type { PolicyRule } from '../../config/policy-schema.ts';
import { hint } from '../../config/suggest.ts';
import { formatTable } from '../../lib/table.ts';
import { UserError } from '../../lib/user-error.ts';
import { NO_RULE, ruleFor } from '../../protocol/access.ts';
import type { Merchant } from '../../protocol/merchant.ts';
import type { Channel, Operation } from '../../protocol/operation.ts';
import { loadPolicyOf, readRegistry } from '../../registry/load.ts';
import { loadOperations } from '../../registry/operations.ts';
import { factsFor, type Policy } from '../../registry/policy.ts';
import { unmetBy } from '../../registry/policy-match.ts';
import { readConfiguration } from '../change.ts';
import { EXIT, WrongUse } from '../exit.ts';

export type ExplainOptions = {
  profile: string;
  config?: string;
  data?: string;
  merchant: string;
  operation: string;
  amount?: string;
  channel: string;
  address?: string;
  json?: boolean;
};

type Row = { readonly rule: string; readonly matches: boolean; readonly why: string };

/** What would be decided, with the rule and each rule before it. `because` says in words why it is refused; absent: it is allowed. */
type Explained = {
  readonly merchant: string;
  readonly operation: string;
  readonly channel: Channel;
  readonly rule: string;
  readonly allowed: boolean;
  readonly controls: readonly string[];
  readonly because?: string;
  readonly rules: readonly Row[];
};

/** `hufu policy explain`: asks the compiled policy as the gateway does; asks nobody else. */
export function explain(options: ExplainOptions): void {
  const channel = readChannel(options.channel);
  const config = readConfiguration(options);
  const { snapshot } = readRegistry(config);
  const merchant = snapshot.findMerchant(options.merchant);
  if (!merchant) throw new UserError(`there is no merchant ${options.merchant} in ${config.merchants}; \`hufu merchant list\` shows all`);
  const operation = snapshot.findOperation(options.operation);
  if (!operation) {
    const ids = loadOperations(config.operations, () => undefined).routable.map(({ id }) => id);
    throw new UserError(`there is no operation ${options.operation}${hint(options.operation, ids)}; there are ${ids.join(', ')}`);
  }
  const amountFen = readAmount(options.amount, operation);
  const rule = ruleFor(snapshot.accessOf(operation.id, merchant.kind ?? 'merchant'), amountFen);
  const because = findRefusal({ merchant, operation, channel, address: options.address, allow: rule?.allow });
  const explained: Explained = {
    ...{ merchant: merchant.number, operation: operation.id, channel, rule: rule?.id ?? NO_RULE, allowed: because === undefined },
    controls: rule?.allow[channel] ?? [],
    ...(because !== undefined && { because }),
    rules: rowsOf(loadPolicyOf(config) as Policy, operation, merchant, amountFen),
  };
  console.log(options.json ? JSON.stringify(explained) : textOf(explained));
  if (because !== undefined) process.exitCode = EXIT.refused;
}

function readChannel(text: string): Channel {
  if (text !== 'internet' && text !== 'dedicated') throw new WrongUse('--channel: expected internet or dedicated');
  return text;
}

function readAmount(text: string | undefined, { id, amount }: Operation): number {
  if (amount === undefined) return 0;
  if (text === undefined) throw new WrongUse(`${id} moves an amount: name it by --amount`);
  const amountFen = Number(text);
  if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(amountFen))
    throw new WrongUse('--amount: expected whole fen, such as 10000 for 100.00');
  return amountFen;
}

type Asked = {
  readonly merchant: Merchant;
  readonly operation: Operation;
  readonly channel: Channel;
  readonly address: string | undefined;
  readonly allow: Readonly<Partial<Record<Channel, readonly string[]>>> | undefined;
};

/** The first thing that refuses it, in the order of the gateway. What the request itself must show is not known here. */
function findRefusal({ merchant, operation, channel, address, allow }: Asked): string | undefined {
  if (merchant.status !== 'active') return 'the merchant is suspended';
  if (merchant.networks && address !== undefined && !merchant.networks.has(address))
    return `${address} is not in the networks of the merchant`;
  if (merchant.operations && !merchant.operations.has(operation.id)) return "the merchant's contract does not include the operation";
  if (!operation.channels.includes(channel)) return `x-hufu.channels of the operation has no ${channel}`;
  if (!merchant.channels.includes(channel)) return `channels of the merchant has no ${channel}`;
  if (!allow) return 'no rule matches, and what no rule allows is refused';
  const controls = allow[channel];
  if (!controls) return `the rule allows it only over ${Object.keys(allow).join(' or ') || 'no channel'}`;
  return controls.includes('networks') && !merchant.networks ? 'the rule demands an address list, and the merchant has none' : undefined;
}

/** Every rule up to the one that decides. */
function rowsOf(policy: Policy, operation: Operation, merchant: Merchant, amountFen: number): Row[] {
  const facts = factsFor(policy, operation, merchant.kind ?? 'merchant');
  const judge = (rule: PolicyRule): string | undefined =>
    unmetBy(rule, facts) ??
    (rule.when.amountAboveFen !== undefined && amountFen <= rule.when.amountAboveFen
      ? `${amountFen} fen are not above ${rule.when.amountAboveFen}`
      : undefined);
  const { rules } = policy.written;
  const last = rules.findIndex((rule) => judge(rule) === undefined);
  return rules.slice(0, last === -1 ? rules.length : last + 1).map((rule) => {
    const unmet = judge(rule);
    return { rule: rule.id, matches: unmet === undefined, why: unmet ?? rule.description ?? '' };
  });
}

function textOf({ rules, rule, channel, allowed, controls, because }: Explained): string {
  const columns = ['rule', 'matches', 'why'].map((title) => ({ title }));
  const table = formatTable(
    columns,
    rules.map(({ rule: id, matches, why }) => [id, matches ? 'yes' : 'no', why]),
  );
  const demands = controls.length === 0 ? 'nothing beside what every request meets' : controls.join(', ');
  const verdict = allowed ? `${rule} allows it (${channel}). It demands: ${demands}.` : `Refused (${channel}, rule ${rule}): ${because}.`;
  return [...table, '', verdict].join('\n');
}
