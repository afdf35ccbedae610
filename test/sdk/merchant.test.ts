import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { findFieldValue } from '../../src/protocol/signature-base.ts';
import type { CallRequest } from '../../src/sdk/answer.ts';
import { createMerchant, type MerchantClient, type MerchantOptions } from '../../src/sdk/merchant.ts';
import { makePki, type Pki } from '../support/pki.ts';
import { type Got, platformCertificates, type Script, startTestGateway, type TestGateway } from './test-gateway.ts';

const NUMBER = '800000000000001';
const ORDER: CallRequest = { method: 'POST', path: '/v1/orders', body: { orderNo: 'A1' }, idempotencyKey: 'order-A1' };
const QUERY: CallRequest = { method: 'GET', path: '/v1/orders/A1' };
const PROBLEM = ['Content-Type', 'application/problem+json'];

/** The first certificate of a PEM text, without the chain behind it. */
const firstOf = (pem: string): string => `${pem.split('-----END CERTIFICATE-----')[0]}-----END CERTIFICATE-----\n`;

let pki: Pki;
before(async () => {
  pki = await makePki();
});
after(() => pki.dispose());

function optionsFor(url: string, changes: Partial<MerchantOptions> = {}): MerchantOptions {
  const { certificatePem, keyPem } = pki.read(`merchants/${NUMBER}`);
  return {
    ...{ url, merchantNumber: NUMBER, certificate: certificatePem, key: keyPem, timeoutMs: 5000 },
    authority: pki.read('authority').certificatePem,
    trustedKeys: [{ keyid: 'platform-ec', pem: pki.read('signing/platform-ec').certificatePem }],
    ...changes,
  };
}

type Setting = { readonly gateway: TestGateway; readonly client: MerchantClient };

/** Runs with a gateway that answers by the script, and a client for it; ends both. */
async function using(
  answer: (request: Got, index: number) => Script,
  run: (setting: Setting) => Promise<void>,
  changes: () => Partial<MerchantOptions> = () => ({}),
): Promise<void> {
  const gateway = await startTestGateway(pki, answer);
  const client = createMerchant(optionsFor(gateway.url, changes()));
  try {
    await run({ gateway, client });
  } finally {
    client.close();
    await gateway.close();
  }
}

describe('call', () => {
  test('sends the very bytes that it signed, and verifies the answer', () =>
    using(
      () => ({ status: 201, body: '{"orderNo":"A1","status":"CREATED"}' }),
      async ({ gateway, client }) => {
        const answer = await client.call(ORDER);
        assert.deepEqual([answer.verified, answer.accepted, answer.outcome, answer.why], [true, true, 'succeeded', undefined]);
        assert.deepEqual(answer.value, { orderNo: 'A1', status: 'CREATED' });
        assert.ok(answer.requestId);
        const [request] = gateway.got as [Got];
        assert.equal(request.body.toString(), '{"orderNo":"A1"}');
        assert.equal(findFieldValue(request.rawHeaders, 'merchant-number'), NUMBER);
        assert.equal(findFieldValue(request.rawHeaders, 'idempotency-key'), 'order-A1');
      },
    ));
  test('keeps its connection, and never uses a nonce twice', () =>
    using(
      () => ({}),
      async ({ gateway, client }) => {
        for (let i = 0; i < 5; i += 1) assert.equal((await client.call(QUERY)).accepted, true);
        assert.equal(gateway.connections(), 1);
        const nonces = gateway.got.map(
          ({ rawHeaders }) => /nonce="([^"]+)"/.exec(findFieldValue(rawHeaders, 'signature-input') ?? '')?.[1],
        );
        assert.equal(new Set(nonces).size, 5);
      },
    ));
  test('each algorithm that a key can have', async () => {
    for (const kind of ['rsa-2048', 'p-256', 'p-384', 'ed25519'] as const) {
      const leaf = await pki.issueMerchant({ kind });
      await using(
        () => ({}),
        async ({ client, gateway }) => {
          assert.equal((await client.call(QUERY)).accepted, true, kind);
          assert.match(findFieldValue(gateway.got[0]?.rawHeaders ?? [], 'signature-input') ?? '', new RegExp(`keyid="${leaf.keyid}"`));
        },
        () => ({ certificate: leaf.certificatePem, key: leaf.keyPem }),
      );
    }
  });
  test('signs with a key of its own when one is given', async () => {
    const { keyPem } = await pki.issueMerchant({ kind: 'ed25519' });
    await using(
      () => ({}),
      async ({ client, gateway }) => {
        assert.equal((await client.call(QUERY)).accepted, true);
        assert.match(findFieldValue(gateway.got[0]?.rawHeaders ?? [], 'signature-input') ?? '', /keyid="my-signing-key"/);
      },
      () => ({ signingKey: keyPem, keyid: 'my-signing-key' }),
    );
  });
  test('a refusal is verified too, and says what to do', () =>
    using(
      () => ({ status: 403, headers: PROBLEM, body: '{"code":"LIMIT_SINGLE","outcome":"not_executed","retry":"fix_request"}' }),
      async ({ client }) => {
        const { verified, outcome, retry, code } = await client.call(ORDER);
        assert.deepEqual(
          { verified, outcome, retry, code },
          { verified: true, outcome: 'failed', retry: 'fix_request', code: 'LIMIT_SINGLE' },
        );
      },
    ));
});

