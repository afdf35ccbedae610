import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, randomUUID, X509Certificate } from 'node:crypto';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { minuteOfDay } from '../../src/lib/business-time.ts';
import { ERROR_CODES, type ErrorCode, errorRow } from '../../src/protocol/errors.ts';
import { encryptJwe } from '../../src/protocol/jwe/compact.ts';
import { ask, get, lineOf, order, payment, post, type Sender, senderOf, type Tls, type Told, tell, wireOf } from '../attacks/requests.ts';
import { eventually } from '../support/eventually.ts';
import {
  CLIENT_AUTH,
  extendedKeyUsage,
  extension,
  type HostileCertificate,
  hostilePem,
  name,
  type RawName,
  tlv,
} from '../support/hostile-certificate.ts';
import type { IssueMerchant, Leaf, Pki } from '../support/pki.ts';
import { startExample } from '../support/risk.ts';
import { createOrder, freshOrderNo, MERCHANT_1, MERCHANT_2, orderBody, type System, startSystem } from '../support/system.ts';
import { askFaulty, type InjectedFault } from './faulty-pipeline.ts';

const HOUR_MS = 3_600_000;
const TIME_ZONE = 'Asia/Shanghai';

/** Merchants that are refused for what they are, by what their file says. */
const SPECIAL = {
  suspended: 'status: suspended',
  curtailed: 'operations: [platform.certificates]',
  elsewhere: 'channels: [dedicated]',
  keyless: 'answers: { encryption: body }',
  slow: 'overrides: { requests: { allow: 1, perMs: 3600000, burst: 1 } }',
  day: 'overrides: { daily-amount: { max: 0 } }',
  days: 'overrides: { daily-count: { kind: total, of: count, per: day, max: 0 } }',
  month: 'overrides: { monthly-amount: { kind: total, of: amount, per: month, max: 0 } }',
  week: 'overrides: { weekly-amount: { kind: total, of: amount, per: week, max: 0 } }',
  weeks: 'overrides: { weekly-count: { kind: total, of: count, per: week, max: 0 } }',
  year: 'overrides: { yearly-amount: { kind: total, of: amount, per: year, max: 0 } }',
  years: 'overrides: { yearly-count: { kind: total, of: count, per: year, max: 0 } }',
  desk: 'scenes: [PC]',
  faraway: 'networks: [203.0.113.0/24]',
  treasury: 'kind: treasury',
  rejected: '',
  doubted: '',
  unheard: '',
  months: 'overrides: { monthly-count: { kind: total, of: count, per: month, max: 0 } }',
} as const;
const numberOf = (name: keyof typeof SPECIAL): string => String(800_000_000_000_010 + Object.keys(SPECIAL).indexOf(name));

/** The example service, with what it says of some merchants; whoever is unheard gets no verdict. */
async function startRisk(): Promise<{ readonly url: string; readonly close: () => void }> {
  const verdicts = new Map<string, object>([
    [numberOf('rejected'), { verdict: 'reject' }],
    [numberOf('doubted'), { verdict: 'step-up', reference: 'C-1' }],
    [numberOf('unheard'), { verdict: 'perhaps' }],
  ]);
  return startExample((question) => verdicts.get(question.merchantNumber) ?? { verdict: 'pass' });
}

const leaves = new Map<string, Leaf>();
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const small = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 });
const clientUsage = extendedKeyUsage(CLIENT_AUTH);
const keyEncipherment = extension('2.5.29.15', tlv(0x03, Buffer.from([5, 0x20])));
const constrained = extension('2.16.840.1.113730.1.1', tlv(0x03, Buffer.from([6, 0x40])));
const padded = ({ certificatePem, keyPem }: Leaf): Tls => ({ certificatePem: certificatePem.repeat(3), keyPem });

