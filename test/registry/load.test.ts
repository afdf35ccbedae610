import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '../../src/config/load.ts';
import type { Profile } from '../../src/config/schema.ts';
import { bindingKeyOf, parseName } from '../../src/protocol/distinguished-name.ts';
import { SCHEME_NAMES } from '../../src/protocol/scheme-names.ts';
import { loadRegistry, readRegistry } from '../../src/registry/load.ts';
import type { Snapshot } from '../../src/registry/snapshot.ts';
import { problemsOf, publicKeyPem, temporaryDirectory, unmark, writeFiles } from '../config/workbench.ts';
import { makePki } from '../support/pki.ts';

const ROOT = new URL('../../', import.meta.url).pathname;
const ONE = '800000000000001';
const TWO = '800000000000002';

const merchant = (number: string, more = ''): string => `number: '${number}'
name: Shop ${number.slice(-1)}
names:
  - subject: CN=${number},O=Shop
keys:
  - publicKey: ${number}.pem
plan: standard
${more}`;

const GOOD = {
  'gateway.yaml': 'operations: [payments.yaml]\n',
  'merchants/1.yaml': merchant(ONE),
  'merchants/2.yaml': merchant(TWO),
  'certs/800000000000001.pem': publicKeyPem(ONE),
  'certs/800000000000002.pem': publicKeyPem(TWO),
};

type Files = Readonly<Record<string, string>>;
type Context = Parameters<typeof temporaryDirectory>[0];

async function prepare(t: Context, files: Files, profile: Profile = 'development') {
  const directory = temporaryDirectory(t);
  cpSync(join(ROOT, 'config/operations/payments.yaml'), join(directory, 'payments.yaml'));
  for (const file of ['plans.yaml', 'policy.yaml']) cpSync(join(ROOT, 'config', file), join(directory, file));
  await writeFiles(directory, { ...GOOD, ...files });
  const environment = { HUFU_CERTS: join(directory, 'certs'), HUFU_DATA: join(directory, 'data') };
  const config = loadConfig({ file: join(directory, 'gateway.yaml'), environment, profile, checksFiles: false });
  return { directory, config };
}

const rule = (text: string): string => `plans:\n  standard:\n    rules:\n      single: { kind: amount, maxFen: 100 }\n      ${text}\n`;

