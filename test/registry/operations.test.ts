import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ConfigurationProblem } from '../../src/config/problems.ts';
import { loadOperations } from '../../src/registry/operations.ts';
import { temporaryDirectory, unmark, writeFiles } from '../config/workbench.ts';

const PAYMENTS = readFileSync(new URL('../../config/operations/payments.yaml', import.meta.url), 'utf8');

async function load(t: Parameters<typeof temporaryDirectory>[0], ...texts: string[]) {
  const directory = temporaryDirectory(t);
  await writeFiles(directory, Object.fromEntries(texts.map((text, index) => [`${index}.yaml`, text])));
  const problems: ConfigurationProblem[] = [];
  const files = texts.map((_, index) => join(directory, `${index}.yaml`));
  return { ...loadOperations(files, (problem) => problems.push(problem)), problems };
}

const told = (problems: readonly ConfigurationProblem[]): string[] => [
  ...new Set(problems.map(({ line, column, message }) => `${line}:${column} ${message}`)),
];

const CREATE = 'operationId: orders.create';
const AMOUNT = `    AmountFen:
      description: Amount in whole fen (金额，分); 100 fen are 1 CNY.
      type: integer
      minimum: 1`;

/** `find` is replaced where it first stands behind `after`; `§` marks where the problem must point. */
type Row = readonly [why: string, after: string, find: string, replace: string, message: string];
const MISTAKES: readonly Row[] = [
  [
    'an unknown key of x-hufu',
    CREATE,
    'idempotency: required',
    '§idempotancy: required',
    'unknown key "idempotancy" in paths./v1/orders.post.x-hufu; did you mean "idempotency"?',
  ],
  [
    'a level that does not exist',
    CREATE,
    'level: A2',
    'level: §A3',
    'paths./v1/orders.post.x-hufu.level: expected one of A1, A2, found "A3"',
  ],
  [
    'a key of a value that is not in the body',
    CREATE,
    'idempotencyFrom: [/orderNo]',
    'idempotencyFrom: [§/orderNr]',
    "the body's schema has no /orderNr",
  ],
  [
    'a key of a value that may be absent',
    CREATE,
    'idempotencyFrom: [/orderNo]',
    'idempotencyFrom: [§/merchantNumber]',
    '/merchantNumber must be required, or a request without it would have no key',
  ],
  [
    'a key of an object',
    'operationId: payments.create',
    "idempotencyFrom: ['path:orderNo']",
    'idempotencyFrom: [§/payer]',
    '/payer must be of type string or integer',
  ],
  [
    'a key of a parameter that the path has not',
    'operationId: payments.create',
    "idempotencyFrom: ['path:orderNo']",
    "idempotencyFrom: [§'path:order']",
    '/v1/orders/{orderNo}/payments has no parameter {order}',
  ],
  [
    'values for a key where there is none',
    'operationId: orders.get',
    'level: A2',
    "level: A2\n        §idempotencyFrom: ['path:orderNo']",
    'idempotencyFrom is given but the operation has no idempotency',
  ],
  ['no x-hufu', 'operationId: orders.get', 'x-hufu:', 'x-huhu:', 'x-hufu is missing: it says level, outcome and more (docs/config.md)'],
  [
    'a write without outcome',
    'operationId: orders.close',
    'outcome:',
    '§outcomes:',
    'unknown key "outcomes" in paths./v1/orders/{orderNo}/close.post.x-hufu; did you mean "outcome"?',
  ],
  [
    'a write without a way to resolve',
    CREATE,
    `        resolve:
          operation: executions.get
          parameters: { derivedKey: derivedKey }
          notFound: afterExpiry
`,
    '',
    'a write of level A2 needs resolve, or an unknown outcome could never be found out',
  ],
  [
    'not found that never decides',
    CREATE,
    'notFound: afterExpiry',
    'notFound: §never',
    'never is a dead end: such a request could never be settled; use afterExpiry',
  ],
  [
    'resolving with an operation that is not there',
    CREATE,
    'operation: executions.get',
    'operation: §execution.get',
    'there is no operation "execution.get"; did you mean "executions.get"?',
  ],
  [
    'resolving with a write',
    CREATE,
    'operation: executions.get',
    'operation: §orders.close',
    'orders.close cannot be asked: it must be a GET that the core answers',
  ],
  [
    'resolving without the parameter',
    CREATE,
    'parameters: { derivedKey: derivedKey }',
    '§parameters: {}',
    'the parameter {derivedKey} of /v1/executions/{derivedKey} is missing',
  ],
  [
    'resolving with another parameter',
    CREATE,
    '{ derivedKey: derivedKey }',
    '{ derivedKey: derivedKey, §derivedkey: derivedKey }',
    '/v1/executions/{derivedKey} has no parameter {derivedkey}; did you mean "derivedKey"?',
  ],
  [
    'a resolve operation that cannot say not found',
    'operationId: executions.get',
    'means: notFound',
    'means: failed',
    'executions.get has no rule that means notFound, so a request that never ran could not be settled',
  ],
  ['a write without a key', CREATE, 'idempotency: required', '§idempotency: none', 'a write of level A2 needs idempotency: required'],
  [
    'a write that says nothing about limits',
    'operationId: orders.close',
    '        limits: none\n',
    '',
    'a write of level A2 needs limits: totals, single or none',
  ],
  ['limits without an amount', 'operationId: orders.close', 'limits: none', '§limits: totals', 'limits: totals needs amount and currency'],
  [
    'an amount that nothing limits',
    CREATE,
    'amount: /amountFen\n        currency: /currency\n        limits: single',
    '§amount: /amountFen\n        currency: /currency\n        limits: none',
    'amount is given but nothing limits it; set limits: totals or single',
  ],
  ['a pointer that is not in the schema', CREATE, 'amount: /amountFen', 'amount: §/amount', "the body's schema has no /amount"],
  [
    'an amount that may be left out',
    'OrderRequest:',
    'required: [orderNo, amountFen, currency, subject]',
    'required: [orderNo, currency, subject]',
    '/amountFen must be required, or a request without it would pass the limits',
  ],
  [
    'an amount without an upper bound',
    'AmountFen:',
    '      maximum: 999999999999\n',
    '',
    '/amountFen needs minimum 0 or more and maximum 9007199254740991 or less (whole fen)',
  ],
  [
    'a read that changes money',
    'operationId: orders.get',
    'level: A2',
    'level: A2\n        §limits: totals',
    'a GET moves no money, so it has no limits',
  ],
  ['a merchant pointer nowhere', CREATE, 'merchant: [/merchantNumber]', 'merchant: [§/merchant]', "the body's schema has no /merchant"],
  ['a payer that is a map', 'operationId: payments.create', 'payer: /payer/accountNo', 'payer: §/payer', '/payer must be of type string'],
  [
    'a rule for a status that is not described',
    CREATE,
    'status: 409,',
    'status: §410,',
    'the operation describes no answer with status 410',
  ],
  ['a rule for a place that is not there', CREATE, 'pointer: /code,', 'pointer: §/kode,', 'the schema of status 409 has no /kode'],
  [
    'a rule for a value that never comes',
    CREATE,
    'values: [CREATED]',
    'values: [§CRAETED]',
    'the schema of status 200 never has this value at /status',
  ],
  [
    'a repeat of something that is not sent',
    CREATE,
    'request: /orderNo,',
    'request: §/orderNumber,',
    "the body's schema has no /orderNumber",
  ],
  [
    'a repeat of a parameter that is not there',
    'operationId: payments.create',
    "request: 'path:orderNo'",
    "request: §'path:orderno'",
    'the path /v1/orders/{orderNo}/payments has no parameter {orderno}',
  ],
  [
    'a request that lets unknown members through',
    'OrderRequest:',
    '      type: object\n      additionalProperties: false',
    '      §type: object',
    'an object of a request needs additionalProperties: false, or members that nobody checked would reach the core',
  ],
  [
    'a nested one',
    'PaymentRequest:',
    '          type: object\n          additionalProperties: false',
    '          type: object\n          additionalProperties: true',
    'an object of a request needs additionalProperties: false, or members that nobody checked would reach the core',
  ],
  [
    'a member that takes anything',
    'OrderRequest:',
    'merchantNumber: { $ref:',
    'memo: §{}\n        merchantNumber: { $ref:',
    'this schema of a request takes any value; give it a type',
  ],
  [
    'a keyword that would check nothing',
    'AmountFen:',
    'minimum: 1',
    '§minimun: 1',
    'the schema keyword "minimun" is not supported; did you mean "minimum"?',
  ],
  [
    'a format that would check nothing',
    'OrderRequest:',
    'format: date-time',
    'format: §datetime',
    'the format "datetime" is not supported; did you mean "date-time"?',
  ],
  [
    'a class of data that does not exist',
    'AccountNo:',
    'x-data-class: C2',
    'x-data-class: §C4',
    'x-data-class: expected C1, C2 or C3, found "C4"',
  ],
  [
    'a reference to nothing',
    CREATE,
    "$ref: '#/components/schemas/OrderRequest'",
    "$ref: §'#/components/schemas/OrderReqest'",
    '$ref "#/components/schemas/OrderReqest" leads nowhere in this file',
  ],
  ['a pattern that is none', 'MerchantNumber:', "pattern: '^[0-9]{15}$'", "pattern: '^[0-9{15}$'", 'the schema does not compile'],
  [
    'another media type',
    CREATE,
    'application/json:',
    '§application/xml:',
    'content: only application/json is served, found "application/xml"',
  ],
  [
    'a body that may be left out',
    CREATE,
    'required: true',
    'required: false',
    'requestBody needs required: true; an operation has a body or it has none',
  ],
  [
    'a status for many',
    CREATE,
    "'409':",
    '§4XX:',
    'responses: expected a status such as 200, found "4XX"; each status is listed by itself',
  ],
  [
    'a path parameter that is not declared',
    'operationId: orders.get',
    "parameters:\n        - $ref: '#/components/parameters/OrderNo'",
    '§parameters: []',
    'the path parameter {orderNo} is not declared',
  ],
  [
    'a parameter in a header',
    'components:',
    'in: path',
    'in: §header',
    'in: expected path or query, found "header"; headers are not forwarded',
  ],
  [
    'a parameter that is no text',
    'name: accountNo',
    "schema: { $ref: '#/components/schemas/AccountNo' }",
    'schema: §{ type: integer }',
    'a parameter is text: its schema needs type: string, with a pattern for numbers',
  ],
  [
    'a path with an encoded letter',
    '',
    '/v1/platform-certificates:',
    '§/v1/platform%2Dcertificates:',
    'the path has the segment "platform%2Dcertificates"; a segment is {name} or made of A-Z a-z 0-9 . _ ~ -',
  ],
  [
    'a parameter within a segment',
    '',
    '/v1/executions/{derivedKey}:',
    '§/v1/executions/x-{derivedKey}:',
    'the path has the segment "x-{derivedKey}"; a segment is {name} or made of A-Z a-z 0-9 . _ ~ -',
  ],
  [
    'a path with a trailing slash',
    '',
    '/v1/platform-certificates:',
    '§/v1/platform-certificates/:',
    'the path has the segment ""; a segment is {name} or made of A-Z a-z 0-9 . _ ~ -',
  ],
  ['an operation id twice', '', 'operationId: orders.close', 'operationId: §orders.create', 'operationId orders.create is used twice'],
  [
    'one path under two names',
    '',
    '/v1/orders/{orderNo}:\n    get:',
    '/v1/orders/{other}/close:\n    post:',
    'POST /v1/orders/{orderNo}/close is the same path as that of orders.get',
  ],
  [
    'a method we do not serve',
    '',
    '/v1/platform-certificates:\n    get:',
    '/v1/platform-certificates:\n    §head: {}\n    get:',
    'path: the key "head" is not supported',
  ],
  ['a version of OpenAPI we do not read', '', 'openapi: 3.1.1', 'openapi: §3.0.3', 'openapi: expected 3.1.x, found "3.0.3"'],
  [
    'a base path that would be lost',
    '',
    'paths:\n',
    'servers: [{ url: §https://pay.example/api }]\npaths:\n',
    'servers: a base path is not supported; write it into the paths',
  ],
  [
    'an hour that does not exist',
    'operationId: orders.close',
    'level: A2',
    "level: A2\n        window: { from: §'24:00', to: '01:00' }",
    `paths./v1/orders/{orderNo}/close.post.x-hufu.window.from: expected a time of day such as 09:30 (in quotes), found "24:00"`,
  ],
];