async function configure(folder: string, pki: Pki): Promise<void> {
  for (const [name, row] of Object.entries(SPECIAL) as [keyof typeof SPECIAL, string][]) {
    const number = numberOf(name);
    const leaf = await pki.issueMerchant({ number });
    leaves.set(name, leaf);
    const certificate = `[{ certificate: ${leaf.certificate} }]`;
    const rows = [`number: '${number}'`, `name: ${name}`, `names: ${certificate}`, `keys: ${certificate}`, 'plan: standard', row];
    writeFileSync(join(folder, 'merchants', `${number}.yaml`), `${rows.join('\n')}\n`);
  }
  const policy = join(folder, 'policy.yaml');
  const rule = '- { id: T1, when: { merchantKinds: [treasury] }, allow: { internet: [mac-key] } }';
  writeFileSync(policy, readFileSync(policy, 'utf8').replace('  - id: P2', `  ${rule}\n  - id: P2`));
  const stolen = await pki.issueMerchant();
  leaves.set('stolen', stolen);
  const thumbprint = createHash('sha256').update(new X509Certificate(stolen.certificatePem).raw).digest('base64url');
  appendFileSync(join(folder, 'gateway.yaml'), `\nblocked: [{ thumbprint: ${thumbprint}, reason: stolen }]\n`);
  // The core has an account for this one, so that its request can be under way.
  const first = join(folder, 'merchants', `${MERCHANT_1}.yaml`);
  writeFileSync(first, `${readFileSync(first, 'utf8')}overrides: { one: { kind: concurrency, max: 1 } }\n`);
  const clock = (ms: number) => {
    const minute = minuteOfDay(ms, TIME_ZONE);
    return [Math.floor(minute / 60), minute % 60].map((part) => String(part).padStart(2, '0')).join(':');
  };
  const nowMs = Date.now();
  const window = `window: { from: '${clock(nowMs + 2 * HOUR_MS)}', to: '${clock(nowMs + 3 * HOUR_MS)}' }`;
  const file = join(folder, 'operations', 'payments.yaml');
  const within = (text: string, operation: string, row: string) =>
    text.replace(new RegExp(`(operationId: ${operation}\\n[^]*?x-hufu:\\n)`), `$1        ${row}\n`);
  const sealedReason = 'encryption: { fields: [{ pointer: /reason, required: true }] }';
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, within(within(text, 'accounts.balance', window), 'orders.close', `timeoutMs: 2000\n        ${sealedReason}`));
}

/** Enough to be taken for a request of another scheme. */
const WECHATPAY = ['Authorization', 'WECHATPAY2-SHA256-RSA2048 mchid="1"'] as const;

type Case = readonly [code: ErrorCode, reach: () => Promise<Told>, why: string];

