import assert from 'node:assert/strict';
import fc from 'fast-check';
import { createModelStore } from '../../src/admission/model.ts';
import type { Fact } from '../../src/ports/journal.ts';
import type { AdmitCommand, ClaimView, Store } from '../../src/ports/store.ts';
import {
  admission,
  admittedFact,
  DAY,
  FIRST,
  NOW,
  nonceFact,
  type OpenStore,
  outcomeFact,
  rate,
  SECOND,
  total,
  voidedFact,
} from './world.ts';

/** Time passes in steps that reach deadlines and leases, and 60 of them stay below the 660 s after which stores may forget. */
const STEPS_MS = [0, 0, 1, 99, 5_000, 10_000] as const;
const KEYS = ['k0', 'k1', 'k2'] as const;
const COUNTERS = ['day', 'month', 'count', '~payer'] as const;
/** Bounds on trial, by counter. */
const SHADOWS: Readonly<Record<string, object>> = { month: { shadowMax: 50 }, '~payer': { shadowMax: 39 } };
const FACTS = ['nonce', 'admitted', 'voided', 'succeeded', 'failed'] as const;
const INSTANCES = ['g1', 'g2'] as const;

/** A delivery. Every history has ten of them, and speaks of them again and again. */
const delivery = fc.record({
  merchantNumber: fc.constantFrom(FIRST, FIRST, FIRST, SECOND),
  /** Mostly its own. */
  nonce: fc.integer({ min: 0, max: 60 }),
  key: fc.constantFrom(...KEYS),
  fingerprint: fc.integer({ min: 0, max: 5 }).map((n) => (n === 0 ? 'print-2' : 'print-1')),
  claimless: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
  barred: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
  rates: fc.constantFrom(
    [],
    [],
    [],
    [rate(10, 6, 'fast')],
    [rate(10, 6, 'fast'), rate(0.02, 1, 'slow')],
    [rate(10, 2, '~all'), { ...rate(0.02, 1, 'trial'), shadow: true as const }],
  ),
  concurrency: fc.constantFrom(
    [],
    [],
    [{ counter: 'all', max: 2 }],
    [
      { counter: 'all', max: 2 },
      { counter: 'some', max: 1 },
    ],
    [
      { counter: '~everyone', max: 2, shadowMax: 1 },
      { counter: 'all', max: 9, shadowMax: 0 },
    ],
  ),
  totals: fc.tuple(fc.subarray([...COUNTERS], { minLength: 1 }), fc.constantFrom(0, 40, 61, 100, Number.MAX_SAFE_INTEGER)),
});
type Delivery = typeof delivery extends fc.Arbitrary<infer T> ? T : never;

