import type { GatewayConfig } from '../config/schema.ts';
import { listenOutcomes, type OutcomesListener } from '../listeners/outcomes.ts';
import type { Resolver } from '../settlement/resolve.ts';
import { tellListenProblems } from './listen-problems.ts';

/** Opens the listener for outcomes that the core pushes, where it is configured; else there is nothing to close. */
export function openOutcomes({ listeners }: GatewayConfig, { hear }: Pick<Resolver, 'hear'>): Promise<Pick<OutcomesListener, 'close'>> {
  const { outcomes } = listeners;
  if (!outcomes) return Promise.resolve({ close: async () => {} });
  const where = { name: 'the listener for outcomes', ...outcomes, variable: 'listeners.outcomes.port' };
  const listen = () => listenOutcomes({ ...outcomes, hear: ({ merchantNumber, claim, outcome }) => hear(merchantNumber, claim, outcome) });
  return tellListenProblems(where, listen);
}