for (const [why, after, find, replace, message] of MISTAKES) {
  test(`operations: ${why}`, async (t) => {
    const at = PAYMENTS.indexOf(find, PAYMENTS.indexOf(after));
    assert.ok(at >= 0, `the document has no ${find}`);
    const { text, line, column } = unmark(PAYMENTS.slice(0, at) + replace + PAYMENTS.slice(at + find.length));
    const problems = told((await load(t, text)).problems);
    const found = problems.find((problem) => problem.slice(problem.indexOf(' ') + 1).startsWith(message));
    assert.ok(found, `told: ${problems.join('\n')}`);
    if (line > 0) assert.equal(found.split(' ')[0], `${line}:${column}`);
  });
}

test('the shipped document has no mistake, and its operations are what they say', async (t) => {
  const { all, routable, problems } = await load(t, PAYMENTS);
  assert.deepEqual(problems, []);
  assert.deepEqual(
    all.map(({ id, method, path, level, idempotency, limits }) => `${id} ${method} ${path} ${level} ${idempotency} ${limits}`),
    [
      'orders.create POST /v1/orders A2 required single',
      'orders.get GET /v1/orders/{orderNo} A2 none none',
      'payments.create POST /v1/orders/{orderNo}/payments A2 required totals',
      'orders.close POST /v1/orders/{orderNo}/close A2 required none',
      'accounts.balance GET /v1/accounts/{accountNo}/balance A2 none none',
      'platform.certificates GET /v1/platform-certificates A1 none none',
      'platform.jwks GET /v1/jwks A1 none none',
      'working-keys.create POST /v1/working-keys A2 none none',
      'executions.get GET /v1/executions/{derivedKey} A2 none none',
    ],
  );
  assert.ok(!routable.some(({ id }) => id === 'executions.get'), 'merchants cannot ask for executions');
  const pay = all.find(({ id }) => id === 'payments.create');
  assert.deepEqual(pay?.dataClasses, [{ pointer: '/payer/accountNo', dataClass: 'C2' }]);
  assert.deepEqual(all.find(({ id }) => id === 'accounts.balance')?.parameterClasses, [{ in: 'path', name: 'accountNo', dataClass: 'C2' }]);
  assert.deepEqual(pay?.resolve, {
    operationId: 'executions.get',
    parameters: { derivedKey: 'derivedKey' },
    rules: ['SUCCEEDED succeeded', 'FAILED failed', 'PROCESSING pending'].map((row) => {
      const [value, means] = row.split(' ');
      return { status: [200], pointer: '/status', values: [value], means };
    }),
    notFoundRules: [{ status: [404], pointer: '/code', values: ['EXECUTION_NOT_FOUND'] }],
    notFound: 'afterExpiry',
  });
});