// `§` marks where the problem must point, in the file that has it.
const MISTAKES: readonly (readonly [why: string, files: Files, message: string])[] = [
  [
    'a merchant number without quotes',
    { 'merchants/1.yaml': merchant(ONE).replace(`'${ONE}'`, `§${ONE}`) },
    `number: expected a merchant number of 15 digits (in quotes), found ${ONE}`,
  ],
  [
    'a number of 14 digits',
    { 'merchants/1.yaml': merchant(ONE).replace(`'${ONE}'`, "§'80000000000001'") },
    'number: expected a merchant number of 15 digits (in quotes), found "80000000000001"',
  ],
  ['an unknown key', { 'merchants/1.yaml': merchant(ONE, '§chanels: [internet]\n') }, 'unknown key "chanels"; did you mean "channels"?'],
  [
    'a status that does not exist',
    { 'merchants/1.yaml': merchant(ONE, 'status: §closed\n') },
    'status: expected one of active, suspended, found "closed"',
  ],
  [
    'the number of another',
    { 'merchants/2.yaml': merchant(ONE).replace(`'${ONE}'`, `§'${ONE}'`).replace(`CN=${ONE}`, 'CN=x').replace(`${ONE}.pem`, `${TWO}.pem`) },
    `merchant ${ONE} is also written in DIR/merchants/1.yaml:1:9`,
  ],
  [
    'the name of another (B22)',
    { 'merchants/2.yaml': merchant(TWO).replace(`subject: CN=${TWO}`, `§subject: CN=${ONE}`) },
    'this name is already bound in DIR/merchants/1.yaml:4:5; a second merchant may use it only by a delegation',
  ],
  [
    'the name of another, written in another way (B22)',
    { 'merchants/2.yaml': merchant(TWO).replace(`subject: CN=${TWO},O=Shop`, `§subject: "CN=${ONE},O=\\\\53hop"`) },
    'this name is already bound in DIR/merchants/1.yaml:4:5; a second merchant may use it only by a delegation',
  ],
  ['a name that is none', { 'merchants/1.yaml': merchant(ONE).replace(`CN=${ONE},O=Shop`, '§shop') }, ''],
  [
    'both subject and certificate',
    { 'merchants/1.yaml': merchant(ONE).replace(`subject: CN=${ONE},O=Shop`, '§subject: CN=a\n    certificate: a.crt') },
    'expected either subject or certificate',
  ],
  [
    'a certificate that is not there',
    { 'merchants/1.yaml': merchant(ONE).replace(`subject: CN=${ONE},O=Shop`, 'certificate: §a.crt') },
    'DIR/certs/a.crt cannot be read (ENOENT): check the path and who may read it',
  ],
  [
    'an authority that is not there',
    { 'merchants/1.yaml': merchant(ONE).replace('- subject', '- authority: §merchnts\n    subject') },
    'there is no authority "merchnts" in gateway.yaml; did you mean "merchants"?',
  ],
  [
    'no authority where there are two',
    {
      'gateway.yaml':
        'operations: [payments.yaml]\nauthorities:\n  - { name: merchants, certificates: [a.crt] }\n  - { name: partners, certificates: [b.crt] }\n',
      'merchants/1.yaml': merchant(ONE).replace('subject', '§subject'),
      'merchants/2.yaml': merchant(TWO).replace('subject', 'authority: partners\n    subject'),
    },
    'authority is missing: expected one of merchants, partners',
  ],
  [
    'a key file that is not there',
    { 'merchants/1.yaml': merchant(ONE).replace(`${ONE}.pem`, '§none.pem') },
    'DIR/certs/none.pem: there is no such file',
  ],
  [
    'a key file of rubbish',
    { 'certs/x.pem': 'x', 'merchants/1.yaml': merchant(ONE).replace(`${ONE}.pem`, '§x.pem') },
    'DIR/certs/x.pem holds no public key: write one PEM block "BEGIN PUBLIC KEY" into it',
  ],
  [
    'a private key',
    {
      'certs/x.pem': generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      'merchants/1.yaml': merchant(ONE).replace(`${ONE}.pem`, '§x.pem'),
    },
    'DIR/certs/x.pem holds a private key, which belongs to the merchant alone; put its public key there',
  ],
  [
    'a weak key',
    {
      'certs/x.pem': publicKeyPem('weak', 'rsa1024'),
      'merchants/1.yaml': merchant(ONE).replace(`${ONE}.pem`, 'x.pem\n    algorithm: §rsa-pss-sha512'),
    },
    'an RSA key needs at least 2048 bits, found 1024',
  ],
  [
    'a weak key without algorithm',
    { 'certs/x.pem': publicKeyPem('weak', 'rsa1024'), 'merchants/1.yaml': merchant(ONE).replace(`${ONE}.pem`, '§x.pem') },
    'no signature algorithm for a key of type rsa',
  ],
  [
    'an algorithm for another key',
    { 'merchants/1.yaml': merchant(ONE).replace(`${ONE}.pem`, `${ONE}.pem\n    algorithm: §rsa-pss-sha512`) },
    'rsa-pss-sha512 needs a key of type rsa, found ec',
  ],
  [
    'one key for two',
    { 'merchants/2.yaml': merchant(TWO).replace(`publicKey: ${TWO}`, `§publicKey: ${ONE}`) },
    'the keyid KEYID is already used in DIR/merchants/1.yaml:6:5',
  ],
  [
    'one key id for two keys',
    {
      'merchants/1.yaml': merchant(ONE).replace(`${ONE}.pem`, `${ONE}.pem\n    keyid: k`),
      'merchants/2.yaml': merchant(TWO).replace(`publicKey: ${TWO}.pem`, `§publicKey: ${TWO}.pem\n    keyid: k`),
    },
    'the keyid k is already used in DIR/merchants/1.yaml:6:5',
  ],
  [
    'a key that is never valid',
    {
      'merchants/1.yaml': merchant(ONE).replace(
        'publicKey:',
        '§notBefore: 2027-01-01T00:00:00Z\n    notAfter: 2026-01-01T00:00:00Z\n    publicKey:',
      ),
    },
    'the key is never valid: notBefore and notAfter leave no time within the certificate',
  ],
  [
    'a day that does not exist',
    { 'merchants/1.yaml': merchant(ONE).replace('publicKey:', 'notAfter: §2027-13-01T00:00:00Z\n    publicKey:') },
    'notAfter: there is no such day or time',
  ],
  [
    'a plan that is not there',
    { 'merchants/1.yaml': merchant(ONE).replace('plan: standard', 'plan: §standart') },
    'there is no plan "standart"; did you mean "standard"?',
  ],
  [
    'an operation that is not there',
    { 'merchants/1.yaml': merchant(ONE, 'operations: [orders.get, §order.create]\n') },
    'there is no operation "order.create"; did you mean "orders.create"?',
  ],
  [
    'an operation between gateway and core',
    { 'merchants/1.yaml': merchant(ONE, 'operations: [§executions.get]\n') },
    'there is no operation "executions.get"',
  ],
  [
    'an override of a key that the rule has not',
    { 'merchants/1.yaml': merchant(ONE, 'overrides:\n  single: { §max: 5 }\n') },
    'unknown key "max" in overrides.single; did you mean "maxFen"?',
  ],
  [
    'an override beyond bounds',
    { 'merchants/1.yaml': merchant(ONE, 'overrides:\n  single: { maxFen: §-1 }\n') },
    'overrides.single.maxFen: expected an integer 0 to 9007199254740991 (fen), found -1',
  ],
  [
    'a rule of its own that is not complete',
    { 'merchants/1.yaml': merchant(ONE, 'overrides:\n  §yearly: { kind: total, of: amount, per: day }\n') },
    'overrides.yearly.max is missing: expected an integer 0 to 9007199254740991 (fen or requests)',
  ],
  [
    'a change that ends and nobody allowed',
    { 'merchants/1.yaml': merchant(ONE, "overrides:\n  single: { maxFen: 5, §until: '2027-01-01T00:00:00Z' }\n") },
    'a change that ends needs `author`: who allowed it',
  ],
  [
    'a change that ends on a day there is not',
    { 'merchants/1.yaml': merchant(ONE, "overrides:\n  single: { maxFen: 5, author: A, until: §'2027-02-31T99:00:00Z' }\n") },
    'until: there is no such day or time',
  ],
  [
    'a cost above the burst',
    { 'plans.yaml': rule('calls: { kind: rate, allow: 5, costs: { payments.create: §6 } }') },
    'a cost of 6 is above burst 5, so payments.create would never pass',
  ],
  [
    'a cost of an operation that is not there',
    { 'plans.yaml': rule('calls: { kind: rate, allow: 5, costs: { §payments.creat: 2 } }') },
    'there is no operation "payments.creat"; did you mean "payments.create"?',
  ],
  [
    'a common rule for an operation that is not there',
    { 'plans.yaml': `common:\n  all: { kind: rate, allow: 1, operations: [§nothing] }\n${rule('')}` },
    'there is no operation "nothing"',
  ],
  [
    'a scope that is not there',
    { 'plans.yaml': rule('calls: { kind: rate, allow: 5, scope: §world }') },
    'plans.standard.rules.calls.scope: expected one of merchant, merchant+operation, merchant+payer, operation, payer, address, platform, found "world"',
  ],
  [
    'an answer algorithm that does not exist',
    { 'merchants/1.yaml': merchant(ONE, 'answers: { algorithm: §RSA }\n') },
    'answers.algorithm: expected one of rsa-v1_5-sha256, rsa-pss-sha512, ecdsa-p256-sha256, ecdsa-p384-sha384, ed25519, found "RSA"',
  ],
  [
    'a signature scheme that does not exist',
    { 'merchants/1.yaml': merchant(ONE, 'signatures: [rfc9421, §wechatpay]\n') },
    `signatures[1]: expected one of ${SCHEME_NAMES.join(', ')}, found "wechatpay"`,
  ],
  [
    'an option of a scheme that it does not have',
    { 'merchants/1.yaml': merchant(ONE, "signatureOptions: { wechatpay-v3: { §mch_id: '1' } }\n") },
    'unknown key "mch_id" in signatureOptions.wechatpay-v3; did you mean "mchid"?',
  ],
  [
    'an mchid that is a number to YAML',
    { 'merchants/1.yaml': merchant(ONE, 'signatureOptions: { wechatpay-v3: { mchid: §1900000109 } }\n') },
    'signatureOptions.wechatpay-v3.mchid: expected digits (in quotes), found 1900000109',
  ],
  [
    'a delegation without its document',
    { 'merchants/1.yaml': merchant(ONE, `delegations:\n  - §subject: CN=${TWO},O=Shop\n`) },
    'delegations[0].reference is missing: expected the document that grants it',
  ],
  [
    'a delegated key that is not there',
    { 'merchants/1.yaml': merchant(ONE, `delegations:\n  - subject: CN=${TWO},O=Shop\n    reference: x\n    keyids: [§none]\n`) },
    'there is no key "none"',
  ],
  [
    'a kind of rule that does not exist',
    { 'plans.yaml': rule('daily: { kind: §sum, max: 1 }') },
    'plans.standard.rules.daily.kind: expected one of rate, concurrency, amount, total, found "sum"',
  ],
  [
    'a limit as text',
    { 'plans.yaml': rule('daily: { kind: total, of: amount, per: day, max: §"100" }') },
    'plans.standard.rules.daily.max: expected an integer 0 to 9007199254740991 (fen or requests), found "100"',
  ],
  [
    'a negative limit',
    { 'plans.yaml': rule('daily: { kind: total, of: amount, per: day, max: §-1 }') },
    'plans.standard.rules.daily.max: expected an integer 0 to 9007199254740991 (fen or requests), found -1',
  ],
  [
    'a missing limit',
    { 'plans.yaml': rule('§daily: { kind: total, of: amount, per: day }') },
    'plans.standard.rules.daily.max is missing: expected an integer 0 to 9007199254740991 (fen or requests)',
  ],
  [
    'more than 2^53 - 1',
    { 'plans.yaml': rule('daily: { kind: total, of: amount, per: day, max: §9007199254740993 }') },
    'plans.standard.rules.daily.max: expected an integer 0 to 9007199254740991 (fen or requests), found 9007199254740992',
  ],
  [
    'a key of another kind',
    { 'plans.yaml': rule('daily: { kind: total, of: amount, per: day, max: 1, §maxFen: 1 }') },
    'unknown key "maxFen" in plans.standard.rules.daily; did you mean "max"?',
  ],
  [
    'a rule for an operation that is not there',
    { 'plans.yaml': rule('daily: { kind: total, of: amount, per: day, max: 1000, operations: [§payment.create] }') },
    'there is no operation "payment.create"; did you mean "payments.create"?',
  ],
  [
    'a range that is empty',
    { 'plans.yaml': 'plans:\n  standard:\n    rules:\n      single: { kind: amount, minFen: §5, maxFen: 4 }\n' },
    'minFen 5 is above maxFen 4, so nothing would pass',
  ],
  [
    'a burst that cannot be counted',
    { 'plans.yaml': rule('slow: { kind: rate, allow: 1, perMs: 86400000, burst: §1000 }') },
    'burst is worth more than 11 days of this rate; choose a smaller one',
  ],
  ['a rule twice', { 'plans.yaml': rule('§single: { kind: amount, maxFen: 1 }') }, 'Map keys must be unique'],
];

