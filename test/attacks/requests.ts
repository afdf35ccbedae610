import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { type AlgorithmName, defaultAlgorithm, signBytes } from '../../src/protocol/algorithms.ts';
import type { RequestFacts } from '../../src/protocol/signature-base.ts';
import type { ReceivedAnswer } from '../../src/sdk/answer.ts';
import { readPinnedKeys, thumbprintOf } from '../../src/sdk/trust.ts';
import { verifyAnswer } from '../../src/sdk/verify-answer.ts';
import { baseOf, type Draft, freshNonce, type Header, inputOf, standardFields } from '../signature/request-maker.ts';
import type { Leaf } from '../support/pki.ts';
import { freshOrderNo, MERCHANT_1, orderBody, paymentBody, type System } from '../support/system.ts';
import { type DialOptions, dial, type Line } from './line.ts';

/** Who signs and what the gateway is called; the text of a request is built here by hand, not by the SDK. */
export type Sender = {
  readonly system: System;
  readonly number: string;
  readonly host: string;
  /** Signs. */
  readonly leaf: Leaf;
  /** Connects; the same certificate unless a case wants another. */
  readonly tls: Tls;
};
export type Tls = Pick<Leaf, 'certificatePem' | 'keyPem'>;

export function senderOf(system: System, number = MERCHANT_1, leaf = system.pki.read(`merchants/${number}`), gateway = 0): Sender {
  const url = new URL((system.gateways[gateway] as { url: string }).url);
  return { system, number, host: url.host, leaf, tls: leaf };
}

/** What can be other than in a good request; everything else is made to fit, the signature last. */
export type Changes = Partial<Omit<Draft, 'body' | 'params'>> & {
  readonly body?: string | Buffer;
  readonly key?: string;
  readonly createdAtSeconds?: number;
  /** Single signature parameters, serialised; undefined leaves one out. */
  readonly params?: Readonly<Record<string, string | undefined>>;
};

const bytesOf = (body: string | Buffer): Buffer => (typeof body === 'string' ? Buffer.from(body, 'utf8') : body);
export const nowSeconds = (): number => Math.floor(Date.now() / 1000);
export const digestField = (body: string | Buffer, name = 'sha-256'): string =>
  `${name}=:${createHash(name.replace('-', '')).update(body).digest('base64')}:`;

/** A good POST by hand, or a variation of it: `headers` replace all of its headers, `components` all that is covered. */
export function post(sender: Sender, target: string, changes: Changes = {}): Draft {
  const body = bytesOf(changes.body ?? '{}');
  const headers: readonly Header[] = changes.headers ?? [
    ['Host', sender.host],
    ['Content-Type', 'application/json'],
    ['Content-Digest', digestField(body)],
    ['Merchant-Number', sender.number],
    ['Idempotency-Key', changes.key ?? randomUUID()],
  ];
  const signed = headers.map(([name]) => name.toLowerCase()).filter((name) => name !== 'host');
  return finish(sender, {
    method: 'POST',
    target,
    headers,
    components: ['@method', '@target-uri', ...signed].map((name) => `"${name}"`),
    ...changes,
    body,
  });
}

/** A good GET by hand, or a variation of it. */
export const get = (sender: Sender, target: string, changes: Changes = {}): Draft =>
  finish(sender, {
    method: 'GET',
    target,
    headers: [['Host', sender.host]],
    components: ['"@method"', '"@target-uri"'],
    ...changes,
    body: bytesOf(changes.body ?? ''),
  });

type Unfinished = Pick<Draft, 'method' | 'target' | 'headers' | 'components'> & Omit<Changes, 'body'> & { readonly body: Buffer };

function finish({ leaf }: Sender, { params = {}, createdAtSeconds = nowSeconds(), body, ...rest }: Unfinished): Draft {
  const algorithm: AlgorithmName = rest.algorithm ?? defaultAlgorithm(leaf.privateKey);
  const all = { created: `${createdAtSeconds}`, nonce: `"${freshNonce()}"`, keyid: `"${leaf.keyid}"`, tag: '"hufu-request"', ...params };
  return {
    sign: (base) => signBytes(algorithm, leaf.privateKey, Buffer.from(base, 'latin1')),
    fields: standardFields,
    ...rest,
    algorithm,
    body: body.toString('latin1'),
    params: Object.entries(all)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `;${name}=${value}`)
      .join(''),
  };
}

/** A good order, or a variation of it. */
export const order = (sender: Sender, changes: Changes = {}): Draft =>
  post(sender, '/v1/orders', { body: JSON.stringify(orderBody(freshOrderNo(), 100)), ...changes });

