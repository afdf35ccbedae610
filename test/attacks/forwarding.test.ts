import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { findHeader } from '../../src/protocol/headers.ts';
import type { Header } from '../signature/request-maker.ts';
import { runHufu } from '../support/process.ts';
import { freshOrderNo, MERCHANT_1, MERCHANT_2, orderBody, type System, startSystem } from '../support/system.ts';
import { ask, digestField, order, post, type Sender, senderOf } from './requests.ts';

/** A request as the core got it. */
type Recorded = { readonly method: string; readonly target: string; readonly rawHeaders: readonly string[]; readonly body: Buffer };

/** Headers of its own that a careless or hostile core adds; the merchant must see none of them. */
const OF_THE_CORE = {
  ...{
    Server: 'core/1.0',
    'X-Powered-By': 'Express',
    'Set-Cookie': 'session=1',
    Location: 'http://core.internal/',
    Link: '<http://core.internal/>',
  },
  ...{
    'Hufu-Verified': '?0',
    'Hufu-Certificate': 'x',
    'Hufu-Request-Id': 'x',
    'Content-Digest': 'sha-256=:AA==:',
    Signature: 'hufu=:AA==:',
  },
  ...{ 'Access-Control-Allow-Origin': '*', 'Retry-After': '1', RateLimit: '"x";r=0', 'Content-Range': 'bytes 0-1/2' },
};

