import type { GatewayConfig } from '../config/schema.ts';
import { listenOutcomes, type PushedOutcome } from '../listeners/outcomes.ts';
import type { PlainListener } from '../listeners/plain-http.ts';
import type { Event } from '../pipeline/event.ts';
import type { Resolver } from '../settlement/resolve.ts';
import { tellListenProblems } from './listen-problems.ts';

/** Opens the listener for outcomes that the core pushes, where it is configured; else there is nothing to close. */
export function openOutcomes(
  { listeners }: GatewayConfig,
  { hear }: Pick<Resolver, 'hear'>,
  alarm: Event['alarm'],
): Promise<Pick<PlainListener, 'close'>> {
  const { outcomes } = listeners;
  if (!outcomes) return Promise.resolve({ close: async () => {} });
  const where = { name: 'the listener for outcomes', ...outcomes, variable: 'listeners.outcomes.port' };
  const onFault = (error: Error) => alarm('the listener for outcomes failed', { cause: error.message });
  const listening = {
    ...outcomes,
    onFault,
    hear: ({ merchantNumber, claim, outcome }: PushedOutcome) => hear(merchantNumber, claim, outcome),
  };
  return tellListenProblems(where, () => listenOutcomes(listening));
}
