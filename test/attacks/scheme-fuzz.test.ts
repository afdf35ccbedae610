import assert from 'node:assert/strict';
import { randomBytes, sign, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { signCms } from '../../src/certificates/write-cms.ts';
import { signBytes } from '../../src/protocol/algorithms.ts';
import type { Leaf } from '../support/pki.ts';
import { freshOrderNo, MERCHANT_1, MERCHANT_2, orderBody } from '../support/system.ts';
import { startWorld, type World } from './world.ts';

/** Good requests of every scheme with a few characters cut out and others put in, anywhere: each is refused in words, and nothing else happens. */
const SETTINGS = `signatures: [rfc9421, wechatpay-v3, alipay-v3, sorted-rsa2, jws, jws-obie, cms]
keySources: [registered, connection, message]
signatureOptions: { jws: { issuer: org-1/software-1 } }
`;
const RUNS = 120;
const TARGET = '/v1/orders';

type Sent = { readonly headers: readonly (readonly [name: string, value: string])[]; readonly body: string };
type Answer = { readonly status: number; readonly body: Buffer };
type Made = { readonly leaf: Leaf; readonly host: string; readonly body: string };

const JSON_TYPE = ['Content-Type', 'application/json'] as const;
const nowSeconds = (): number => Math.floor(Date.now() / 1000);
const signRsa = ({ privateKey }: Leaf, text: string): string => sign('sha256', Buffer.from(text), privateKey).toString('base64');
const nonce = (): string => randomBytes(16).toString('hex');
const derOf = ({ certificatePem }: Leaf): Buffer => new X509Certificate(certificatePem).raw;

function jws({ leaf, body }: Made, claims: Readonly<Record<string, unknown>>, headers: Sent['headers']): Sent {
  const header = { alg: 'PS256', x5c: [derOf(leaf).toString('base64')], ...claims, crit: Object.keys(claims) };
  const text = Buffer.from(JSON.stringify(header)).toString('base64url');
  const payload = Buffer.from(body).toString('base64url');
  const signature = signBytes('rsa-pss-sha256', leaf.privateKey, Buffer.from(`${text}.${payload}`)).toString('base64url');
  return { body, headers: [JSON_TYPE, ...headers, ['x-jws-signature', `${text}..${signature}`]] };
}

const SCHEMES: Readonly<Record<string, (made: Made) => Sent | Promise<Sent>>> = {
  'wechatpay-v3': ({ leaf, body }) => {
    const [once, time] = [nonce(), nowSeconds()];
    const signature = signRsa(leaf, `POST\n${TARGET}\n${time}\n${once}\n${body}\n`);
    const serial = new X509Certificate(leaf.certificatePem).serialNumber;
    const values = `mchid="${MERCHANT_1}",nonce_str="${once}",timestamp="${time}",serial_no="${serial}",signature="${signature}"`;
    return { body, headers: [JSON_TYPE, ['Authorization', `WECHATPAY2-SHA256-RSA2048 ${values}`]] };
  },
  'alipay-v3': ({ leaf, body }) => {
    const values = `app_id=${MERCHANT_1},nonce=${nonce()},timestamp=${Date.now()}`;
    const signature = signRsa(leaf, `${values}\nPOST\n${TARGET}\n${body}\n`);
    return { body, headers: [JSON_TYPE, ['Authorization', `ALIPAY-SHA256withRSA ${values},sign=${signature}`]] };
  },
  'sorted-rsa2': ({ leaf, body }) => {
    const time = new Date(Date.now() + 28_800_000).toISOString().slice(0, 19).replace('T', ' ');
    const common = { app_id: MERCHANT_1, biz_content: body, charset: 'utf-8', method: 'orders.create' };
    const fields = { ...common, sign_type: 'RSA2', timestamp: time };
    const text = Object.entries(fields).map(([name, value]) => `${name}=${value}`);
    const form = new URLSearchParams({ ...fields, sign: signRsa(leaf, text.join('&')) });
    return { body: form.toString(), headers: [['Content-Type', 'application/x-www-form-urlencoded']] };
  },
  jws: (made) => {
    const claims = { htm: 'POST', htu: `https://${made.host}${TARGET}`, iat: nowSeconds(), jti: nonce(), 'idempotency-key': nonce() };
    return jws(made, claims, [['Idempotency-Key', claims['idempotency-key']]]);
  },
  'jws-obie': (made) => {
    const claims = { iat: nowSeconds(), iss: 'org-1/software-1', tan: 'openbanking.org.uk' };
    return jws(made, Object.fromEntries(Object.entries(claims).map(([name, value]) => [`http://openbanking.org.uk/${name}`, value])), []);
  },
  cms: async ({ leaf, host, body }) => {
    const [created, once, key] = [String(nowSeconds()), nonce(), nonce()];
    const head = `hufu-cms-request-1\nmethod: POST\ntarget-uri: https://${host}${TARGET}\nmerchant-number: ${MERCHANT_1}\n`;
    const block = `${head}created: ${created}\nnonce: ${once}\ncontent-type: application/json\nidempotency-key: ${key}\n\n`;
    const algorithm = 'rsa-v1_5-sha256';
    const signer = { keyid: 'k', algorithm, sign: (data: Uint8Array) => signBytes(algorithm, leaf.privateKey, data) } as const;
    const message = (await signCms(Buffer.from(block + body), derOf(leaf), signer, Date.now())).toString('base64');
    const fields = [['X-CMS-Created', created] as const, ['X-CMS-Nonce', once] as const, ['X-CMS-Signature', message] as const];
    return { body, headers: [JSON_TYPE, ['Idempotency-Key', key], ...fields] };
  },
};

const PIECES = [
  '"',
  ',',
  '=',
  '.',
  '..',
  ';',
  '&',
  '&sign=',
  '%',
  '%zz',
  '{',
  'null',
  'eyJ',
  '==',
  '-',
  '\\',
  '__proto__',
  '0',
  'A'.repeat(3_000),
];
const piece = fc.oneof(fc.constantFrom(...PIECES), fc.string({ maxLength: 12 }));
type Cut = readonly [at: number, length: number, put: string];
const damage = fc.array(fc.tuple(fc.nat(5_000), fc.nat(40), piece), { minLength: 1, maxLength: 3 });
/** Always another text: what stands there is never put back. */
const damaged = (text: string, cuts: readonly Cut[]): string =>
  cuts.reduce((now, [at, length, put]) => now.slice(0, at % (now.length + 1)) + put + now.slice((at % (now.length + 1)) + length), text);

describe('damaged requests of every scheme', { timeout: 120_000 }, () => {
  let world: World;
  let agent: Agent;
  let host: string;
  let leaf: Leaf;
  before(async () => {
    const configure = (folder: string) => {
      for (const number of [MERCHANT_1, MERCHANT_2]) {
        const file = join(folder, 'merchants', `${number}.yaml`);
        writeFileSync(file, `${readFileSync(file, 'utf8')}${SETTINGS}`);
      }
    };
    world = await startWorld({ configure });
    const { pki, gateways } = world.system;
    leaf = pki.read(`merchants/${MERCHANT_1}`);
    host = new URL((gateways[0] as { url: string }).url).host;
    const { certificatePem: cert, keyPem: key } = leaf;
    agent = new Agent({ keepAlive: true, maxSockets: 8, cert, key, ca: pki.read('authority').certificatePem });
  });
  after(async () => {
    agent?.destroy();
    await world?.end();
  });

  const send = ({ headers, body }: Sent): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const fields = [...headers.flat(), 'Content-Length', String(Buffer.byteLength(body))];
      const options = { agent, method: 'POST', setHost: false, headers: ['Host', host, ...fields] };
      request(`https://${host}${TARGET}`, options, async (answer) =>
        resolve({ status: answer.statusCode as number, body: await buffer(answer) }),
      )
        .on('error', reject)
        .end(body);
    });
  const make = (scheme: string) => SCHEMES[scheme]?.({ leaf, host, body: JSON.stringify(orderBody(freshOrderNo(), 100)) }) as Sent;

  for (const scheme of Object.keys(SCHEMES))
    test(`${scheme}: none but the undamaged is accepted, none ends in a fault`, async () => {
      assert.equal((await send(await make(scheme))).status, 201, 'as it is');
      await world.harmless(async () => {
        await fc.assert(
          fc.asyncProperty(damage, fc.nat(5), async (cuts, place) => {
            const good = await make(scheme);
            const at = place % (good.headers.length + 1);
            const headers = good.headers.map(([name, value], i) =>
              i === at ? ([name, damaged(value, cuts).trim()] as const) : ([name, value] as const),
            );
            const body = at === good.headers.length ? damaged(good.body, cuts) : good.body;
            fc.pre(body !== good.body || headers.some(([, value], i) => value !== good.headers[i]?.[1]));
            const answer = await send({ headers, body });
            assert.ok([400, 401, 403, 409, 415].includes(answer.status), `${answer.status} ${answer.body.toString()}`);
          }),
          { numRuns: RUNS },
        );
      });
    });
});
