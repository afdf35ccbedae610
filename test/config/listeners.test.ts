import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '../../src/config/load.ts';
import { MARK, problemsOf, temporaryDirectory, unmark, writeFiles } from './workbench.ts';

const load = (file: string, environment = {}) => loadConfig({ file, environment, profile: 'production', checksFiles: false });
const DEDICATED = 'listeners: { dedicated: { address: 10.1.0.5, networks: [10.20.0.0/16] } }';
const balancer = (rows: string): string => `listeners: { balancer: { address: 10.1.0.5, balancerAuthorities: [merchants], ${rows} } }`;
const PIN = 'ab'.repeat(32);

test('the line and the balancers are off unless written; the environment sets the port of a line that is on', async (t) => {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'gateway.yaml');
  await writeFiles(directory, { 'gateway.yaml': 'instance: gateway-1' });
  const { listeners } = load(file, { HUFU_PORT_DEDICATED: '9444' });
  assert.deepEqual([listeners.dedicated, listeners.balancer, listeners.internet.proxies], [undefined, undefined, []]);
  await writeFiles(directory, { 'gateway.yaml': DEDICATED });
  assert.equal(load(file).listeners.dedicated?.port, 8444);
  assert.equal(load(file, { HUFU_PORT_DEDICATED: '9444' }).listeners.dedicated?.port, 9444);
  await writeFiles(directory, { 'gateway.yaml': balancer(`balancers: [{ publicKey: ${PIN} }]`) });
  assert.deepEqual([load(file).listeners.balancer?.header, load(file).listeners.balancer?.form], ['client-cert', 'rfc9440']);
});

const mistakes: readonly (readonly [string, RegExp, string])[] = [
  [`listeners: { dedicated: ${MARK}{ networks: [10.0.0.0/8] } }`, /address is missing/, 'the line is bound to an address of its own'],
  [`listeners: { dedicated: { address: ${MARK}0.0.0.0, networks: [10.0.0.0/8] } }`, /name one address/, 'not to all of them'],
  ['listeners: { dedicated: { address: 10.1.0.5 } }', /networks is missing/, 'a line without a list is open'],
  ['listeners: { dedicated: { address: 10.1.0.5, networks: [] } }', /list of 1 to 256/, 'so is an empty list'],
  [`listeners: { dedicated: { address: 10.1.0.5, networks: [${MARK}10.0.0.1/8] } }`, /no bit set behind/, 'which network was meant?'],
  [`listeners: { dedicated: { address: 10.1.0.5, networks: [${MARK}0.0.0.0/0] } }`, /no list/, 'all addresses'],
  [`listeners: { internet: { proxies: [${MARK}10.0.0.0/40] } }`, /expected a network/, 'no such prefix'],
  [
    `listeners: { dedicated: { address: 10.1.0.5, networks: [10.0.0.0/8], authorities: [${MARK}merchant] } }`,
    /did you mean "merchants"/,
    'unknown authority',
  ],
  [
    `listeners: { balancer: { address: 10.1.0.5, balancerAuthorities: [${MARK}nobody], balancers: [{ publicKey: ${PIN} }] } }`,
    /no authority "nobody"/,
    'unknown authority of balancers',
  ],
  [balancer('balancers: []'), /list of 1 to 64/, 'the authority alone is not enough'],
  [balancer(`balancers: [${MARK}{}]`), /publicKey, subject or both/, 'a pin that pins nothing'],
  [balancer(`balancers: [{ subject: ${MARK}nonsense }]`), /./, 'no distinguished name'],
  [balancer(`balancers: [{ publicKey: ${MARK}abc }]`), /64 lower-case hexadecimal/, 'no digest'],
  [
    balancer(`balancers: [{ publicKey: ${PIN} }], header: ${MARK}X_Cert`),
    /header name in lower case/,
    'underscores are refused at the door',
  ],
];
for (const [marked, message, why] of mistakes) {
  test(`refused: ${why}`, async (t) => {
    const directory = temporaryDirectory(t);
    const { text, line, column } = unmark(marked);
    await writeFiles(directory, { 'gateway.yaml': text });
    const file = join(directory, 'gateway.yaml');
    const [problem = '', ...more] = problemsOf(() => load(file), file);
    assert.match(problem, message);
    assert.equal(more.length, 0, more.join('\n'));
    if (marked.includes(MARK) && line > 0 && !/missing/.test(problem)) assert.ok(problem.startsWith(`${line}:${column} `), problem);
  });
}
