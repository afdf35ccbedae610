// A strict TypeScript program with an HTTP client of its own: it signs and verifies with the functions of the SDK alone.
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import {
  createNonce,
  keyidOf,
  type ReceivedAnswer,
  readPinnedKeys,
  type SigningKey,
  signRequest,
  thumbprintOf,
  type Verdict,
  verifyAnswer,
  type WireRequest,
} from 'hufu-sdk';

const { GATEWAY = '', FORGER = '', CERTS = '', ORDER_NO: orderNo = '' } = process.env;
const pem = (name: string): string => readFileSync(`${CERTS}/${name}`, 'utf8');
const number = '800000000000002';
const certificate = pem(`merchants/${number}.crt`);
const keyPem = pem(`merchants/${number}.key`);
const key = createPrivateKey(keyPem);
const signing: SigningKey = { key, keyid: keyidOf(createPublicKey(key)), algorithm: 'ecdsa-p256-sha256' };
const trusted = readPinnedKeys([{ keyid: 'platform-ec', pem: pem('signing/platform-ec.crt') }]);

function send(url: string, { method, target, rawHeaders, body }: WireRequest): Promise<ReceivedAnswer> {
  const { hostname, port } = new URL(url);
  const tls = { cert: certificate, key: keyPem, ca: pem('authority.crt'), agent: false as const };
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest({ ...tls, hostname, port, method, path: target, headers: [...rawHeaders] }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, rawHeaders: incoming.rawHeaders, body: Buffer.concat(chunks) }));
    });
    outgoing.on('error', reject).end(body);
  });
}

async function exchange(what: string, url: string, method: string, target: string, value?: object): Promise<void> {
  const body = Buffer.from(value === undefined ? '' : JSON.stringify(value));
  const ofBody = value === undefined ? [] : ['Content-Type', 'application/json', 'Idempotency-Key', `${what}-${orderNo}`];
  const unsigned: WireRequest = { method, target, rawHeaders: ['Host', new URL(url).host, 'Merchant-Number', number, ...ofBody], body };
  const moment = { createdAtSeconds: Math.floor(Date.now() / 1000), nonce: createNonce() };
  const request = { ...unsigned, rawHeaders: signRequest(unsigned, signing, moment).rawHeaders };
  const answer = await send(url, request);
  const findKey = (keyid: string) => trusted.get(keyid);
  const verdict: Verdict = verifyAnswer(answer, { request, findKey, thumbprint: thumbprintOf(certificate), nowMs: Date.now() });
  const accepted = verdict.verified && verdict.accepted;
  const is = accepted ? (JSON.parse(answer.body.toString()) as { status?: string }).status : null;
  const told = { verified: verdict.verified, accepted, outcome: accepted && answer.status < 300 ? 'succeeded' : 'unknown', is };
  process.stdout.write(`${JSON.stringify({ what, status: answer.status, ...told, why: verdict.verified ? null : verdict.why })}\n`);
}

const payment = { amountFen: 1999, currency: 'CNY', method: 'OWN_BANK', payer: { accountNo: '6200000000000001' } };
await exchange('order', GATEWAY, 'POST', '/v1/orders', { orderNo, amountFen: 1999, currency: 'CNY', subject: '龙井茶' });
await exchange('payment', GATEWAY, 'POST', `/v1/orders/${orderNo}/payments`, payment);
await exchange('query', GATEWAY, 'GET', `/v1/orders/${orderNo}`);
await exchange('forged', FORGER, 'GET', `/v1/orders/${orderNo}`);
