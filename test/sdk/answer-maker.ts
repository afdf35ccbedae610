import { randomUUID } from 'node:crypto';
import { type AlgorithmName, signBytes } from '../../src/protocol/algorithms.ts';
import { SIGNATURE_LABEL } from '../../src/protocol/headers.ts';
import { readSignatureInput, type SignatureInput, serialiseByteSequence, serialiseParams } from '../../src/protocol/signature-base.ts';
import type { ReceivedAnswer, WireRequest } from '../../src/sdk/answer.ts';
import { signRequest } from '../../src/sdk/sign-request.ts';
import { type AnswerExpectations, readAnswer } from '../../src/sdk/verify-answer.ts';
import { signAnswer } from '../../src/signature/sign.ts';
import { freshNonce, HOST, KEY_PAIRS, NOW, NOW_MS } from '../signature/request-maker.ts';

/** Signed requests of the SDK, and answers to them as the gateway signs them. */
export const THUMBPRINT = 'q7Ld-4BpgD4sTyVZg6Wg4EwS7bK3i0SZxvG6J8K0b1c';
export const signerOf = (algorithm: AlgorithmName, keyid = `platform-${algorithm}`) => ({
  keyid,
  algorithm,
  sign: (data: Uint8Array) => signBytes(algorithm, KEY_PAIRS[algorithm].privateKey, data),
});

export const signingKeyOf = (algorithm: AlgorithmName) => ({
  key: KEY_PAIRS[algorithm].privateKey,
  keyid: `key-${algorithm}`,
  algorithm,
});

/** A request of the SDK for a path, signed now. */
export function makeRequest(target = '/v1/orders/A1', body = '', algorithm: AlgorithmName = 'ecdsa-p256-sha256'): WireRequest {
  const withBody = body === '' ? [] : ['Content-Type', 'application/json', 'Idempotency-Key', 'order-A1'];
  const request = { method: body === '' ? 'GET' : 'POST', target, rawHeaders: ['Host', HOST, ...withBody], body: Buffer.from(body) };
  const { rawHeaders } = signRequest(request, signingKeyOf(algorithm), { createdAtSeconds: NOW, nonce: freshNonce() });
  return { ...request, rawHeaders };
}

export type AnswerDraft = {
  readonly status?: number;
  readonly headers?: readonly string[];
  readonly body?: string;
  readonly algorithm?: AlgorithmName;
  readonly keyid?: string;
  readonly thumbprint?: string;
  readonly verified?: '?1' | '?0' | '?2';
  readonly created?: number;
};

/** The answer of the gateway's own signer to a request. */
export async function makeAnswer(request: WireRequest, draft: AnswerDraft = {}): Promise<ReceivedAnswer> {
  const { status = 200, headers = [], thumbprint = THUMBPRINT, verified = '?1', created = NOW } = draft;
  const body = Buffer.from(draft.body ?? '{"orderNo":"A1","status":"CREATED"}');
  const own = ['Hufu-Request-Id', randomUUID(), 'Hufu-Certificate', thumbprint, 'Hufu-Verified', verified];
  const plain = ['Content-Type', 'application/json', ...own, ...headers];
  const signer = signerOf(draft.algorithm ?? 'ecdsa-p256-sha256', draft.keyid);
  const added = await signAnswer({ request, status, headers: plain, body, signer, createdAtSeconds: created });
  return { status, rawHeaders: [...plain, ...added], body };
}

/** What our client expects of the answer to a request: all five test keys are trusted. */
export const expect = (request: WireRequest, changes: Partial<AnswerExpectations> = {}): AnswerExpectations => ({
  request,
  findKey: (keyid) => {
    const algorithm = keyid.replace('platform-', '') as AlgorithmName;
    return Object.hasOwn(KEY_PAIRS, algorithm) ? { publicKey: KEY_PAIRS[algorithm].publicKey, algorithm } : undefined;
  },
  thumbprint: THUMBPRINT,
  nowMs: NOW_MS,
  ...changes,
});

const withoutSignature = (rawHeaders: readonly string[]): string[] =>
  rawHeaders.filter((_, i) => !/^signature/i.test(rawHeaders[i - (i % 2)] as string));

/** Signs an answer again after its Signature-Input was changed: a gateway that covers or says something else, with the right key. */
export function resign(answer: ReceivedAnswer, request: WireRequest, change: (input: SignatureInput) => SignatureInput): ReceivedAnswer {
  const index = answer.rawHeaders.indexOf('Signature-Input');
  const text = (answer.rawHeaders[index + 1] as string).slice(SIGNATURE_LABEL.length + 1);
  const params = serialiseParams(change(readSignatureInput(text) as SignatureInput));
  const fields = (signature: Uint8Array) => [
    ...['Signature-Input', `${SIGNATURE_LABEL}=${params}`],
    ...['Signature', `${SIGNATURE_LABEL}=${serialiseByteSequence(signature)}`],
  ];
  const draft = { ...answer, rawHeaders: [...withoutSignature(answer.rawHeaders), ...fields(Buffer.alloc(0))] };
  const reading = readAnswer(draft, expect(request));
  if (typeof reading === 'string') throw new Error(reading);
  const signature = signerOf('ecdsa-p256-sha256').sign(Buffer.from(reading.base, 'latin1'));
  return { ...answer, rawHeaders: [...withoutSignature(answer.rawHeaders), ...fields(signature)] };
}
