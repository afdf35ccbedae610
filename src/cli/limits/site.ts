import { type CompiledRules, compiledRules } from '../../admission/compiled-rules.ts';
import { payerHash, type ScopeFacts } from '../../admission/scopes.ts';
import type { GatewayConfig } from '../../config/schema.ts';
import { loadKeyring } from '../../keys/keyring.ts';
import { systemClock } from '../../lib/clock.ts';
import { UserError } from '../../lib/user-error.ts';
import type { Merchant } from '../../protocol/merchant.ts';
import type { Operation } from '../../protocol/operation.ts';
import { readRegistry } from '../../registry/load.ts';
import { loadOperations } from '../../registry/operations.ts';
import { readConfiguration } from '../change.ts';

export type LimitOptions = { profile: string; config?: string; data?: string; payer?: string; address?: string; json?: boolean };

/** A merchant, the operations its contract allows, and the rules for each as they stand now. */
export type Site = {
  readonly config: GatewayConfig;
  readonly merchant: Merchant;
  readonly operations: readonly Operation[];
  readonly nowMs: number;
  readonly factsOf: (operation: Operation) => ScopeFacts;
  readonly rulesOf: (operation: Operation) => CompiledRules;
};

/** Reads what a gateway would. Throws a UserError when the configuration is wrong or there is no such merchant. */
export function readSite(number: string, options: LimitOptions): Site {
  const config = readConfiguration(options);
  const merchant = readRegistry(config).snapshot.findMerchant(number);
  if (!merchant) throw new UserError(`there is no merchant ${number} in ${config.merchants}; \`hufu merchant list\` shows all`);
  const operations = loadOperations(config.operations, () => undefined).routable.filter(({ id }) => merchant.operations?.has(id) ?? true);
  const nowMs = systemClock.nowMs();
  const payer = options.payer === undefined ? undefined : payerHash(payerKeyOf(config), options.payer);
  return {
    config,
    merchant,
    operations,
    nowMs,
    factsOf: ({ id }) => ({ operationId: id, address: options.address ?? '', payer }),
    rulesOf: (operation) => compiledRules(merchant.rules, operation, nowMs, config.timeZone),
  };
}

function payerKeyOf({ secretsDirectory }: GatewayConfig): Uint8Array {
  return loadKeyring({ secretsDirectory }).payerKey.key;
}
