import { type ConfigurationProblem, fileProblem, type Report } from '../config/problems.ts';
import type { GatewayConfig } from '../config/schema.ts';
import type { YamlFile } from '../config/yaml-file.ts';
import { type Access, type Control, MERCHANT_KINDS, type MerchantKind } from '../protocol/access.ts';
import type { Merchant } from '../protocol/merchant.ts';
import type { Channel, Operation } from '../protocol/operation.ts';
import { compileAccess, type Policy } from './policy.ts';

/** Whether rules and operations fit: what no request could ever meet is refused, what nobody can call is told. */
export function checkOperations(
  policy: Policy,
  operations: readonly Operation[],
  config: Pick<GatewayConfig, 'risk' | 'operations'>,
  report: Report,
  warn: Report,
): void {
  const { rules } = policy.written;
  for (const [index, { id, allow }] of rules.entries())
    for (const channel of ['internet', 'dedicated'] satisfies Channel[])
      if (allow[channel]?.includes('risk') && !config.risk)
        report(policy.source.problem(['rules', index, 'allow', channel], `${id} demands risk, and gateway.yaml has no section risk`));
  for (const operation of operations) {
    const candidates = compileAccess(policy, operation, 'merchant');
    for (const { id, allow } of candidates) {
      const demanded = new Set(operation.channels.flatMap((channel) => allow[channel] ?? []));
      const impossible = findImpossible(operation, demanded);
      const path = ['rules', rules.findIndex((rule) => rule.id === id)];
      if (impossible) report(policy.source.problem(path, `${id} is about ${operation.id}: ${impossible}`, 'key'));
    }
    if (!MERCHANT_KINDS.some((kind) => isReachable(operation.channels, compileAccess(policy, operation, kind))))
      warn(fileProblem(config.operations[0] as string, `${operation.id}: no rule of the access policy allows it on any of its channels`));
  }
}

const isReachable = (channels: readonly Channel[], access: Access): boolean =>
  channels.some((channel) => access.some(({ allow }) => allow[channel] !== undefined));

/** Why no request of an operation could meet what is demanded. */
function findImpossible({ encryption, dataClasses, parameterClasses = [] }: Operation, demanded: ReadonlySet<Control>): string | undefined {
  if (!demanded.has('encryption')) return undefined;
  const secret = parameterClasses.find(({ dataClass }) => dataClass === 'C3');
  if (secret) return `its parameter ${secret.name} is of class C3 and cannot be encrypted; take it into the body`;
  if (encryption && encryption.body !== 'none') return undefined;
  const listed = (encryption?.fields ?? []).map(({ pointer }) => pointer);
  const open = dataClasses.find(({ pointer }) => !listed.some((place) => pointer === place || pointer.startsWith(`${place}/`)));
  return open && `${open.pointer} is of class ${open.dataClass} and may not be encrypted; list it in x-hufu.encryption.fields`;
}

type Reaching = { readonly merchant: Merchant; readonly source: YamlFile };

/** Merchants without an address list that a rule demands on every channel they have. */
export function warnOfListless(
  merchants: Iterable<Reaching>,
  operations: readonly Operation[],
  accessOf: (operationId: string, kind: MerchantKind) => Access,
): ConfigurationProblem[] {
  const demands = ({ channels, kind = 'merchant' }: Merchant, id: string): string | undefined => {
    const last = accessOf(id, kind).at(-1);
    const allowed = last && channels.flatMap((channel) => last.allow[channel] ?? []);
    return last && allowed && allowed.length > 0 && channels.every((channel) => last.allow[channel]?.includes('networks') ?? true)
      ? last.id
      : undefined;
  };
  return [...merchants].flatMap(({ merchant, source }) => {
    if (merchant.networks || merchant.status !== 'active') return [];
    const open = operations.filter(({ id }) => merchant.operations?.has(id) ?? true);
    const found = open.find(({ id }) => demands(merchant, id) !== undefined);
    const rule = found && demands(merchant, found.id);
    return rule ? [source.problem([], `rule ${rule} of the policy demands an address list for ${found.id}: write networks`)] : [];
  });
}