for (const [why, marked, message] of MISTAKES) {
  test(`registry: ${why}`, async (t) => {
    const entries = Object.entries(marked).map(([file, text]) => [file, unmark(text)] as const);
    const { directory, config } = await prepare(t, Object.fromEntries(entries.map(([file, { text }]) => [file, text])));
    const told = problemsOf(() => loadRegistry(config), '').map((line) =>
      line.replaceAll(directory, 'DIR').replace(/keyid [0-9a-f]{64}/, 'keyid KEYID'),
    );
    const [name, { line, column }] = entries.find(([, place]) => place.line > 0) ?? assert.fail('no mark');
    assert.equal(told.length, 1, told.join('\n'));
    assert.ok((told[0] as string).startsWith(`DIR/${name} ${line}:${column} ${message}`), told[0] ?? '');
  });
}

test('everything wrong in all files is told at once', async (t) => {
  const { config } = await prepare(t, {
    'merchants/1.yaml': 'number: 1\n',
    'merchants/2.yaml': merchant(TWO, 'x: 1\n'),
    'plans.yaml': 'plan: {}\n',
    'payments.yaml': 'openapi: 2\n',
  });
  const told = problemsOf(() => loadRegistry(config), '');
  for (const file of ['1.yaml', '2.yaml', 'plans.yaml', 'payments.yaml'])
    assert.ok(
      told.some((line) => line.includes(`/${file} `)),
      file,
    );
});

