import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Leaf, Pki } from '../support/pki.ts';
import { MERCHANT_2 } from '../support/system.ts';
import { ask, get, lineOf, type Sender, senderOf, tell, wireOf } from './requests.ts';
import { startWorld, type World } from './world.ts';

const HOUR_MS = 3_600_000;
const BURST = 10;
/** Merchants with a rate of their own: ten in an hour, and ten in a second. */
const RATES = { '800000000000003': HOUR_MS, '800000000000004': 1000 };
const PATH = '/v1/platform-certificates';

describe('rates (G), through two gateways on one store', { timeout: 120_000 }, () => {
  let world: World;
  const leaves = new Map<string, Leaf>();
  const addMerchants = async (folder: string, pki: Pki): Promise<void> => {
    for (const [number, perMs] of Object.entries(RATES)) {
      const leaf = leaves.get(number) ?? (await pki.issueMerchant({ number }));
      leaves.set(number, leaf);
      const rows = [
        ...[`number: '${number}'`, `name: Rate ${perMs}`, `names: [{ certificate: ${leaf.certificate} }]`],
        ...[`keys: [{ certificate: ${leaf.certificate} }]`, 'plan: standard'],
        `overrides: { requests: { allow: ${BURST}, perMs: ${perMs}, burst: ${BURST} } }`,
      ];
      writeFileSync(join(folder, 'merchants', `${number}.yaml`), `${rows.join('\n')}\n`);
    }
  };
  before(async () => {
    world = await startWorld({ gateways: 2, configure: addMerchants, numbers: [MERCHANT_2] });
  });
  after(() => world?.end());
  const sender = (number: keyof typeof RATES, gateway = 0): Sender => senderOf(world.system, number, leaves.get(number), gateway);

  test('the eleventh request is 429 with Retry-After, signed, at both gateways; another merchant is not touched (G1)', async () => {
    const slow = sender('800000000000003');
    for (let i = 0; i < BURST; i += 1) {
      const told = await ask(slow, get(slow, PATH));
      assert.deepEqual([told.status, told.headers.get('ratelimit')?.startsWith(`"requests";r=${BURST - 1 - i};`)], [200, true]);
    }
    for (const gateway of [0, 1]) {
      const there = sender('800000000000003', gateway);
      const line = await lineOf(there, { gateway });
      const { bytes, request } = wireOf(get(there, PATH));
      line.send(bytes);
      const answer = await line.answer();
      const told = answer && tell(there, request, answer);
      assert.deepEqual([told?.status, told?.code, told?.retry, told?.verified], [429, 'RATE_LIMITED', 'same_key_later', true]);
      const retryAfter = Number(told?.headers.get('retry-after'));
      assert.ok(retryAfter >= 1 && retryAfter <= HOUR_MS / 1000 / BURST, `Retry-After: ${retryAfter}`);
      line.leave();
    }
    await world.invariants();
  });

  const evasions: readonly (readonly [target: string, status: number, why: string])[] = [
    [PATH.toUpperCase(), 404, 'another case'],
    [`/${PATH}`, 404, 'two slashes'],
    [`${PATH}/`, 404, 'a slash at the end'],
    [PATH.replace('p', '%70'), 404, 'an escaped letter'],
    [PATH.replace('/v1/', '/v1%2F'), 404, 'an escaped slash'],
    [`/./${PATH.slice(1)}`, 404, 'a dot segment'],
    [`/v1/../v1${PATH.slice(3)}`, 404, 'up and down'],
    [`${PATH};a=b`, 404, 'a path parameter'],
    [`${PATH}.`, 404, 'a dot at the end'],
    [`${PATH}?`, 400, 'an empty query'],
    [`${PATH}?a=b`, 400, 'a query that means nothing'],
  ];
  for (const [target, status, why] of evasions) {
    test(`no way around a rate by spelling: ${why} (G2)`, async () => {
      const slow = sender('800000000000003');
      const told = await ask(slow, get(slow, target));
      assert.equal(told.status, status, told.code);
    });
  }

  test('a merchant that waits for the window to end never gets more than burst and rate together (G3, G5)', async () => {
    const fast = sender('800000000000004');
    const lines = await Promise.all([0, 1].map((gateway) => lineOf(fast, { gateway })));
    const startedMs = performance.now();
    let accepted = 0;
    while (performance.now() - startedMs < 1500) {
      for (const line of lines) {
        line.send(wireOf(get(fast, PATH)).bytes);
        const answer = await line.answer();
        if (answer?.status === 200) accepted += 1;
        else assert.equal(answer?.status, 429);
      }
    }
    const elapsedMs = performance.now() - startedMs;
    for (const line of lines) line.leave();
    assert.ok(accepted >= BURST, `${accepted} accepted`);
    assert.ok(accepted <= BURST + Math.ceil((elapsedMs / 1000) * BURST) + 1, `${accepted} accepted in ${elapsedMs} ms`);
    await world.invariants();
  });
});