/** A core that notes exactly what reaches it, and creates every order. */
async function startRecordingCore(port: number): Promise<{ readonly requests: Recorded[]; readonly server: Server }> {
  const requests: Recorded[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    requests.push({ method: request.method ?? '', target: request.url ?? '', rawHeaders: request.rawHeaders, body });
    const merchantNumber = findHeader(request.rawHeaders, 'hufu-merchant-number');
    const created = { ...JSON.parse(body.toString()), merchantNumber, status: 'CREATED', createdAt: '2026-11-23T12:00:00+08:00' };
    response.writeHead(201, { ...OF_THE_CORE, 'Content-Type': 'application/json' }).end(JSON.stringify(created));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return { requests, server };
}

describe('what reaches the core, and what of it the merchant sees (C)', { timeout: 120_000 }, () => {
  let system: System;
  let sender: Sender;
  let core: Awaited<ReturnType<typeof startRecordingCore>>;
  before(async () => {
    system = await startSystem();
    await system.core.kill();
    core = await startRecordingCore(Number(new URL(system.core.url).port));
    sender = senderOf(system, MERCHANT_2);
  });
  after(async () => {
    await system?.dispose();
    core?.server.closeAllConnections();
    core?.server.close();
  });

  const m1 = MERCHANT_1;
  const SPOOFED: readonly (readonly [headers: readonly Header[], why: string])[] = [
    [
      [
        ['X-Merchant-Id', m1],
        ['X-Merchant-Number', m1],
        ['Merchant', m1],
      ],
      'a merchant by another name',
    ],
    [[['Hufu-Merchant-Number', m1]], 'our own header for the merchant'],
    [
      [
        ['hufu-merchant-number', m1],
        ['HUFU-MERCHANT-NUMBER', m1],
      ],
      'the same twice in other cases',
    ],
    [
      [
        ['Hufu-Assertion', 'eyJhbGciOiJub25lIn0.e30.'],
        ['Hufu-Channel', 'dedicated'],
        ['Hufu-Request-Id', 'mine'],
      ],
      'all our other headers',
    ],
    [
      [
        ['X-SSL-Client-S-DN', `CN=${m1}`],
        ['X-SSL-Client-Verify', 'SUCCESS'],
        ['ssl-client-cert', 'x'],
        ['X-Client-DN', `CN=${m1}`],
      ],
      'a certificate as nginx tells it',
    ],
    [
      [
        ['X-Forwarded-Client-Cert', `Subject="CN=${m1}"`],
        ['Client-Cert', ':AA==:'],
        ['Client-Cert-Chain', ':AA==:'],
      ],
      'a certificate as Envoy and RFC 9440 tell it',
    ],
    [
      [
        ['X-Forwarded-For', '10.0.0.1'],
        ['True-Client-IP', '10.0.0.1'],
        ['X-Real-IP', '10.0.0.1'],
        ['CF-Connecting-IP', '10.0.0.1'],
      ],
      'another address (C4)',
    ],
    [
      [
        ['Forwarded', 'for=10.0.0.1;host=core.internal;proto=http'],
        ['Via', '1.1 proxy'],
      ],
      'another address by RFC 7239 (C4)',
    ],
    [
      [
        ['X-Original-URL', '/v1/admin'],
        ['X-Rewrite-URL', '/v1/admin'],
        ['X-Forwarded-Prefix', '/admin'],
        ['X-Original-Host', 'x'],
      ],
      'another target (C5)',
    ],
    [
      [
        ['X-HTTP-Method-Override', 'DELETE'],
        ['X-HTTP-Method', 'DELETE'],
        ['X-Method-Override', 'DELETE'],
      ],
      'another method (C5)',
    ],
    [
      [
        ['Authorization', 'Bearer x'],
        ['Cookie', 'admin=1'],
        ['Proxy-Authorization', 'Basic eDp4'],
      ],
      'credentials',
    ],
    [
      [['Connection', 'Hufu-Assertion, Idempotency-Key, Hufu-Merchant-Number, Content-Type, Content-Length']],
      'our headers named hop-by-hop',
    ],
    [
      [
        ['Connection', 'keep-alive, close'],
        ['Keep-Alive', 'timeout=1'],
        ['Proxy-Connection', 'close'],
        ['TE', 'trailers, chunked'],
      ],
      'hop-by-hop headers',
    ],
    [
      [
        ['Accept', 'text/html'],
        ['Accept-Encoding', 'gzip'],
        ['Prefer', 'respond-async'],
        ['Range', 'bytes=0-1'],
        ['If-Match', '*'],
      ],
      'wishes about the answer',
    ],
  ];
  for (const [spoofed, why] of SPOOFED) {
    for (const signed of [false, true]) {
      test(`the core sees only what is ours: ${why}${signed ? ', signed' : ''}`, async () => {
        const body = JSON.stringify(orderBody(freshOrderNo(), 100));
        const own: readonly Header[] = [
          ...[
            ['Host', sender.host] as const,
            ['Content-Type', 'application/json;charset=UTF-8'] as const,
            ['Content-Digest', digestField(body)] as const,
          ],
          ['Idempotency-Key', freshOrderNo()],
        ];
        const covered = own.slice(1).map(([name]) => name.toLowerCase());
        const names = ['@method', '@target-uri', ...covered].map((name) => `"${name}"`);
        const isCovered = signed || spoofed.some(([name]) => name === 'Range');
        const headers = [...own, ...spoofed];
        const draft = post(sender, '/v1/orders', { body, headers, ...(isCovered ? {} : { components: names }) });
        core.requests.length = 0;
        const told = await ask(sender, isCovered ? { ...draft, components: [...new Set(draft.components)] } : draft);
        assert.equal(told.status, 201, told.code);
        checkRecorded(body);
        assert.equal(told.value.merchantNumber, MERCHANT_2);
      });
    }
  }
  const checkRecorded = (body: string): void => {
    assert.equal(core.requests.length, 1);
    const { method, target, rawHeaders, body: got } = core.requests[0] as Recorded;
    assert.deepEqual([method, target, got.toString()], ['POST', '/v1/orders', body]);
    const { host, port } = new URL(system.core.url);
    assert.ok(port);
    const names = rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());
    assert.deepEqual(names.sort(), [
      ...['accept', 'connection', 'content-length', 'content-type', 'host', 'hufu-assertion', 'hufu-channel', 'hufu-merchant-number'],
      ...['hufu-request-id', 'idempotency-key'],
    ]);
    const value = (name: string) => findHeader(rawHeaders, name);
    assert.deepEqual(['host', 'accept', 'content-type', 'hufu-channel', 'hufu-merchant-number', 'content-length'].map(value), [
      host,
      'application/json',
      'application/json',
      'internet',
      MERCHANT_2,
      String(Buffer.byteLength(body)),
    ]);
    const claims = JSON.parse(Buffer.from(value('hufu-assertion')?.split('.')[1] ?? '', 'base64url').toString());
    assert.deepEqual(
      [claims.merchant, claims.method, claims.target, claims.key],
      [MERCHANT_2, 'POST', '/v1/orders', value('idempotency-key')],
    );
  };

  test('the address in the log is that of the connection, whatever headers say (C4)', async () => {
    const log = system.gateways[0]?.running().stderr() ?? '';
    const addresses = [...log.matchAll(/"address":"([^"]*)"/g)].map(([, address]) => address);
    assert.deepEqual([...new Set(addresses)], ['127.0.0.1']);
  });

  test("nothing of the core's headers comes out but the media type", async () => {
    const told = await ask(sender, order(sender));
    assert.equal(told.status, 201);
    for (const [name, value] of Object.entries(OF_THE_CORE)) assert.notEqual(told.headers.get(name.toLowerCase()), value, name);
    for (const name of ['set-cookie', 'location', 'link', 'server', 'access-control-allow-origin', 'content-range', 'retry-after']) {
      assert.equal(told.headers.has(name), false, name);
    }
  });

  test('a trace context goes on when it is signed, and not when it is not', async () => {
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    for (const signed of [true, false]) {
      const draft = order(sender);
      core.requests.length = 0;
      const headers = [...draft.headers, ['traceparent', traceparent] as const];
      assert.equal(
        (await ask(sender, { ...draft, headers, components: [...draft.components, ...(signed ? ['"traceparent"'] : [])] })).status,
        201,
      );
      assert.equal(findHeader(core.requests[0]?.rawHeaders ?? [], 'traceparent'), signed ? traceparent : undefined);
    }
  });

  test('the journal of all this is whole', async () => {
    const verified = await runHufu(['journal', 'verify'], system.environment);
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  });
});