test('missing files are problems', async (t) => {
  const { directory, config } = await prepare(t, { 'gateway.yaml': 'operations: [none.yaml]\nplans: none.yaml\nmerchants: none\n' });
  assert.deepEqual(
    problemsOf(() => loadRegistry(config), '').map((line) => line.replaceAll(directory, 'DIR')),
    ['DIR/none.yaml 0:0 there is no such file', 'DIR/none 0:0 the merchants cannot be read: there is no such file'],
  );
});

const boundTo = (findBound: Snapshot['findBound'], key: string) => findBound(key).map(({ merchantNumber }) => merchantNumber);

test('merchants, names, keys and rules are found', async (t) => {
  const { config } = await prepare(t, {
    'merchants/1.yaml': merchant(ONE, 'overrides:\n  daily-amount: { max: 7 }\noperations: [orders.get]\nstatus: suspended\n'),
  });
  const { findMerchant, findBound, findKey, findRoute, findOperation, merchantNumbers, hosts } = loadRegistry(config);
  assert.deepEqual(merchantNumbers, [ONE, TWO]);
  assert.deepEqual([...hosts], ['localhost', '127.0.0.1']);
  assert.deepEqual(boundTo(findBound, bindingKeyOf('merchants', parseName(`CN=${ONE},O=Shop`))), [ONE]);
  assert.deepEqual(
    boundTo(findBound, bindingKeyOf('partners', parseName(`CN=${ONE},O=Shop`))),
    [],
    'the same name by another authority is another name',
  );
  assert.deepEqual(boundTo(findBound, bindingKeyOf('merchants', parseName(`CN=${ONE},O=shop`))), [], 'case counts');
  const one = findMerchant(ONE);
  assert.equal(one?.status, 'suspended');
  assert.deepEqual([...(one?.operations ?? [])], ['orders.get']);
  assert.equal(one?.rules.find(({ name }) => name === 'daily-amount')?.kind, 'total');
  assert.ok(one?.rules.some((entry) => entry.kind === 'total' && entry.name === 'daily-amount' && entry.max === 7));
  assert.ok(findMerchant(TWO)?.rules.some((entry) => entry.kind === 'total' && entry.name === 'daily-amount' && entry.max === 10_000_000));
  assert.equal(findMerchant('__proto__'), undefined);
  assert.equal(findKey('__proto__'), undefined);
  assert.equal(findRoute('GET', '/v1/orders/A')?.operation, findOperation('orders.get'));
  assert.equal(findOperation('executions.get')?.path, '/v1/executions/{derivedKey}');
});

