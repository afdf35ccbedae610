import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Redis } from 'ioredis';
import { createMetrics } from '../../src/lib/metrics.ts';
import { UserError } from '../../src/lib/user-error.ts';
import { createReplicaCheck } from '../../src/store/redis/replicas.ts';
import { findRedisProblem } from '../../tools/redis-server.ts';
import { freePorts } from '../support/process.ts';
import { bashOf, checkTools, type Ran, readPage, runBash } from './pages.ts';

const guide = readPage('docs/operator-guide.md');

/** From openssl to a production gateway on Redis, a loss of everything and a journal that verifies: the guide's own commands. */
describe('docs/operator-guide.md', { timeout: 120_000 }, () => {
  let directory: string;
  let ran: Ran;
  before(async () => {
    checkTools();
    const problem = findRedisProblem();
    if (problem !== undefined) throw new Error(problem);
    directory = mkdtempSync(join(tmpdir(), 'hufu-guide-'));
    const [internet, status, core, redis] = (await freePorts(4)).map(String) as [string, string, string, string];
    const ports = { HUFU_PORT_INTERNET: internet, HUFU_PORT_STATUS: status, HUFU_PORT_CORE: core, REDIS_PORT: redis };
    ran = await runBash(bashOf(guide), { SITE: join(directory, 'site'), ...ports });
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  test('every step succeeds', () => assert.equal(ran.code, 0, ran.output));

  const shown: readonly (readonly [what: string, said: RegExp])[] = [
    ['production accepts the configuration', /gateway\.yaml: nothing wrong; 1 merchants, store sqlite:/],
    ['the conformance suite passes', /^ℹ fail 0$/m],
    ['the gateway is ready', /^gateway ready on https:\/\/localhost:\d+/m],
    ['a verified answer under the own authority', /^HTTP 201 {2}verified$[\s\S]*"merchantNumber": "801000000000001"/m],
    ['a verified query', /^HTTP 200 {2}verified$/m],
    ['health in words', /\{"live":true,"ready":true/],
    ['the answer key of the own authority', /keyid=\\"bank-2026\\"/],
    ['the key is known after the move to Redis and after the restore', /("idempotency-replayed": "true"[\s\S]*){4}/],
    ['the journal is listed as closed', /^gateway-1 +closed /m],
    ['the journal verifies, with and without the copied key', /(.*journal\/gateway-1: whole, \d+ records in 1 segment\n){2}/],
    ['metrics', /^# TYPE hufu_requests_total counter$/m],
  ];
  for (const [what, said] of shown) test(`shows: ${what}`, () => assert.match(ran.output, said));

  test('checks signatures of the journal: no key was missing', () => assert.doesNotMatch(ran.output, /signatures not checked/));
});

test('the guide names every metric of our own, and no other', async () => {
  const ours = (await createMetrics().registry.getMetricsAsJSON()).map(({ name }) => name).filter((name) => name.startsWith('hufu_'));
  const named = new Set([...guide.matchAll(/`(hufu_[a-z_]+)(?:\{[a-z,]+\})?`/g)].map(([, name]) => name as string));
  assert.deepEqual([...named].sort(), ours.sort());
});

test('the guide sets for replicas what production asks for', async () => {
  const answers = (settings: readonly string[]) => ({ config: async () => settings }) as unknown as Redis;
  const check = createReplicaCheck(() => assert.fail('it was told'));
  const [, toWrite = '', maxLag = ''] = /set `min-replicas-to-write (\d+)` and `min-replicas-max-lag (\d+)`/.exec(guide) ?? [];
  const settings = ['min-replicas-to-write', toWrite, 'min-replicas-max-lag', maxLag];
  await check(answers(settings), 1);
  const [, most = ''] = /the second is 0 or above (\d+)/.exec(guide) ?? [];
  await check(answers(settings.with(3, most)), 1);
  for (const [place, value] of [
    [1, '0'],
    [3, '0'],
    [3, String(Number(most) + 1)],
  ] as const)
    await assert.rejects(check(answers(settings.with(place, value)), 1), UserError);
});

test('sections with blocks that are not run say so', () => {
  const sections = guide.split(/^## /m).filter((section) => /^```(sh|ini)$/m.test(section));
  assert.equal(sections.length, 1);
  for (const section of sections) assert.match(section, /\*\*Not run\*\*/);
});
