import assert from 'node:assert/strict';
import { test } from 'node:test';
import { handle } from '../../src/pipeline/handle.ts';
import type { Stages } from '../../src/pipeline/stages.ts';
import { Refusal } from '../../src/protocol/errors.ts';
import type { Arrived, Sealed } from '../../src/protocol/messages.ts';
import { PAID } from '../settlement/parts.ts';

const ORDER = ['identify', 'route', 'bound', 'verify', 'open', 'admit', 'screen', 'journal', 'forward', 'settle', 'seal'] as const;
type Name = keyof Stages;

/** Stages that note their turn and pass on a request that knows where it has been. One may throw, or give another result. */
function openStages(changes: Partial<Record<Name, (request: never) => unknown>> = {}) {
  const turns: string[] = [];
  const refused: unknown[] = [];
  const stage =
    (name: Name) =>
    (request: { been?: readonly string[] }, ...rest: unknown[]): unknown => {
      turns.push(name);
      if (name === 'refuse') refused.push(rest[0], request.been);
      const next = { ...request, been: [...(request.been ?? []), name] };
      const change = changes[name];
      if (change) return change(next as never);
      if (name === 'seal' || name === 'refuse') return Promise.resolve({ status: name === 'seal' ? 201 : 503 } as Sealed);
      if (name === 'recall') return Promise.resolve({ ...PAID, headers: [] });
      if (name === 'settle') return { ...next, answer: PAID, outcome: 'succeeded', rateHeaders: [] };
      return ['admit', 'screen', 'journal', 'forward'].includes(name) ? Promise.resolve(next) : next;
    };
  const names: readonly Name[] = [...ORDER, 'recall', 'refuse'];
  return { stages: Object.fromEntries(names.map((name) => [name, stage(name)])) as unknown as Stages, turns, refused };
}

const arrived = {} as Arrived;
const throws = (error: unknown) => () => {
  throw error;
};

test('a request passes every stage once, in order', async () => {
  const { stages, turns } = openStages();
  assert.equal((await handle(arrived, stages)).status, 201);
  assert.deepEqual(turns, ORDER);
});

test('a key that has a claim is recalled: nothing is journalled as admitted, forwarded or settled', async () => {
  const { stages, turns } = openStages({ admit: async (request) => ({ ...(request as object), known: 'succeeded' }) });
  assert.equal((await handle(arrived, stages)).status, 201);
  assert.deepEqual(turns, ['identify', 'route', 'bound', 'verify', 'open', 'admit', 'recall', 'seal']);
});

for (const name of [...ORDER, 'recall'] as const) {
  test(`whatever is thrown at ${name} is refused, with how far the request came`, async () => {
    for (const error of [new Refusal('REBUILDING'), new TypeError('a bug')]) {
      const known = name === 'recall' ? { admit: async (request: never) => ({ ...(request as object), known: 'succeeded' }) } : {};
      const { stages, turns, refused } = openStages({ ...known, [name]: throws(error) });
      assert.equal((await handle(arrived, stages)).status, 503);
      assert.equal(refused[0], error);
      const before = ORDER.slice(0, ORDER.indexOf(name === 'recall' ? 'screen' : name)).filter((stage) => stage !== 'bound');
      // What admission gave is as far as a refusal looks: later stages only add to it.
      const reached = before.filter((stage) => !['screen', 'journal', 'forward', 'settle'].includes(stage));
      assert.deepEqual(refused[1] ?? [], reached);
      assert.equal(turns.at(-1), 'refuse');
      assert.equal(turns.filter((turn) => turn === name).length, 1);
    }
  });
}