test('a delegation binds a name and a key to a second merchant', async (t) => {
  const delegated = merchant(TWO, `delegations:\n  - subject: CN=${ONE},O=Shop\n    reference: agreement 2026-7\n    keyids: [one]\n`);
  const { config } = await prepare(t, {
    'merchants/1.yaml': merchant(ONE).replace('.pem', '.pem\n    keyid: one'),
    'merchants/2.yaml': delegated,
  });
  const { findBound, findKey } = loadRegistry(config);
  assert.deepEqual(boundTo(findBound, bindingKeyOf('merchants', parseName(`CN=${ONE},O=Shop`))), [ONE, TWO]);
  assert.deepEqual(findKey('one')?.merchantNumbers, [ONE, TWO]);
});

test('production refuses a merchant whose payments nothing limits; development warns', async (t) => {
  const files = { 'plans.yaml': 'plans:\n  standard:\n    rules:\n      single: { kind: amount, maxFen: 100 }\n' };
  const development = await prepare(t, files);
  const { warnings } = readRegistry(development.config);
  assert.deepEqual(
    warnings.map(({ line, column, message }) => `${line}:${column} ${message}`),
    [
      '7:7 no amount limit of the plan or its overrides covers payments.create; production refuses that',
      '7:7 no amount limit of the plan or its overrides covers payments.create; production refuses that',
    ],
  );
  const production = await prepare(t, files, 'production');
  assert.equal(problemsOf(() => loadRegistry(production.config), '').length, 2);
  const enough = await prepare(
    t,
    {
      ...files,
      'merchants/1.yaml': merchant(ONE, 'overrides:\n  day: { kind: total, of: amount, per: day, max: 1 }\n'),
      'merchants/2.yaml': merchant(TWO, 'operations: [orders.create]\n'),
    },
    'production',
  );
  assert.deepEqual(
    problemsOf(() => loadRegistry(enough.config), ''),
    [],
    'a total covers one, the other may not pay at all',
  );
  const other = await prepare(
    t,
    {
      ...files,
      'merchants/1.yaml': merchant(ONE, 'status: suspended\n'),
      'merchants/2.yaml': merchant(TWO, 'overrides:\n  day: { kind: total, of: amount, per: day, max: 1, operations: [orders.create] }\n'),
    },
    'production',
  );
  assert.equal(problemsOf(() => loadRegistry(other.config), '').length, 1, 'a total of another operation covers nothing');
});

