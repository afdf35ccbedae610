import assert from 'node:assert/strict';
import { appendFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Gateway, startSystem, untilReady } from '../support/system.ts';

const alarmsOf = async ({ statusUrl }: Gateway): Promise<string | undefined> =>
  /^hufu_alarms_total (\d+)$/m.exec(await (await fetch(`${statusUrl}/metrics`)).text())?.[1];

test('an alarm of the journal is counted like every other, and told in the log', { timeout: 60_000 }, async (t) => {
  const system = await startSystem();
  t.after(system.dispose);
  const [gateway] = system.gateways as [Gateway];
  assert.equal(await alarmsOf(gateway), '0');
  await gateway.kill('SIGKILL');
  const journal = join(system.directory, 'data', 'journal', gateway.instance);
  const segments = readdirSync(journal).filter((name) => /^\d/.test(name));
  appendFileSync(join(journal, segments.sort().at(-1) as string), '{"half":"a rec');
  await gateway.start();
  await untilReady(gateway);
  assert.equal(await alarmsOf(gateway), '1');
  const events = gateway
    .running()
    .stderr()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const alarms = events.filter(({ msg }) => msg === 'alarm');
  assert.deepEqual(
    alarms.map(({ level, of }) => [level, of]),
    [[50, 'journal']],
  );
  assert.match(alarms[0].alarm, /cut 14 bytes of a torn record/);
});