test('a shared mistake points at the schema it is in', async (t) => {
  const broken = AMOUNT.replace('type: integer', 'type: number');
  const { problems } = await load(t, PAYMENTS.replace(AMOUNT, broken));
  assert.ok(told(problems).some((problem) => problem.endsWith('/amountFen must be of type integer')));
});

test('a keyword of the wrong type is told at its component', async (t) => {
  const { problems } = await load(t, PAYMENTS.replace(AMOUNT, AMOUNT.replace('minimum: 1', "minimum: '1'")));
  assert.ok(
    told(problems).some((problem) => problem.includes('is no JSON Schema: AmountFen/minimum must be number')),
    told(problems).join('\n'),
  );
});

test('a schema may contain itself where the value goes deeper, and not otherwise', async (t) => {
  const close = '    CloseRequest:\n      type: object\n      additionalProperties: false\n      properties:\n';
  const deeper = await load(t, PAYMENTS.replace(close, `${close}        because: { $ref: '#/components/schemas/CloseRequest' }\n`));
  assert.deepEqual(deeper.problems, []);
  const { checkBody } = deeper.all.find(({ id }) => id === 'orders.close') ?? assert.fail();
  assert.deepEqual(checkBody({ because: { because: { reason: 'x' } } }), []);
  assert.deepEqual(checkBody({ because: { because: { x: 1 } } }), [{ pointer: '/because/because', message: 'must not have the member x' }]);
  const same = await load(
    t,
    PAYMENTS.replace(
      close,
      close.replace('      properties:\n', "      anyOf: [{ $ref: '#/components/schemas/CloseRequest' }]\n      properties:\n"),
    ),
  );
  assert.ok(told(same.problems).some((problem) => problem.includes('would never end')));
});