/** A good payment of an order. */
export const payment = (sender: Sender, orderNo: string, amountFen: number, changes: Changes = {}): Draft =>
  post(sender, `/v1/orders/${orderNo}/payments`, { body: JSON.stringify(paymentBody(amountFen)), ...changes });

/** A request as its bytes on the wire, and as the answer must be bound to it. */
export type Wire = { readonly bytes: Buffer; readonly request: RequestFacts };

/** `arrives` replaces parts after signing. Content-Length is added unless the headers frame the body themselves. */
export function wireOf(
  draft: Draft,
  arrives: Partial<Pick<Draft, 'method' | 'target' | 'headers' | 'body'>> & { version?: string } = {},
): Wire {
  const signature = draft.fields(inputOf(draft), draft.sign(baseOf(draft)));
  const { method, target, headers, body, version = 'HTTP/1.1' } = { ...draft, ...arrives };
  const all = [...headers, ...signature];
  const isFramed = all.some(([name]) => /^(content-length|transfer-encoding)$/i.test(name.trim()));
  const framing: readonly Header[] = isFramed || (method === 'GET' && body === '') ? [] : [['Content-Length', String(body.length)]];
  const text = [...all, ...framing].map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return {
    bytes: Buffer.from(`${method} ${target} ${version}\r\n${text}\r\n${body}`, 'latin1'),
    request: { method, target, rawHeaders: all.flat() },
  };
}

/** An answer with what its signature proves. */
export type Told = {
  readonly status: number;
  readonly code: string;
  readonly outcome?: string;
  readonly retry?: string;
  readonly verified: boolean;
  /** Bound to our signature. An answer to a request without a well-formed one cannot be, and says so by its tag. */
  readonly bound: boolean;
  /** Hufu-Verified. */
  readonly accepted: boolean;
  readonly why: string;
  readonly value: Record<string, unknown>;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
};

const withoutSignature = (rawHeaders: readonly string[]): string[] =>
  rawHeaders.filter((_, i) => !/^signature(-input)?$/i.test(rawHeaders[i - (i % 2)] as string));

/** Reads an answer as a careful merchant does. */
export function tell({ system, tls }: Pick<Sender, 'system' | 'tls'>, request: RequestFacts, answer: ReceivedAnswer): Told {
  const pinned = ['platform-ec', 'platform-rsa'].map((keyid) => ({ keyid, pem: system.pki.read(`signing/${keyid}`).certificatePem }));
  const keys = readPinnedKeys(pinned);
  const thumbprint = thumbprintOf(tls.certificatePem);
  const bound = answer.rawHeaders.some((value) => value.endsWith('tag="hufu-response"'));
  const seen = bound ? request : { ...request, rawHeaders: withoutSignature(request.rawHeaders) };
  const verdict = verifyAnswer(answer, { request: seen, findKey: (keyid) => keys.get(keyid), thumbprint, nowMs: Date.now() });
  const headers = new Map<string, string>();
  for (let i = 0; i < answer.rawHeaders.length; i += 2)
    headers.set((answer.rawHeaders[i] as string).toLowerCase(), answer.rawHeaders[i + 1] as string);
  const value = answer.body.length > 0 && headers.get('content-type')?.includes('json') ? JSON.parse(answer.body.toString('utf8')) : {};
  return {
    ...{
      status: answer.status,
      verified: verdict.verified,
      bound,
      accepted: verdict.verified && verdict.accepted,
      headers,
      body: answer.body,
    },
    ...{ why: verdict.verified ? '' : verdict.why, value, code: value.code ?? '', outcome: value.outcome, retry: value.retry },
  };
}

/** Opens a line with the sender's own certificate. */
export const lineOf = ({ system, tls }: Pick<Sender, 'system' | 'tls'>, options: DialOptions = {}): Promise<Line> =>
  dial(system, { cert: tls.certificatePem, key: tls.keyPem, ...options });

/** Sends one request on a connection of its own; undefined when the gateway closed it without an answer. */
export async function send(sender: Sender, wire: Wire, options: DialOptions = {}): Promise<Told | undefined> {
  const line = await lineOf(sender, options);
  try {
    line.send(wire.bytes);
    const answer = await line.answer({ bodiless: wire.request.method === 'HEAD' });
    return answer && tell(sender, wire.request, answer);
  } finally {
    line.leave();
  }
}

/** Sends one request that must be answered, and by an answer that verifies. */
export async function ask(sender: Sender, draft: Draft, arrives?: Parameters<typeof wireOf>[1]): Promise<Told> {
  const told = await send(sender, wireOf(draft, arrives));
  assert.ok(told, 'the connection was closed without an answer');
  assert.equal(told.verified, true, `${told.status} ${told.code}: ${told.why}`);
  return told;
}
