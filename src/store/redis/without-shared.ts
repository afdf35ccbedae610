import type { Fact } from '../../ports/journal.ts';
import { isShared, type Store, StoreUnavailable } from '../../ports/store.ts';

/**
 * The store where one step cannot count over all merchants: their counters would live in another slot of the Cluster. The
 * configuration refuses such limits; if one came here nevertheless, nothing is admitted. Reservations that a journal holds for
 * them, from a time with another store, are left out: no rule counts them any more.
 */
export function withoutShared<S extends Store>(store: S): S {
  return {
    ...store,
    admit: async (command) => {
      const { rates, concurrency, totals } = command;
      if ([rates, concurrency, totals].some((steps) => steps.some(({ counter }) => isShared(counter))))
        throw new StoreUnavailable('a limit over all merchants cannot be decided on a Redis Cluster');
      return store.admit(command);
    },
    // In the order asked for, with zeros where nothing is ever counted.
    usage: async (command) => {
      const own = await store.usage({ ...command, counters: command.counters.filter((counter) => !isShared(counter)) });
      return command.counters.map((counter) => own.find((use) => use.counter === counter) ?? { counter, committed: 0, reserved: 0 });
    },
    levels: async (command) => {
      const [rates, concurrency] = [command.rates, command.concurrency].map((counters) => counters.filter((counter) => !isShared(counter)));
      const own = await store.levels({ ...command, rates: rates ?? [], concurrency: concurrency ?? [] });
      return {
        arrivalsUs: command.rates.map((counter) => own.arrivalsUs[rates?.indexOf(counter) ?? -1] ?? 0),
        running: command.concurrency.map((counter) => own.running[concurrency?.indexOf(counter) ?? -1] ?? 0),
      };
    },
    replay: (command) => store.replay({ ...command, facts: command.facts.map(withoutSharedEntries) }),
  };
}

function withoutSharedEntries(fact: Fact): Fact {
  if (fact.type !== 'admitted') return fact;
  return { ...fact, reservation: fact.reservation.filter(({ counter }) => !isShared(counter)) };
}