test('rules that contradict each other are warned about', async (t) => {
  const { config } = await prepare(t, {
    'plans.yaml': rule(
      'day: { kind: total, of: amount, per: day, max: 99 }\n      month: { kind: total, of: amount, per: month, max: 98 }',
    ),
  });
  assert.deepEqual(
    readRegistry(config).warnings.map(({ line, message }) => `${line} ${message}`),
    [
      '5 day (99 fen a day) is below what single allows at once (100 fen)',
      '6 month (98 fen a month) is below what single allows at once (100 fen)',
      '6 month (98 a month) is below day (99 a day)',
    ],
  );
});

/** Rules beside `single` of 100 fen, and what is said of them. */
const ODD: readonly (readonly [why: string, rules: string, warnings: readonly string[]])[] = [
  [
    'a looser rule about the same counter',
    'day: { kind: total, of: amount, per: day, max: 200 }\n      more: { kind: total, of: amount, per: day, max: 300 }',
    ['6 more never decides: day counts the same and allows less'],
  ],
  [
    'the looser one for other operations may decide',
    'day: { kind: total, of: amount, per: day, max: 200 }\n      more: { kind: total, of: amount, per: day, max: 300, operations: [payments.create] }',
    [],
  ],
  [
    'the stricter one is on trial',
    'day: { kind: total, of: amount, per: day, max: 200, shadow: true }\n      more: { kind: total, of: amount, per: day, max: 300 }',
    [],
  ],
  [
    'the stricter one ends, and has ended',
    "day: { kind: total, of: amount, per: day, max: 200, notAfter: '2020-01-01T00:00:00Z' }\n      more: { kind: total, of: amount, per: day, max: 300 }",
    ['5 day counts no longer since 2020-01-01T00:00:00.000Z; delete it'],
  ],
  [
    'a year below a week',
    'day: { kind: total, of: amount, per: day, max: 200 }\n      week: { kind: total, of: count, per: week, max: 9 }\n      year: { kind: total, of: count, per: year, max: 8, operations: [payments.create] }',
    ['7 year (8 a year) is below week (9 a week)'],
  ],
  [
    'a total of an operation that reserves nothing',
    'day: { kind: total, of: amount, per: day, max: 200 }\n      orders: { kind: total, of: count, per: day, max: 1, operations: [orders.create] }',
    ['6 orders never counts: none of its operations has limits: totals'],
  ],
  [
    'by payer where nobody pays',
    'day: { kind: total, of: amount, per: day, max: 200 }\n      calls: { kind: rate, allow: 1, scope: payer, operations: [orders.get] }',
    ['6 calls never counts: none of its operations says where the payer stands (x-hufu.payer)'],
  ],
  [
    'a slower rate with the smaller burst',
    'day: { kind: total, of: amount, per: day, max: 200 }\n      a: { kind: rate, allow: 9 }\n      b: { kind: rate, allow: 8 }',
    ['6 a never decides: b counts the same and allows less'],
  ],
];
for (const [why, rules, expected] of ODD)
  test(`odd rules: ${why}`, async (t) => {
    const { config } = await prepare(t, { 'plans.yaml': rule(rules) });
    assert.deepEqual(
      readRegistry(config).warnings.map(({ line, message }) => `${line} ${message}`),
      expected,
    );
  });

test('a limit over all merchants is refused with a Redis Cluster as the store, wherever it is written, and allowed with Sentinel', async (t) => {
  const { config } = await prepare(t, {
    'plans.yaml': rule('calls: { kind: rate, allow: 7, scope: payer }'),
    'merchants/1.yaml': merchant(ONE, 'overrides:\n  calls: { allow: 3, scope: platform }\n'),
  });
  const problems = problemsOf(() => loadRegistry({ ...config, store: 'rediss+cluster://a,b' }), config.file);
  assert.equal(problems.length, 2);
  for (const problem of problems) assert.match(problem, /calls is counted over all merchants, which a Redis Cluster cannot decide/);
  loadRegistry({ ...config, store: 'redis+sentinel://a/m' });
});

