import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent, request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connect } from 'node:tls';
import { defaultAlgorithm } from '../../src/protocol/algorithms.ts';
import type { WireRequest } from '../../src/sdk/answer.ts';
import { signRequest } from '../../src/sdk/sign-request.ts';
import { eventually } from '../support/eventually.ts';
import type { Leaf, Pki } from '../support/pki.ts';
import { freePorts, runHufu } from '../support/process.ts';
import { createOrder, MERCHANT_1, MERCHANT_2, payOrder, type System, startSystem } from '../support/system.ts';

const BALANCER_NAME = 'CN=lb-1,O=Bank';

type Sent = { readonly as: Leaf; readonly through: Leaf; readonly port: number; readonly headers?: readonly string[] };
type Got = { readonly status: number; readonly code?: string; readonly text: string };

const rfc9440 = (leaf: Leaf): string =>
  `:${Buffer.from(/-{5}\n([^-]+)-{5}END/.exec(leaf.certificatePem)?.[1] ?? '', 'base64').toString('base64')}:`;

describe('doors of the whole gateway', { timeout: 120_000 }, () => {
  let system: System;
  let balancer: Leaf;
  let impostor: Leaf;
  let [dedicated, balanced]: number[] = [];
  before(async () => {
    [dedicated, balanced] = await freePorts(2);
    system = await startSystem({
      configure: async (folder, pki) => {
        balancer = await pki.issueMerchant({ authority: 'server-authority', subject: BALANCER_NAME });
        impostor = await pki.issueMerchant({ authority: 'server-authority', subject: 'CN=lb-2,O=Bank' });
        configure(folder, pki);
      },
    });
  });
  after(() => system?.dispose());

  function configure(folder: string, pki: Pki): void {
    const file = join(folder, 'gateway.yaml');
    const listeners = [
      'listeners:',
      `  dedicated: { address: 127.0.0.1, port: ${dedicated}, networks: [127.0.0.0/8] }`,
      '  balancer:',
      '    address: 127.0.0.1',
      `    port: ${balanced}`,
      '    balancerAuthorities: [infrastructure]',
      `    balancers: [{ subject: "${BALANCER_NAME}", publicKey: ${balancer.keyid} }]`,
      '',
    ].join('\n');
    const authorities = `
authorities:
  - { name: merchants, certificates: [merchants-authority.crt] }
  - { name: infrastructure, certificates: [${pki.read('server-authority').certificate}] }
`;
    writeFileSync(file, readFileSync(file, 'utf8').replace('listeners:\n', listeners) + authorities);
    // With two authorities a name says whose it is. Merchant 1 may come both ways, merchant 2 by the internet only.
    for (const [number, more] of [
      [MERCHANT_1, 'channels: [internet, dedicated]\n'],
      [MERCHANT_2, ''],
    ] as const) {
      const merchant = join(folder, 'merchants', `${number}.yaml`);
      const text = readFileSync(merchant, 'utf8').replace('names:\n  - ', 'names:\n  - authority: merchants\n    ');
      writeFileSync(merchant, text + more);
    }
  }

  /** A request that `as` signed, over a connection that `through` proves itself on. */
  function send({ as, through, port, headers = [] }: Sent): Promise<Got> {
    const facts = { method: 'GET', target: '/v1/platform-certificates', rawHeaders: ['Host', `localhost:${port}`], body: Buffer.alloc(0) };
    const signing = { key: as.privateKey, keyid: as.keyid, algorithm: defaultAlgorithm(as.privateKey) };
    const moment = { createdAtSeconds: Math.floor(Date.now() / 1000), nonce: randomBytes(18).toString('base64url') };
    const { rawHeaders } = signRequest(facts, signing, moment);
    const agent = new Agent({ cert: through.certificatePem, key: through.keyPem, ca: system.pki.read('authority').certificatePem });
    return new Promise((resolve, reject) => {
      const all = [...rawHeaders, ...headers];
      const sent = httpsRequest(
        { agent, host: '127.0.0.1', port, servername: 'localhost', path: facts.target, headers: all },
        (response) => {
          let text = '';
          response.on('data', (chunk) => {
            text += chunk;
          });
          response.on('end', () => {
            agent.destroy();
            const code = text.startsWith('{') ? JSON.parse(text).code : undefined;
            resolve({ status: response.statusCode ?? 0, code, text });
          });
        },
      );
      sent.on('error', reject).end();
    });
  }
  const leaf = (number: string): Leaf => system.pki.read(`merchants/${number}`);
  const metrics = async (): Promise<string> => (await fetch(`${system.gateways[0]?.statusUrl}/metrics`)).text();
  const internet = (): number => Number(new URL(system.gateways[0]?.url ?? '').port);

  test('a merchant of the line pays on the line; the core is told the channel', async () => {
    const merchant = system.merchant(MERCHANT_1, { url: `https://localhost:${dedicated}` });
    const paid = await payOrder(merchant, await createOrder(merchant, 700), 700);
    assert.equal(paid.outcome, 'succeeded', paid.body.toString());
    assert.match(system.gateways[0]?.running().stderr() ?? '', /"channel":"dedicated"/);
  });

  test('the line is not for a merchant whose contract says internet, whatever its headers say', async () => {
    const merchant = system.merchant(MERCHANT_2, { url: `https://localhost:${dedicated}` });
    const answer = await merchant.call({ method: 'GET', path: '/v1/platform-certificates', headers: { 'Hufu-Channel': 'internet' } });
    assert.deepEqual([answer.status, answer.code, answer.verified], [403, 'CHANNEL_NOT_ALLOWED', true]);
  });

  test('the line skips no certificate, no signature, no replay check and no limit', async () => {
    const { certificatePem: cert, keyPem: key } = system.pki.read('signing/platform-ec');
    for (const identity of [{}, { cert, key }]) {
      const stranger = connect({
        host: '127.0.0.1',
        port: Number(dedicated),
        ca: system.pki.read('authority').certificatePem,
        ...identity,
      });
      stranger.on('error', () => undefined).write('GET /v1/platform-certificates HTTP/1.1\r\nHost: localhost\r\n\r\n');
      let text = '';
      stranger.on('data', (chunk) => {
        text += chunk;
      });
      await new Promise((resolve) => stranger.once('close', resolve));
      assert.equal(text, '', 'a closed socket is all a stranger gets');
    }
    const url = `https://localhost:${dedicated}`;
    const oneByteChanged = (signed: WireRequest): WireRequest => {
      const body = Buffer.from(signed.body);
      body[body.length - 3] = (body.at(-3) ?? 0) ^ 1;
      return { ...signed, body };
    };
    const tampered = system.merchant(MERCHANT_1, { url, rehearse: oneByteChanged });
    const post = { method: 'POST', path: '/v1/orders', body: { orderNo: 'A', amountFen: 1, currency: 'CNY', subject: 'x' } };
    assert.equal((await tampered.call({ ...post, idempotencyKey: 'line-1' })).status, 401);
    let first: WireRequest | undefined;
    const theFirstAgain = (signed: WireRequest): WireRequest => {
      first ??= signed;
      return first;
    };
    const replaying = system.merchant(MERCHANT_1, { url, rehearse: theFirstAgain });
    const query = { method: 'GET', path: '/v1/orders/none' };
    assert.equal((await replaying.call(query)).status, 404);
    const replayed = await replaying.call(query);
    assert.deepEqual([replayed.status, JSON.parse(replayed.body.toString()).code], [409, 'NONCE_REPLAYED']);
    const over = await system
      .merchant(MERCHANT_1, { url })
      .call({ ...post, idempotencyKey: 'line-2', body: { ...post.body, amountFen: 5_000_001 } });
    assert.deepEqual([over.status, over.code], [403, 'LIMIT_SINGLE']);
  });

  test('a pinned balancer says whose a request is', async () => {
    const one = leaf(MERCHANT_1);
    const got = await send({ as: one, through: balancer, port: Number(balanced), headers: ['Client-Cert', rfc9440(one)] });
    assert.equal(got.status, 200, got.text);
  });

  test('the balancer is believed about the certificate only: signature and binding are checked as everywhere', async () => {
    const [one, two] = [leaf(MERCHANT_1), leaf(MERCHANT_2)];
    const got = await send({ as: two, through: balancer, port: Number(balanced), headers: ['Client-Cert', rfc9440(one)] });
    assert.ok([401, 403].includes(got.status), got.text);
  });

  test('behind the balancer the path is verified here: strangers, forgeries, no header and two of them get nothing', async () => {
    const [one, two] = [leaf(MERCHANT_1), leaf(MERCHANT_2)];
    const wrong = await system.pki.issueMerchant({ authority: 'signing-authority', subject: one.subject });
    const expired = await system.pki.issueMerchant({ subject: one.subject, notAfterMs: Date.now() - 1_000 });
    const der = Buffer.from(rfc9440(one).slice(1, -1), 'base64');
    der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
    const cases: readonly (readonly [readonly string[], number, string | undefined, string])[] = [
      [[], 403, undefined, 'no certificate'],
      [['Client-Cert', rfc9440(wrong)], 403, undefined, 'the same name by another authority'],
      [['Client-Cert', `:${der.toString('base64')}:`], 403, undefined, 'a signature that is not one'],
      [['Client-Cert', 'junk'], 403, undefined, 'not in the form'],
      [['Client-Cert', ':AAAA:'], 403, undefined, 'no certificate in it'],
      [['Client-Cert', rfc9440(one), 'Client-Cert', rfc9440(two)], 403, undefined, 'two: one is the client’s own'],
      [['Client-Cert', rfc9440(expired)], 403, 'CERTIFICATE_EXPIRED', 'expired: told so, signed'],
      [['X-SSL-Client-Cert', rfc9440(one)], 403, undefined, 'another header'],
    ];
    for (const [headers, status, code, why] of cases) {
      const got = await send({ as: one, through: balancer, port: Number(balanced), headers });
      assert.deepEqual([got.status, got.code], [status, code], `${why}: ${got.text}`);
    }
  });

  test('a peer that is not pinned gets a closed socket: another certificate of the same authority, a merchant', async () => {
    const one = leaf(MERCHANT_1);
    for (const through of [impostor, one])
      await assert.rejects(send({ as: one, through, port: Number(balanced), headers: ['Client-Cert', rfc9440(one)] }));
  });

  test('C1, hole 13: the same headers from a merchant gain nothing, do not reach the core, and are counted', async () => {
    const [one, two] = [leaf(MERCHANT_1), leaf(MERCHANT_2)];
    const pem = encodeURIComponent(one.certificatePem.replace(/(-----END CERTIFICATE-----\n)[\s\S]*/, '$1'));
    const count = async () => Number(/hufu_forged_identities_total\{listener="internet"\} (\d+)/.exec(await metrics())?.[1] ?? 0);
    const forged = [
      ['Client-Cert', rfc9440(one)],
      ['X-SSL-Client-Cert', pem],
      ['SSL-Client-Cert', pem],
      ['X-Forwarded-Client-Cert', `By=x;Hash=${'ab'.repeat(32)};Subject="CN=${MERCHANT_1}"`],
    ];
    for (const headers of forged) {
      const before = await count();
      const got = await send({ as: two, through: two, port: internet(), headers });
      assert.equal(got.status, 200, 'merchant 2 is served as merchant 2');
      assert.equal(await count(), before + 1, headers[0] as string);
      const stolen = await send({ as: one, through: two, port: internet(), headers });
      assert.ok([401, 403].includes(stolen.status), 'and not as merchant 1');
    }
    const before = await count();
    const own = await send({ as: two, through: two, port: internet(), headers: ['Client-Cert', rfc9440(two)] });
    assert.equal(own.status, 200);
    assert.equal(await count(), before, 'a header that names its own sender is no attack');
    assert.match(system.gateways[0]?.running().stderr() ?? '', /forged identity/);
  });

  test('each listener counts for itself', async () => {
    await eventually(async () => {
      const text = await metrics();
      assert.match(text, /hufu_refused_connections_total\{listener="dedicated",reason="certificate"\} 2/);
      assert.match(text, /hufu_refused_connections_total\{listener="balancer",reason="certificate"\} 2/);
    });
  });

  test('a balancer whose own certificate is blocked is shut out at once, with its open connections; then it is let in again', async () => {
    const one = leaf(MERCHANT_1);
    const through = { as: one, through: balancer, port: Number(balanced), headers: ['Client-Cert', rfc9440(one)] };
    const { certificatePem: cert, keyPem: key } = balancer;
    const open = connect({ host: '127.0.0.1', port: Number(balanced), ca: system.pki.read('authority').certificatePem, cert, key });
    open.on('error', () => undefined).resume();
    const closed = new Promise((resolve) => open.once('close', resolve));
    await new Promise((resolve) => open.once('secureConnect', resolve));
    assert.equal((await send(through)).status, 200);
    const named = ['--certificate', balancer.certificate, '--authority', 'infrastructure'];
    const blocked = await runHufu(['block', 'add', ...named, '--reason', 'stolen'], system.environment);
    assert.equal(blocked.code, 0, blocked.stderr);
    await closed;
    await assert.rejects(send(through));
    await runHufu(['block', 'remove', ...named, '--reason', 'found'], system.environment);
    assert.equal((await send(through)).status, 200);
  });
});
