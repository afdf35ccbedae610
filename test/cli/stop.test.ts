import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { type Launch, type Running, runHufu, startHufu } from '../support/process.ts';
import { checkGone, findOlderNode, makeSite, PROJECT, type Site } from './site.ts';

const CALL = ['call', 'POST', '/v1/orders', '--merchant', '800000000000001', '--data', '@examples/order.json', '--json'];
/** How long the core keeps the request whose answer a stop must wait for, ms. */
const DELAY_MS = 1_000;

/** A call that the core has executed and not answered yet. */
async function callUnderWay({ environment, ports }: Site, delayMs = DELAY_MS) {
  const faults = `http://127.0.0.1:${ports.core}/faults`;
  const fault = { next: 1, fault: 'delay', match: { path: '/v1/orders' }, delayMs };
  const headers = { 'content-type': 'application/json', connection: 'close' };
  assert.equal((await fetch(faults, { method: 'PUT', headers, body: JSON.stringify(fault) })).status, 200);
  const finished = runHufu(CALL, environment);
  await eventually(async () => {
    const { fault: left } = (await (await fetch(faults, { headers })).json()) as { fault: { next: number } };
    assert.equal(left.next, 0, 'the core has begun the request');
  });
  return { finished };
}

const signalProcess =
  (signal: NodeJS.Signals) =>
  ({ process: { pid } }: Running): boolean =>
    process.kill(pid as number, signal);
/** A terminal sends Ctrl-C to every process of the job. */
const signalGroup = ({ process: { pid } }: Running): boolean => process.kill(-(pid as number), 'SIGINT');
const impatiently = (running: Running): void => {
  for (let i = 0; i < 3; i += 1) signalGroup(running);
};

const older = findOlderNode();
const olderHufu: Launch['command'] = [older ?? '', join(PROJECT, 'bin', 'hufu.js')];

type Way = Launch & { readonly args?: readonly string[]; readonly isNpm?: boolean };
const WAYS: readonly (readonly [why: string, stop: (running: Running) => unknown, way: Way])[] = [
  ['SIGTERM, as a supervisor sends it', signalProcess('SIGTERM'), {}],
  ['SIGHUP, when the terminal is closed', signalProcess('SIGHUP'), {}],
  ['Ctrl-C in a terminal, three times at once', impatiently, { ownGroup: true }],
  [
    'Ctrl-C after `npm start`, which passes it on once more',
    signalGroup,
    { ownGroup: true, command: ['npm', 'start'], args: [], isNpm: true },
  ],
  ...(older
    ? ([
        ['Ctrl-C, started by an older Node', signalGroup, { ownGroup: true, command: olderHufu }],
        ['SIGTERM to an older Node', signalProcess('SIGTERM'), { command: olderHufu }],
      ] as const)
    : []),
];

async function endByForce(up: Running, { ownGroup }: Launch): Promise<void> {
  if (ownGroup && up.process.exitCode === null && up.process.signalCode === null) process.kill(-(up.process.pid as number), 'SIGKILL');
  await up.end('SIGKILL');
}

describe('a stop answers what is under way, closes the journal, and leaves no process', () => {
  for (const [why, stop, { args = ['up'], isNpm, ...how }] of WAYS) {
    test(why, async (t) => {
      if (!older) t.diagnostic('there is no older Node on the PATH to start it with');
      const site = await makeSite();
      t.after(site.dispose);
      const up = await startHufu(args, { ...site.environment, HUFU_CORE_FAULTS: '1' }, /^ready$/m, how);
      t.after(() => endByForce(up, how));
      const { finished } = await callUnderWay(site);
      const ended = once(up.process, 'close');
      stop(up);
      const { code, stdout, stderr } = await finished;
      assert.equal(code, 0, stdout + stderr + up.stderr());
      assert.equal(JSON.parse(stdout).status, 201);
      const [status] = await ended;
      if (!isNpm) assert.equal(status, 0, up.stdout() + up.stderr()); // npm tells of the signal that it got itself
      await checkGone(site);
      const { stdout: listed } = await runHufu(['journal', 'list'], site.environment);
      assert.match(listed, /^gateway-1 +closed/m);
    });
  }
});

test('a second Ctrl-C, a second later, ends at once; so does the core', async (t) => {
  const site = await makeSite();
  t.after(site.dispose);
  const up = await startHufu(['up'], { ...site.environment, HUFU_CORE_FAULTS: '1' }, /^ready$/m);
  t.after(() => up.end('SIGKILL'));
  const { finished } = await callUnderWay(site, 30_000);
  const ended = once(up.process, 'close');
  signalProcess('SIGINT')(up);
  const again = setInterval(() => signalProcess('SIGINT')(up), 500);
  t.after(() => clearInterval(again));
  assert.deepEqual((await ended)[0], 1);
  clearInterval(again);
  await eventually(() => checkGone(site), 10_000);
  assert.notEqual((await finished).code, 0);
});

test('a stop while it still starts', async (t) => {
  const site = await makeSite({ withCertificates: false });
  t.after(site.dispose);
  const up = await startHufu(['up'], site.environment, /certificate made/);
  assert.equal(await up.end('SIGTERM'), 0);
  await checkGone(site);
});

test('a wrapper that is killed takes everything with it', async (t) => {
  if (!older) return t.skip('there is no older Node on the PATH');
  const site = await makeSite();
  t.after(site.dispose);
  const up = await startHufu(['up'], site.environment, /^ready$/m, { command: olderHufu });
  await up.end('SIGKILL');
  await eventually(() => checkGone(site));
});

test('a reader of its output that leaves does not end it: the terminal was closed, the log collector restarts', async (t) => {
  const site = await makeSite();
  t.after(site.dispose);
  const up = await startHufu(['up'], site.environment, /^ready$/m);
  t.after(() => up.end('SIGKILL'));
  up.process.stdout?.destroy();
  up.process.stderr?.destroy();
  for (let i = 0; i < 2; i += 1) assert.equal((await runHufu(CALL, site.environment)).code, 0, 'each request is a line of the log');
  assert.equal(await up.end('SIGHUP'), 0);
  await checkGone(site);
  assert.match((await runHufu(['journal', 'list'], site.environment)).stdout, /^gateway-1 +closed/m);
});