test('common rules stand in every plan, unless it has its own of that name', async (t) => {
  const { config } = await prepare(t, {
    'plans.yaml': `common:\n  calls: { kind: rate, allow: 7 }\n  day: { kind: total, of: amount, per: day, max: 1000 }\n${rule('day: { kind: total, of: amount, per: day, max: 500 }')}`,
    'merchants/1.yaml': merchant(ONE, 'overrides:\n  calls: { allow: 3 }\n'),
  });
  const { findMerchant } = loadRegistry(config);
  const bounds = (number: string) =>
    findMerchant(number)?.rules.map((each) => [each.name, 'allow' in each ? each.allow : 'max' in each ? each.max : 0]);
  assert.deepEqual(bounds(TWO), [
    ['calls', 7],
    ['single', 0],
    ['day', 500],
  ]);
  assert.deepEqual(bounds(ONE)?.[0], ['calls', 3]);
});

test('a change for a while stands beside the rule of the plan, which counts again from its end on', async (t) => {
  const temporary = "overrides:\n  single: { maxFen: 900, until: '2027-01-01T00:00:00+08:00', author: Wang, reason: sale }\n";
  const { config } = await prepare(t, { 'merchants/1.yaml': merchant(ONE, temporary) });
  const until = Date.parse('2026-12-31T16:00:00Z');
  const rules = loadRegistry(config)
    .findMerchant(ONE)
    ?.rules.filter(({ kind }) => kind === 'amount');
  assert.deepEqual(
    rules?.map((each) => each.kind === 'amount' && [each.maxFen, each.notBeforeMs, each.notAfterMs]),
    [
      [900, undefined, until],
      [5_000_000, until, undefined],
    ],
  );
});

test('the version changes with every file behind it, and with nothing else', async (t) => {
  const { directory, config } = await prepare(t, {});
  const first = loadRegistry(config).version;
  assert.equal(loadRegistry(config).version, first);
  const seen = new Set([first]);
  for (const change of [
    { 'merchants/1.yaml': `${merchant(ONE)}# x\n` },
    { 'certs/800000000000001.pem': publicKeyPem('other') },
    { 'plans.yaml': rule('day: { kind: total, of: amount, per: day, max: 1000 }') },
    { 'policy.yaml': 'rules: [{ id: P1, allow: { dedicated: [encryption] } }]\n' },
    { 'gateway.yaml': `${GOOD['gateway.yaml']}hosts: [x]\n` },
  ]) {
    await writeFiles(directory, change);
    seen.add(loadRegistry(config).version);
  }
  assert.equal(seen.size, 6);
});

for (const [scheme, problem] of [
  ['jws-obie', '8:13 jws-obie needs signatureOptions.jws.issuer: name the one iss that its requests have'],
  ['cms', '8:13 cms brings its certificate in the message: add message to keySources'],
] as const) {
  test(`${scheme} without what it needs is refused when the files are read`, async (t) => {
    const { config, directory } = await prepare(t, { 'merchants/1.yaml': merchant(ONE, `signatures: [rfc9421, ${scheme}]\n`) });
    assert.deepEqual(
      problemsOf(() => loadRegistry(config), join(directory, 'merchants/1.yaml')),
      [problem],
    );
  });
}

test('a scheme whose answers need RSA is refused where no RSA key signs answers', async (t) => {
  const pki = await makePki();
  t.after(pki.dispose);
  const keys = '[{ keyid: platform-ec, certificate: signing/platform-ec.crt, key: signing/platform-ec.key }]';
  const { config, directory } = await prepare(t, {
    'gateway.yaml': `operations: [payments.yaml]\nanswers: { keys: ${keys} }\n`,
    'merchants/1.yaml': merchant(ONE, 'signatures: [rfc9421, alipay-v3]\n'),
    'certs/signing/platform-ec.crt': pki.read('signing/platform-ec').certificatePem,
  });
  assert.deepEqual(
    problemsOf(() => loadRegistry(config), join(directory, 'merchants/1.yaml')),
    ['8:13 answers under alipay-v3 need an RSA key, and answers.keys in gateway.yaml has none'],
  );
});
