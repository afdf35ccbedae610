import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as sig from 'http-message-sig';
import { httpbis } from 'http-message-signatures';
import { type AlgorithmName, HTTP_ALGORITHM_NAMES, signBytes, verifyBytes } from '../../src/protocol/algorithms.ts';
import type { Routed } from '../../src/protocol/messages.ts';
import { signAnswer } from '../../src/signature/sign.ts';
import { verifySignature } from '../../src/signature/verify.ts';
import { BODY, draft, freshNonce, getDraft, HOST, KEY_PAIRS, keyOf, make, NOW, optionsFor, POST_HEADERS } from './request-maker.ts';

/** Two independent implementations of RFC 9421 sign what we verify and verify what we sign. */
const OPTIONS = optionsFor(HTTP_ALGORITHM_NAMES.map((name) => keyOf(name)));
const NAMES = ['@method', '@target-uri', 'content-digest', 'content-type', 'merchant-number', 'idempotency-key'];
const TARGET = '/v1/orders?a=1&b=%E4%B8%AD';
const URI = `https://${HOST}${TARGET}`;

const arriving = (input: string, signature: string): Routed => {
  const whole = draft({
    target: TARGET,
    fields: () => [
      ['Signature-Input', input],
      ['Signature', signature],
    ],
  });
  return make(whole);
};
const signerOf = (algorithm: AlgorithmName) => ({
  algorithm,
  sign: (data: Uint8Array) => signBytes(algorithm, KEY_PAIRS[algorithm].privateKey, data),
});
const occurrences = (rawHeaders: readonly string[]) =>
  rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [{ name: name.toLowerCase(), value: rawHeaders[i + 1] as string }] : []));
const described = ({ method, target, rawHeaders }: Routed) =>
  ({ kind: 'request', method, targetUri: `https://${HOST}${target}`, requestTarget: target, fields: occurrences(rawHeaders) }) as const;

const policyFor = (algorithm: AlgorithmName) => ({
  algorithms: [algorithm],
  requiredComponents: ['@method'],
  requiredParameters: ['created', 'keyid'],
  maxAge: 600,
  now: NOW,
});
const resolverFor = (algorithm: AlgorithmName) => () => ({
  algorithm,
  verify: (data: Uint8Array, signature: Uint8Array) => verifyBytes(algorithm, KEY_PAIRS[algorithm].publicKey, data, signature),
});

for (const algorithm of HTTP_ALGORITHM_NAMES) {
  const parameters = () => ({ created: NOW, keyid: `key-${algorithm}`, nonce: freshNonce(), tag: 'hufu-request' });

  test(`http-message-sig signs with ${algorithm}, we verify`, () => {
    const fields = POST_HEADERS.map(([name, value]) => ({ name: name.toLowerCase(), value }));
    const message = { kind: 'request', method: 'POST', targetUri: URI, requestTarget: TARGET, fields } as const;
    const made = sig.createSignatureSync(message, {
      label: 'hufu',
      components: NAMES,
      parameters: { ...parameters(), alg: algorithm },
      signer: signerOf(algorithm),
    });
    assert.equal(verifySignature(arriving(made.signatureInput, made.signature), OPTIONS).body.toString(), BODY);
  });

  test(`http-message-signatures signs with ${algorithm}, we verify`, async () => {
    const { nonce, tag } = parameters();
    const made = await httpbis.signMessage(
      {
        key: { id: `key-${algorithm}`, alg: algorithm, sign: async (data) => signerOf(algorithm).sign(data) },
        name: 'hufu',
        fields: NAMES,
        params: ['created', 'keyid', 'nonce', 'tag', 'alg'],
        paramValues: { created: new Date(NOW * 1000), nonce, tag },
      },
      { method: 'POST', url: URI, headers: Object.fromEntries(POST_HEADERS) },
    );
    const field = (name: string) => made.headers[name] as string;
    assert.equal(verifySignature(arriving(field('Signature-Input'), field('Signature')), OPTIONS).nonce, nonce);
  });

  test(`we accept with ${algorithm} what both verify`, async () => {
    const request = make(draft({ algorithm, target: TARGET }));
    verifySignature(request, OPTIONS);
    const verified = await sig.verifySignature(described(request), {
      label: 'hufu',
      policy: policyFor(algorithm),
      resolveVerifier: resolverFor(algorithm),
    });
    assert.equal(verified.parameters.tag, 'hufu-request');
    const headers = Object.fromEntries(occurrences(request.rawHeaders).map(({ name, value }) => [name, value]));
    const lookup = async () => ({
      id: 'k',
      algs: [algorithm],
      verify: async (data: Buffer, signature: Buffer) => resolverFor(algorithm)().verify(data, signature),
    });
    assert.equal(await httpbis.verifyMessage({ keyLookup: lookup, notAfter: NOW + 1 }, { method: 'POST', url: URI, headers }), true);
  });

  for (const made of [draft({ target: TARGET }), getDraft({ target: TARGET }), getDraft({ target: TARGET, fields: () => [] })]) {
    test(`http-message-sig verifies our answer with ${algorithm} to a ${made.method}${made.fields('', Buffer.alloc(1)).length ? '' : ' without signature'}`, async () => {
      const request = make(made);
      const headers = ['Content-Type', 'application/json', 'Hufu-Request-Id', 'r1', 'Hufu-Verified', '?1'];
      const signer = { keyid: 'answers', ...signerOf(algorithm) };
      const added = signAnswer({ request, status: 403, headers, body: Buffer.from('{}'), signer, createdAtSeconds: NOW });
      assert.ok(Array.isArray(added));
      const answer = { kind: 'response', status: 403, fields: occurrences([...headers, ...added]), request: described(request) } as const;
      const policy = { ...policyFor(algorithm), requiredComponents: ['@status', sig.component('@method', { req: true })] };
      const options = { label: 'hufu', policy, resolveVerifier: resolverFor(algorithm) };
      assert.equal((await sig.verifySignature(answer, options)).parameters.keyid, 'answers');
      // D19: the same answer given to another request.
      const other = { ...answer, request: { ...described(request), method: 'DELETE' } };
      await assert.rejects(sig.verifySignature(other, options));
    });
  }
}