const which = fc.nat(9);
const epochAge = fc.integer({ min: 0, max: 19 }).map((n) => (n === 0 ? 1 : 0));
const answers = fc.constantFrom(undefined, undefined, 'yes', 'no');
const outcomes = fc.constantFrom('succeeded', 'failed');
const step = fc.oneof(
  { weight: 24, arbitrary: fc.record({ do: fc.constant('admit'), which, epochAge }) },
  {
    weight: 14,
    arbitrary: fc.record({
      do: fc.constant('settle'),
      which,
      epochAge,
      outcome: outcomes,
      answer: answers,
      fence: fc.constantFrom(undefined, undefined, undefined, 1, 2),
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('hold'), which, epochAge, answer: answers, inMs: fc.constantFrom(0, 5_000) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('void'), which, epochAge }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('release'), which, epochAge }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('lease'), epochAge, key: fc.constantFrom(...KEYS) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('postpone'), key: fc.constantFrom(...KEYS), fence: fc.nat(2), inMs: fc.constantFrom(0, 5_000) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('look') }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('replay'),
      epochAge,
      facts: fc.array(fc.tuple(fc.constantFrom(...FACTS), which), { maxLength: 6 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('newEpoch'), fromAge: epochAge, opens: fc.constantFrom(true, true, true, true, false) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('openSlot'), epochAge, merchantNumber: fc.constantFrom(FIRST, SECOND) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

export const history = fc.record({
  deliveries: fc.array(delivery, { minLength: 10, maxLength: 10 }),
  steps: fc.array(fc.tuple(fc.constantFrom(...STEPS_MS), step), { minLength: 30, maxLength: 60 }),
});
export type History = typeof history extends fc.Arbitrary<infer T> ? T : never;

function commandOf(
  { key, claimless, nonce, totals: [counters, add], ...rest }: Delivery,
  i: number,
  nowMs: number,
  epoch: string,
): AdmitCommand {
  const max = add === Number.MAX_SAFE_INTEGER ? add : 100;
  const totals = claimless ? [] : counters.map((counter) => ({ ...total(add, max, counter), ...SHADOWS[counter] }));
  return { ...admission(`a${i}`, { ...rest, key, claimless, totals, nowMs, epoch }), nonce: `n${nonce}`, nonceUntilMs: NOW + 10 * DAY };
}

/** One replayed fact of a delivery; its times are those of the beginning, so that it is the same whenever it is replayed. */
function factOf(kind: (typeof FACTS)[number], spec: Delivery, i: number): Fact {
  const id = `a${i}`;
  const { merchantNumber, key } = spec;
  if (kind === 'nonce') return { ...nonceFact(id), merchantNumber, nonce: `n${spec.nonce}`, nonceUntilMs: NOW + 10 * DAY } as Fact;
  if (kind === 'admitted') return admittedFact(commandOf({ ...spec, claimless: false }, i, NOW, 'e1'));
  if (kind === 'voided') return { ...voidedFact(id, key), merchantNumber };
  return { ...outcomeFact(id, kind, key), merchantNumber };
}

/** Order is nobody's promise for these. */
const plain = (view: ClaimView | undefined) => view && { ...view, admissionIds: [...view.admissionIds].sort() };

/** Everything that can be seen of a store. */
async function look(store: Store, nowMs: number): Promise<unknown> {
  const { state } = await store.epoch();
  const seen: unknown[] = [state.kind === 'lost' ? state : { ...state, reported: [...state.reported].sort() }];
  seen.push([...(await store.merchants())].sort());
  for (const merchantNumber of [FIRST, SECOND]) {
    seen.push(await store.usage({ merchantNumber, counters: [...COUNTERS, 'own-payer'] }));
    seen.push(
      await store.levels({
        merchantNumber,
        rates: ['fast', '~all', 'own-all', 'trial'],
        concurrency: ['all', '~everyone', 'own-everyone'],
        nowMs,
      }),
    );
    seen.push([...(await store.findDue({ merchantNumber, nowMs, limit: 100 }))].sort());
    for (const keyHash of KEYS) seen.push(plain(await store.findClaim({ merchantNumber, keyHash })));
  }
  return seen;
}

/** Runs a history on a store; what it returned and showed, step by step. */
export async function runHistory(store: Store, { deliveries, steps }: History): Promise<unknown[]> {
  const results: unknown[] = [];
  let nowMs = NOW;
  let epoch = 0;
  const named = (age: number) => `e${epoch - age}`;
  const begin = async (fromAge: number, opens: boolean) => {
    const next = `e${epoch + 1}`;
    const begun = await store.beginEpoch({ epoch: next, ...(epoch === 0 ? {} : { previous: named(fromAge) }) });
    if (begun) epoch += 1;
    const opening = { epoch: named(0), instances: INSTANCES, merchantNumbers: [FIRST], nowMs };
    await store.report({ epoch: named(0), instance: 'g1', closedUntilMs: NOW });
    const early = await store.openEpoch(opening);
    if (opens) await store.report({ epoch: named(0), instance: 'g2', closedUntilMs: 0 });
    return [begun, early, await store.openEpoch(opening)];
  };
  const spec = (i: number) => deliveries[i] as Delivery;
  const about = (i: number, age: number) => ({
    merchantNumber: spec(i).merchantNumber,
    admissionId: `a${i}`,
    keyHash: spec(i).key,
    epoch: named(age),
    nowMs,
  });
  const given = (answer: string | undefined) => (answer ? { answer: Buffer.from(answer), answerUntilMs: NOW + 10 * DAY } : {});
  const run = async (s: Step): Promise<unknown> => {
    switch (s.do) {
      case 'admit': {
        const decision = await store.admit(commandOf(spec(s.which), s.which, nowMs, named(s.epochAge)));
        return 'claim' in decision ? { ...decision, claim: plain(decision.claim) } : decision;
      }
      case 'settle':
        return store.settle({
          ...about(s.which, s.epochAge),
          outcome: s.outcome as 'succeeded' | 'failed',
          ...given(s.answer),
          ...(s.fence === undefined ? {} : { fence: s.fence }),
        });
      case 'hold':
        return store.hold({ ...about(s.which, s.epochAge), nextAskMs: nowMs + s.inMs, ...given(s.answer) });
      case 'void': {
        const { keyHash, ...rest } = about(s.which, s.epochAge);
        return store.void(spec(s.which).claimless ? rest : { ...rest, keyHash });
      }
      case 'release':
        return store.release(about(s.which, s.epochAge));
      case 'lease':
        return plain(
          await store.lease({ merchantNumber: FIRST, keyHash: s.key, epoch: named(s.epochAge), nowMs, untilMs: nowMs + 10_000 }),
        );
      case 'postpone':
        return store.postpone({ merchantNumber: FIRST, keyHash: s.key, fence: s.fence, nextAskMs: nowMs + s.inMs });
      case 'look':
        return look(store, nowMs);
      case 'replay':
        for (const merchantNumber of [FIRST, SECOND]) {
          const facts = s.facts.filter(([, i]) => spec(i).merchantNumber === merchantNumber).map(([kind, i]) => factOf(kind, spec(i), i));
          if (facts.length > 0) await store.replay({ merchantNumber, epoch: named(s.epochAge), nowMs, facts });
        }
        return look(store, nowMs);
      case 'newEpoch':
        return begin(s.fromAge, s.opens);
      case 'openSlot':
        return store.openSlot({ merchantNumber: s.merchantNumber, epoch: named(s.epochAge) });
    }
  };
  results.push(await begin(0, true));
  for (const [afterMs, s] of steps) {
    nowMs += afterMs;
    results.push([s.do, await run(s)]);
  }
  results.push(await look(store, nowMs));
  return results;
}

/** The same with counters of the merchant in place of those of all. */
const withoutShared = (generated: History): History =>
  JSON.parse(JSON.stringify(generated, (_key, value) => (typeof value === 'string' ? value.replace(/^~/, 'own-') : value))) as History;

/**
 * Generated histories of commands give the same decisions, and the same state to look at, in a store and in the model.
 * A failure prints the shortest history found, and the seed that repeats it. `shared`: whether limits over all merchants are among them.
 */
export async function checkAgainstModel(open: OpenStore, numRuns: number, shared = true): Promise<void> {
  const property = fc.asyncProperty(shared ? history : history.map(withoutShared), async (generated) => {
    const { store, dispose } = await open();
    try {
      assert.deepEqual(await runHistory(store, generated), await runHistory(createModelStore(), generated));
    } finally {
      await dispose();
    }
  });
  await fc.assert(property, { numRuns });
}