describe('every refusal there is, reached, verified and as documented', { timeout: 120_000 }, () => {
  let system: System;
  let m2: Sender;
  let risk: Awaited<ReturnType<typeof startRisk>>;
  before(async () => {
    risk = await startRisk();
    const settings = `resolve: { clockAllowanceMs: 0, scheduleMs: [60000] }\nrisk: { url: '${risk.url}', timeoutMs: 5000, asks: writes }`;
    system = await startSystem({ configure, settings });
    m2 = senderOf(system, MERCHANT_2);
  });
  after(async () => {
    await system?.dispose();
    risk?.close();
  });

  const special = (name: keyof typeof SPECIAL): Sender => {
    const leaf = leaves.get(name) as Leaf;
    return senderOf(system, numberOf(name), leaf);
  };
  const askAs = async (name: keyof typeof SPECIAL): Promise<Told> => ask(special(name), order(special(name)));
  const payAs = async (name: keyof typeof SPECIAL): Promise<Told> => ask(special(name), payment(special(name), 'any', 100));
  const withTls = (tls: Tls): Promise<Told> => ask({ ...m2, tls }, order(m2));
  const issued = async (options: IssueMerchant): Promise<Told> => withTls(await system.pki.issueMerchant(options));
  /** The authority's name, as it is or in capitals. */
  const authorityName = (change = (value: string) => value): RawName =>
    system.pki
      .read('merchants-authority')
      .name.map((relative) => relative.map(({ oid, value }) => [oid, change(value), oid === '2.5.4.6' ? 0x13 : 0x0c] as const));
  const shouted = () => authorityName((value) => value.toUpperCase());
  /** With a certificate that our authority signed and no program of ours would have made; the client is as careless as it takes. */
  const handMade = async (changes: Partial<HostileCertificate>, key = pair.privateKey): Promise<Told> => {
    const certificatePem = hostilePem({
      issuer: name(authorityName()),
      subject: name([['CN', MERCHANT_2]]),
      publicKey: pair.publicKey,
      signer: system.pki.read('merchants-authority').privateKey,
      ...changes,
    });
    const sender = { ...m2, tls: { certificatePem, keyPem: key.export({ type: 'pkcs8', format: 'pem' }).toString() } };
    const line = await lineOf(sender, { ciphers: 'DEFAULT@SECLEVEL=0' });
    const { bytes, request } = wireOf(order(sender));
    line.send(bytes);
    const answer = await line.answer();
    line.leave();
    assert.ok(answer, 'closed without an answer');
    return tell(sender, request, answer);
  };
  const header = (field: string, value: string) => {
    const draft = order(m2);
    return { ...draft, headers: draft.headers.map(([each, old]) => [each, each === field ? value : old] as const) };
  };
  const params = (changes: Readonly<Record<string, string | undefined>>) => ask(m2, order(m2, { params: changes }));
  /** A core that misbehaves with the next request to this order. */
  const broken = async (fault: 'garbage' | 'executeThenDrop' | 'dropBeforeExecute' | 'delay', delayMs = 0) =>
    system.fault({ next: 1, fault, delayMs, match: { method: 'POST' } });
  const twice = async (first: () => Promise<Told>, second: () => Promise<Told>): Promise<Told> => {
    await broken('delay', 1500);
    const executions = async () => (await system.figures()).executions.length;
    const before = await executions();
    const slow = first();
    await eventually(async () => assert.equal(await executions(), before + 1));
    const told = await second();
    await slow;
    return told;
  };
  const faulty = async (fault: InjectedFault): Promise<Told> => {
    const wire = wireOf(order(m2));
    return tell(m2, wire.request, await askFaulty(m2, wire, fault));
  };

  const one = async (): Promise<Told> => ask(senderOf(system, MERCHANT_1), order(senderOf(system, MERCHANT_1)));

  const byMac = (target: string) => ask(m2, get(m2, target, { params: { keyid: `"wk-${'A'.repeat(22)}"` } }));
  const CLOSE = '/v1/orders/any/close';
  const close = (body: string, key?: string) => ask(m2, post(m2, CLOSE, { body, ...(key !== undefined && { key }) }));
  const sealedReason = (key: string): string =>
    encryptJwe(
      Buffer.from('"why"'),
      { keyid: 'platform-enc-ec', algorithm: 'ECDH-ES+A256KW', key: system.pki.read('encryption/platform-enc-ec').publicKey },
      { of: 'request', merchant: MERCHANT_2, method: 'POST', target: CLOSE, request: key, pointer: '/reason' },
    );

  const CASES: readonly Case[] = [
    ['HTTP_INVALID', () => ask(m2, { ...order(m2), target: 'https://localhost/v1/orders' }), 'an absolute target'],
    ['BODY_TOO_LARGE', () => ask(m2, order(m2, { body: ' '.repeat(70_000) })), 'more than 64 KiB'],
    ['MEDIA_TYPE_UNSUPPORTED', () => ask(m2, header('Content-Type', 'text/plain')), 'text instead of JSON'],
    ['CERTIFICATE_EXPIRED', () => issued({ notAfterMs: Date.now() - 1000 }), 'expired a second ago'],
    ['CERTIFICATE_PURPOSE', () => issued({ profile: 'server' }), 'made for servers'],
    ['CERTIFICATE_IS_AUTHORITY', () => issued({ profile: 'authority' }), 'it may issue others'],
    ['CERTIFICATE_VERSION', () => handMade({ version: 1 }), 'version 1'],
    [
      'CERTIFICATE_MALFORMED',
      () => handMade({ extensions: [clientUsage, extension('1.2.3.4', Buffer.alloc(1), true)] }),
      'a critical extension that nobody knows',
    ],
    ['CERTIFICATE_NAME', () => handMade({ subject: name([]) }), 'no name'],
    ['CERTIFICATE_ISSUER', () => handMade({ issuer: name(shouted()) }), "the authority's name in capitals, which OpenSSL folds"],
    ['CERTIFICATE_KEY_USAGE', () => handMade({ extensions: [clientUsage, keyEncipherment] }), 'for encipherment only'],
    ['CERTIFICATE_KEY', () => handMade({ publicKey: small.publicKey }, small.privateKey), 'RSA with exponent 3'],
    ['CERTIFICATE_SIGNATURE', () => handMade({ signature: 'ecdsa-sha1' }), 'signed with SHA-1'],
    ['CERTIFICATE_CHAIN', () => withTls(padded(system.pki.read(`merchants/${MERCHANT_2}`))), 'five certificates where four may come'],
    [
      'CERTIFICATE_INVALID',
      () => handMade({ extensions: [clientUsage, constrained] }),
      'a netscapeCertType for servers only, which OpenSSL alone looks at',
    ],
    ['MISDIRECTED', () => ask(m2, get(m2, '/v1/nothing', { headers: [['Host', '127.0.0.1']] })), 'TLS was asked for localhost'],
    ['CERTIFICATE_REVOKED', () => withTls(leaves.get('stolen') as Leaf), 'blocked in gateway.yaml'],
    ['REVOCATION_UNKNOWN', () => faulty({ judged: 'unknown' }), 'the list of the authority is missing'],
    ['CERTIFICATE_UNBOUND', () => issued({}), 'of our authority, in no merchant file'],
    ['MERCHANT_MISMATCH', () => ask(m2, order({ ...m2, number: MERCHANT_1 })), 'the number of another merchant'],
    ['MERCHANT_SUSPENDED', () => askAs('suspended'), 'status: suspended'],
    ['OPERATION_UNKNOWN', () => ask(m2, get(m2, '/v1/nothing')), 'a path that is in no document'],
    ['OPERATION_NOT_ENABLED', () => askAs('curtailed'), 'an operation outside of the contract'],
    ['CHANNEL_NOT_ALLOWED', () => askAs('elsewhere'), 'the dedicated line only'],
    ['IP_NOT_ALLOWED', () => askAs('faraway'), 'from this host, and its networks are elsewhere'],
    ['WORKING_KEY_REQUIRED', () => askAs('treasury'), 'a rule of the policy demands mac-key'],
    ['RISK_REJECTED', () => askAs('rejected'), 'the risk service says reject'],
    ['RISK_STEP_UP', () => askAs('doubted'), 'the risk service says step-up'],
    ['RISK_UNAVAILABLE', () => askAs('unheard'), 'the risk service says what is no verdict'],
    ['OUTSIDE_WINDOW', () => ask(m2, get(m2, '/v1/accounts/1234567890/balance')), 'open for an hour, two hours from now'],
    ['SIGNATURE_MISSING', () => ask(m2, order(m2, { fields: () => [] })), 'unsigned'],
    ['SIGNATURE_AMBIGUOUS', () => ask(m2, order(m2, { headers: [...order(m2).headers, WECHATPAY] })), 'signed twice, in two schemes'],
    ['SIGNATURE_SCHEME', () => ask(m2, order(m2, { fields: () => [WECHATPAY] })), 'a scheme that the merchant may not use'],
    ['SIGNATURE_INVALID', () => params({ created: undefined }), 'without created'],
    ['SIGNATURE_COVERAGE', () => ask(m2, order(m2, { components: ['"@method"', '"@target-uri"'] })), 'the body is not covered'],
    ['SIGNATURE_MISMATCH', () => ask(m2, order(m2), { target: '/v1/orders?a=1' }), 'another target than was signed'],
    ['DIGEST_MISMATCH', () => ask(m2, header('Content-Digest', 'md5=:AAAAAAAAAAAAAAAAAAAAAA==:')), 'a digest that proves nothing'],
    ['KEY_UNKNOWN', () => params({ keyid: '"nobody"' }), 'a keyid that nobody has'],
    ['WORKING_KEY_UNKNOWN', () => byMac('/v1/orders/any'), 'a working key that nobody was given'],
    ['MAC_NOT_ALLOWED', () => byMac('/v1/platform-certificates'), 'a MAC where a signature is wanted'],
    ['TIMESTAMP_SKEW', () => ask(m2, order(m2, { createdAtSeconds: 0 })), 'created in 1970'],
    ['IDEMPOTENCY_KEY_REQUIRED', () => ask(m2, header('Idempotency-Key', 'not a key')), 'a key with spaces'],
    ['BODY_INVALID', () => ask(m2, order(m2, { body: '{"orderNo":"A","orderNo":"B"}' })), 'a name twice'],
    ['SCHEMA_INVALID', () => ask(m2, order(m2, { body: '{}' })), 'nothing in the order'],
    ['FIELD_NOT_ENCRYPTED', () => close('{"reason":"in the clear"}'), 'a field that must be encrypted'],
    ['ENCRYPTION_INVALID', () => close('{"reason":"eyJhbGciOiJkaXIifQ....AAAA"}'), 'alg: dir'],
    [
      'DECRYPTION_FAILED',
      () => close(`{"reason":"${sealedReason('sealed-badly').replace(/.$/, (last) => (last === 'A' ? 'Q' : 'A'))}"}`, 'sealed-badly'),
      'a changed tag',
    ],
    ['ENCRYPTION_KEY_MISSING', () => askAs('keyless'), 'wants encrypted answers and has no key'],
    [
      'NONCE_REPLAYED',
      async () => {
        const nonce = { nonce: '"abcdefghijklmnopqrstuvwx"' };
        await params(nonce);
        return params(nonce);
      },
      'the same nonce again',
    ],
    [
      'RATE_LIMITED',
      async () => {
        await askAs('slow');
        return askAs('slow');
      },
      'the second within an hour',
    ],
    [
      'REQUEST_IN_FLIGHT',
      () => {
        const body = JSON.stringify(orderBody(freshOrderNo(), 100));
        const again = () => ask(m2, order(m2, { key: 'in-flight', body }));
        return twice(again, again);
      },
      'the same key while the core takes its time',
    ],
    [
      'IDEMPOTENCY_KEY_REUSED',
      async () => {
        await ask(m2, order(m2, { key: 'reused' }));
        return ask(m2, order(m2, { key: 'reused' }));
      },
      'another order under the same key',
    ],
    ['CONCURRENCY_LIMITED', () => twice(one, one), 'one at once, and one is under way'],
    ['LIMIT_SINGLE', () => ask(m2, order(m2, { body: JSON.stringify(orderBody(freshOrderNo(), 5_000_001)) })), 'one fen more'],
    ['LIMIT_DAILY_AMOUNT', () => payAs('day'), 'nothing a day'],
    ['LIMIT_DAILY_COUNT', () => payAs('days'), 'no payment a day'],
    ['LIMIT_WEEKLY_AMOUNT', () => payAs('week'), 'nothing a week'],
    ['LIMIT_WEEKLY_COUNT', () => payAs('weeks'), 'no payment a week'],
    ['LIMIT_YEARLY_AMOUNT', () => payAs('year'), 'nothing a year'],
    ['LIMIT_YEARLY_COUNT', () => payAs('years'), 'no payment a year'],
    ['SCENE_NOT_ALLOWED', () => askAs('desk'), 'a contract for PC, and an order without a scene'],
    ['LIMIT_MONTHLY_AMOUNT', () => payAs('month'), 'nothing a month'],
    ['LIMIT_MONTHLY_COUNT', () => payAs('months'), 'no payment a month'],
    [
      'STORE_UNAVAILABLE',
      async () => {
        const database = new DatabaseSync(join(system.directory, 'data', 'store.db'));
        try {
          database.exec('BEGIN IMMEDIATE');
          return await ask(m2, order(m2));
        } finally {
          database.close();
        }
      },
      'another process holds the lock of the store',
    ],
    ['REBUILDING', () => faulty({ instances: ['gateway-1', 'gateway-2'] }), 'inside: a new store, and the other instance has not reported'],
    [
      'CLOCK_SKEW',
      () => faulty({ store: { epoch: async () => ({ state: { kind: 'lost' }, storeNowMs: Date.now() + 10_000 }) } }),
      "inside: no test may set a Redis server's clock",
    ],
    ['JOURNAL_UNAVAILABLE', () => faulty({ journal: { isWritable: () => false } }), 'inside: the disk of the journal is full'],
    [
      'CORE_UNAVAILABLE',
      async () => {
        await system.core.kill();
        try {
          return await ask(m2, order(m2));
        } finally {
          await system.core.start();
        }
      },
      'no core listens',
    ],
    [
      'CORE_ANSWER_INVALID',
      async () => {
        await broken('garbage');
        return ask(m2, order(m2));
      },
      'the core answers 200 and no JSON',
    ],
    [
      'OUTCOME_UNKNOWN',
      async () => {
        await broken('executeThenDrop');
        return ask(m2, order(m2));
      },
      'the core executes and drops the connection',
    ],
    [
      'NOT_EXECUTED',
      async () => {
        const orderNo = await createOrder(system.merchant(MERCHANT_2), 100);
        const close = () => ask(m2, post(m2, `/v1/orders/${orderNo}/close`, { key: `close-${orderNo}` }));
        await broken('dropBeforeExecute');
        assert.equal((await close()).code, 'OUTCOME_UNKNOWN');
        return eventually(async () => {
          const told = await close();
          assert.equal(told.code, 'NOT_EXECUTED');
          return told;
        }, 10_000);
      },
      'the core never began, and its time to begin has passed',
    ],
    [
      'INTERNAL',
      () => faulty({ store: { admit: () => Promise.reject(new TypeError('a fault of ours')) } }),
      'inside: a bug, which nobody outside can cause on purpose',
    ],
  ];

  test('the table has every code, and each once', () => {
    assert.deepEqual(CASES.map(([code]) => code).sort(), [...ERROR_CODES].sort());
  });

  /** Stages before a signature is verified: their answers say so, and are no business result. */
  const UNVERIFIED: readonly string[] = ['http', 'identify', 'route', 'verify'];
  for (const [code, reach, why] of CASES) {
    test(`${code}: ${why}`, async () => {
      const told = await reach();
      const { status, title, outcome, retry, stage } = errorRow(code);
      assert.deepEqual([told.code, told.status, told.verified, told.why], [code, status, true, ''], JSON.stringify(told.value));
      assert.deepEqual([told.outcome, told.retry, told.value.title, told.value.status], [outcome, retry, title, status]);
      assert.equal(told.value.type, `urn:hufu:problem:${code}`);
      assert.equal(told.value.requestId, told.headers.get('hufu-request-id'));
      assert.equal(told.headers.get('content-type'), 'application/problem+json');
      // The media type is looked at behind the signature, since it is covered.
      assert.equal(told.accepted, !UNVERIFIED.includes(stage) || code === 'MEDIA_TYPE_UNSUPPORTED');
      if (retry === 'same_key_later' && status >= 429) assert.match(told.headers.get('retry-after') ?? '', /^\d+$/);
    });
  }

  test('a fault of ours tells nothing of itself', async () => {
    const secret = randomUUID();
    const { body } = await faulty({ store: { admit: () => Promise.reject(new Error(secret)) } });
    assert.equal(body.includes(secret), false);
    assert.equal(body.includes('.ts'), false);
  });
});