describe('what is not a proven answer has the outcome unknown', () => {
  const swap = (): ((request: Got, index: number) => Script) => () => ({});
  const cases: readonly { why: string; script: Script; changes?: () => Partial<MerchantOptions>; reason: RegExp; sent?: false }[] = [
    { why: 'an answer without signature', script: { unsigned: true }, reason: /exactly one signature/ },
    {
      why: 'a balancer that says 502',
      script: { raw: 'HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n' },
      reason: /exactly one signature/,
    },
    {
      why: 'a balancer that says 404',
      script: { raw: 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n' },
      reason: /exactly one signature/,
    },
    {
      why: 'a redirect, which is not followed',
      script: { status: 302, unsigned: true, headers: ['Location', 'https://localhost:1/'] },
      reason: /exactly one/,
    },
    { why: 'no answer at all', script: { raw: '' }, reason: /may have arrived/ },
    { why: 'an answer that is cut', script: { raw: 'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"ok":' }, reason: /may have arrived/ },
    { why: 'an answer that is no HTTP', script: { raw: 'hello\r\n\r\n' }, reason: /may have arrived/ },
    {
      why: 'an answer that takes too long',
      script: { silent: true },
      changes: () => ({ timeoutMs: 1000 }),
      reason: /no answer within 1000 ms/,
    },
    {
      why: 'an answer that is too long',
      script: { body: 'x'.repeat(2000) },
      changes: () => ({ answerBytesMax: 1999 }),
      reason: /longer than 1999 bytes/,
    },
    { why: 'a request signature that was not accepted', script: { status: 401, verified: '?0' }, reason: /never a business result/ },
    {
      why: 'a server of another authority: nothing is sent',
      script: {},
      changes: () => ({ authority: firstOf(pki.read('merchants-authority').certificatePem) }),
      reason: /not sent/,
      sent: false,
    },
  ];
  for (const { why, script, changes, reason, sent = true } of cases) {
    test(why, () =>
      using(
        () => script,
        async ({ gateway, client }) => {
          const answer = await client.call(ORDER);
          assert.equal(answer.outcome, 'unknown');
          assert.equal(answer.accepted, false);
          assert.match(answer.why ?? '', reason);
          assert.equal(answer.sent, sent);
          assert.equal(gateway.got.length, sent ? 1 : 0);
          assert.ok(['same_key_later', 'query_first', undefined].includes(answer.retry));
        },
        changes,
      ),
    );
  }
  test('a kept connection that ends under a request: it may have arrived', () =>
    using(
      (_, index) => (index === 0 ? {} : { raw: '' }),
      async ({ gateway, client }) => {
        assert.equal((await client.call(ORDER)).accepted, true);
        const { sent, outcome } = await client.call(ORDER);
        assert.deepEqual([sent, outcome, gateway.connections()], [true, 'unknown', 1]);
      },
    ));
  test('a port where nobody listens: surely not sent', async () => {
    const gateway = await startTestGateway(pki, swap());
    await gateway.close();
    const client = createMerchant(optionsFor(gateway.url));
    const { sent, outcome, why } = await client.call(ORDER);
    assert.deepEqual([sent, outcome], [false, 'unknown']);
    assert.match(why ?? '', /ECONNREFUSED/);
  });
});

describe('trust in the keys of answers', () => {
  const listing =
    (rows: () => Parameters<typeof platformCertificates>[0], signer: () => Script['signer']) =>
    (request: Got): Script => {
      const signed = signer();
      const body = request.target === '/v1/platform-certificates' ? platformCertificates(rows()) : '{"ok":true}';
      return { body, ...(signed && { signer: signed }) };
    };
  const byAuthority = () => ({ trustedKeys: [], platformAuthority: pki.read('signing-authority').certificatePem });

  test('an unknown keyid is looked up once, and its certificate must be of the platform-signing authority', () =>
    using(
      listing(
        () => [['platform-ec', pki.read('signing/platform-ec')]],
        () => undefined,
      ),
      async ({ gateway, client }) => {
        const answers = await Promise.all([client.call(ORDER), client.call(QUERY), client.call(QUERY)]);
        assert.deepEqual(
          answers.map(({ accepted }) => accepted),
          [true, true, true],
        );
        assert.equal(gateway.got.filter(({ target }) => target === '/v1/platform-certificates').length, 1);
      },
      byAuthority,
    ));
  test('the list is asked for without our merchant number when that is refused, so that this refusal verifies', () =>
    using(
      (request) =>
        findFieldValue(request.rawHeaders, 'merchant-number') === undefined
          ? { body: platformCertificates([['platform-ec', pki.read('signing/platform-ec')]]) }
          : {
              status: 403,
              verified: '?0',
              headers: PROBLEM,
              body: '{"code":"MERCHANT_MISMATCH","outcome":"unknown","retry":"fix_request"}',
            },
      async ({ client }) => {
        const { verified, accepted, code, retry } = await client.call(ORDER);
        assert.deepEqual([verified, accepted, code, retry], [true, false, 'MERCHANT_MISMATCH', 'fix_request']);
      },
      byAuthority,
    ));
  test('a key that a merchant certificate holds is not trusted, though it chains to the same root', () => {
    const stranger = () => pki.read('merchants/800000000000002');
    return using(
      listing(
        () => [['platform-ec', stranger()]],
        () => ({ keyid: 'platform-ec', leaf: stranger() }),
      ),
      async ({ client }) => assert.match((await client.call(ORDER)).why ?? '', /not trusted: platform-ec/),
      byAuthority,
    );
  });
  test('the root in place of the platform-signing authority trusts nobody', () =>
    using(
      listing(
        () => [['platform-ec', pki.read('signing/platform-ec')]],
        () => undefined,
      ),
      async ({ client }) => assert.equal((await client.call(ORDER)).verified, false),
      () => ({ trustedKeys: [], platformAuthority: pki.read('authority').certificatePem }),
    ));
  test('a list that does not verify itself is not kept', () =>
    using(
      (request) => {
        const list = platformCertificates([['platform-ec', pki.read('signing/platform-ec')]]);
        const isList = request.target === '/v1/platform-certificates';
        return isList ? { body: list, signer: { keyid: 'other', leaf: pki.read('signing/platform-rsa') } } : {};
      },
      async ({ client }) => assert.match((await client.call(ORDER)).why ?? '', /not trusted: platform-ec/),
      byAuthority,
    ));
  test('an expired platform certificate is not trusted', async () => {
    const authority = 'signing-authority';
    const ended = await pki.issueMerchant({
      profile: 'signing',
      authority,
      notBeforeMs: Date.now() - 7_200_000,
      notAfterMs: Date.now() - 3_600_000,
    });
    await using(
      listing(
        () => [['ended', ended]],
        () => ({ keyid: 'ended', leaf: ended }),
      ),
      async ({ client }) => assert.match((await client.call(ORDER)).why ?? '', /not trusted: ended/),
      byAuthority,
    );
  });
});

describe('callUntilFinal', () => {
  const later = (status: number, code: string, outcome = 'unknown', retry = 'same_key_later'): Script => ({
    status,
    headers: [...PROBLEM, 'Retry-After', '2'],
    body: JSON.stringify({ code, outcome, retry }),
  });
  const scripted =
    (...scripts: Script[]) =>
    (_: Got, index: number): Script =>
      scripts[Math.min(index, scripts.length - 1)] as Script;
  const waits: number[] = [];
  const wait = async (ms: number): Promise<void> => void waits.push(ms);

  test('delivers the same bytes under the same key until the outcome is final', () =>
    using(
      scripted(later(504, 'OUTCOME_UNKNOWN', 'unknown', 'query_first'), { raw: '' }, later(503, 'STORE_UNAVAILABLE'), { status: 201 }),
      async ({ gateway, client }) => {
        waits.length = 0;
        const answer = await client.callUntilFinal(ORDER, { wait });
        assert.deepEqual([answer.outcome, answer.status], ['succeeded', 201]);
        const facts = gateway.got.map(({ rawHeaders, body }) => [findFieldValue(rawHeaders, 'idempotency-key'), body.toString()]);
        assert.deepEqual(facts, Array(4).fill(['order-A1', '{"orderNo":"A1"}']));
        const inputs = gateway.got.map(({ rawHeaders }) => findFieldValue(rawHeaders, 'signature-input'));
        assert.equal(new Set(inputs).size, 4, 'each delivery has its own nonce');
        assert.ok((waits[0] as number) >= 2000 && (waits[2] as number) >= 2000, 'Retry-After of a verified answer is kept');
      },
    ));
  const ends: readonly [why: string, scripts: Script[], outcome: string, deliveries: number][] = [
    ['a final business failure', [{ status: 422, body: '{"code":"INSUFFICIENT_FUNDS"}' }], 'failed', 1],
    ['an advice to mend the request', [later(401, 'TIMESTAMP_SKEW', 'unknown', 'fix_request')], 'unknown', 1],
    ['a refusal that read the key', [later(403, 'LIMIT_DAILY_AMOUNT', 'not_executed')], 'failed', 1],
    ['attempts that are used up', [later(504, 'OUTCOME_UNKNOWN')], 'unknown', 3],
    [
      '"not executed" after a delivery that was never answered',
      [{ raw: '' }, later(403, 'LIMIT_SINGLE', 'not_executed', 'fix_request')],
      'unknown',
      2,
    ],
    ['a business failure after a delivery that was never answered', [{ raw: '' }, { status: 422 }], 'failed', 2],
    ['answers that never verify', [{ unsigned: true }], 'unknown', 3],
  ];
  for (const [why, scripts, outcome, deliveries] of ends) {
    test(`ends with ${why}`, () =>
      using(scripted(...scripts), async ({ gateway, client }) => {
        const answer = await client.callUntilFinal(ORDER, { wait, attemptsMax: 3 });
        assert.deepEqual([answer.outcome, gateway.got.length], [outcome, deliveries]);
      }));
  }
  test('says at once that the key belongs to another request', () =>
    using(scripted(later(422, 'IDEMPOTENCY_KEY_REUSED', 'unknown', 'query_first')), async ({ gateway, client }) => {
      const answer = await client.callUntilFinal(ORDER, { wait });
      assert.deepEqual([gateway.got.length, answer.outcome, answer.retry], [1, 'unknown', 'query_first']);
      assert.match(answer.why ?? '', /^this idempotencyKey was used with another request: .* `encrypt`; query the order/);
    }));
  test('does not believe the Retry-After of an answer that does not verify, and keeps its own bound', () =>
    using(
      scripted(
        { unsigned: true, headers: ['Retry-After', '999999'] },
        { headers: [...PROBLEM, 'Retry-After', '999999'], ...later(503, 'X'), status: 503 },
        {},
      ),
      async ({ client }) => {
        waits.length = 0;
        await client.callUntilFinal(ORDER, { wait, waitMsMax: 9000 });
        assert.ok(waits.every((ms) => ms <= 9000) && (waits[0] as number) < 2000, String(waits));
      },
    ));
  test('refuses a write without a key', () =>
    using(
      () => ({}),
      async ({ client }) => {
        const { idempotencyKey: _, ...withoutKey } = ORDER;
        await assert.rejects(client.callUntilFinal(withoutKey), /needs an idempotencyKey/);
      },
    ));
});

describe('createMerchant refuses what cannot work', () => {
  const cases: readonly [why: string, changes: () => Partial<MerchantOptions>, reason: RegExp][] = [
    ['a key of another certificate', () => ({ key: pki.read('merchants/800000000000002').keyPem }), /not the private key/],
    ['an algorithm the key cannot have', () => ({ algorithm: 'ed25519' }), /does not fit/],
    ['an address without TLS', () => ({ url: 'http://localhost' }), /not an https address/],
    ['a merchant number that is none', () => ({ merchantNumber: 'a b' }), /not a merchant number/],
    ['a trusted key that is none', () => ({ trustedKeys: [{ keyid: 'x', pem: 'y' }] }), /trusted key x/],
    [
      'a keyid pinned twice',
      () => ({ trustedKeys: [1, 2].map(() => ({ keyid: 'x', pem: pki.read('signing/platform-ec').certificatePem })) }),
      /given twice/,
    ],
  ];
  for (const [why, changes, reason] of cases) {
    test(why, () => assert.throws(() => createMerchant(optionsFor('https://localhost', changes())), reason));
  }
});