test('two documents may not share an operation', async (t) => {
  const { problems } = await load(t, PAYMENTS, PAYMENTS);
  assert.equal(problems.filter(({ message }) => message.includes('is used twice')).length, 9);
});

test('closing is asked of the branch, or of the object around its branches', async (t) => {
  const branch = (extra: string, around: string) =>
    PAYMENTS.replace(
      '    CloseRequest:\n      type: object\n      additionalProperties: false\n',
      `    Reason:\n      type: object\n      properties: { code: { type: string } }\n${extra}    CloseRequest:\n      type: object\n${around}      allOf: [{ $ref: '#/components/schemas/Reason' }]\n`,
    );
  const open = await load(t, branch('', '      additionalProperties: false\n'));
  assert.ok(told(open.problems).some((problem) => problem.includes('additionalProperties: false')));
  const closed = await load(t, branch('', '      unevaluatedProperties: false\n'));
  assert.deepEqual(closed.problems, []);
  const close = closed.all.find(({ id }) => id === 'orders.close');
  assert.deepEqual(close?.checkBody({ reason: 'x', code: 'y' }), []);
  assert.equal(close?.checkBody({ reason: 'x', other: 'y' }).length, 1);
});

test('business hours become minutes', async (t) => {
  const { all } = await load(
    t,
    PAYMENTS.replace('operationId: orders.close', 'operationId: orders.close').replace(
      /(orders\.close[\s\S]*?level: A2)/,
      "$1\n        window: { from: '22:30', to: '01:05' }",
    ),
  );
  assert.deepEqual(all.find(({ id }) => id === 'orders.close')?.window, { fromMinute: 1350, toMinute: 65 });
});

test('a declared query parameter is taken once, as text, and checked', async (t) => {
  const declared =
    "      parameters:\n        - $ref: '#/components/parameters/OrderNo'\n        - { name: page, in: query, schema: { type: string, pattern: '^[0-9]{1,3}$' } }\n";
  const { all, problems } = await load(
    t,
    PAYMENTS.replace("      parameters:\n        - $ref: '#/components/parameters/OrderNo'\n", () => declared),
  );
  assert.deepEqual(problems, []);
  const get = all.find(({ id }) => id === 'orders.get');
  const check = (...query: [string, string][]) => get?.checkParameters({ orderNo: 'A' }, query);
  assert.deepEqual(check(), []);
  assert.deepEqual(check(['page', '2']), []);
  assert.deepEqual(check(['page', '2'], ['page', '2']), [{ pointer: 'query:page', message: 'must not be sent twice' }]);
  assert.deepEqual(check(['page', 'x']), [{ pointer: 'query:page', message: 'must match pattern "^[0-9]{1,3}$"' }]);
  assert.deepEqual(check(['Page', '2']), [{ pointer: '/query', message: 'has a parameter that the operation does not name' }]);
});
