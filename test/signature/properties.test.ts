import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Routed } from '../../src/protocol/messages.ts';
import { verifySignature } from '../../src/signature/verify.ts';
import { refusalOf } from './refused.ts';
import { BODY, baseOf, type Draft, digestOf, draft, freshNonce, keyOf, make, optionsFor, paramsText } from './request-maker.ts';

const ALGORITHM = 'ed25519';
const OPTIONS = optionsFor([keyOf(ALGORITHM)]);
const runs = { numRuns: 150 };

const withBody = (body: string, target = '/v1/orders?a=1'): Draft => {
  const made = draft({ algorithm: ALGORITHM, body, target, params: paramsText({ nonce: `"${freshNonce()}"` }, ALGORITHM) });
  return {
    ...made,
    headers: made.headers.map((header) =>
      header[0] === 'Content-Digest' ? [header[0], `sha-256=:${digestOf(Buffer.from(body, 'latin1'))}:`] : header,
    ),
  };
};

const latin1 = fc.uint8Array({ minLength: 1, maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const target = fc.stringMatching(/^\/[!-~]{0,60}$/);

test('whatever is sent is accepted when it is signed, and the base is the one of plain text building', () => {
  fc.assert(
    fc.property(latin1, target, (body, where) => {
      const made = withBody(body, where);
      assert.equal(verifySignature(make(made), OPTIONS).signatureBase, baseOf(made));
    }),
    runs,
  );
});

/** Texts of a request that the signature covers, each with a way to put another one in its place. */
const request = make(withBody(BODY));
const headerAt = (name: string) => request.rawHeaders.findIndex((header) => header.toLowerCase() === name) + 1;
const withHeader = (name: string, value: string): Routed => ({ ...request, rawHeaders: request.rawHeaders.with(headerAt(name), value) });
const COVERED: readonly (readonly [name: string, text: string, put: (text: string) => Routed])[] = [
  ['method', request.method, (method) => ({ ...request, method })],
  ['target', request.target, (changed) => ({ ...request, target: changed })],
  ['body', BODY, (body) => ({ ...request, body: Buffer.from(body, 'latin1') })],
  ...['host', 'content-type', 'content-digest', 'merchant-number', 'idempotency-key', 'signature-input', 'signature'].map(
    (name) => [name, request.rawHeaders[headerAt(name)] as string, (value: string) => withHeader(name, value)] as const,
  ),
];

test('any other byte anywhere in what is covered is refused', () => {
  verifySignature(request, OPTIONS);
  for (const [name, text, put] of COVERED) {
    const change = fc.tuple(fc.nat({ max: text.length - 1 }), fc.integer({ min: 0x21, max: 0x7e }));
    fc.assert(
      fc.property(change, ([at, byte]) => {
        const changed = text.slice(0, at) + String.fromCharCode(byte) + text.slice(at + 1);
        // Host names are case-insensitive.
        fc.pre(name === 'host' ? changed.toLowerCase() !== text : changed !== text);
        refusalOf(() => verifySignature(put(changed), OPTIONS));
      }),
      runs,
    );
  }
});

test('a byte more or less anywhere in what is covered is refused', () => {
  for (const [name, text, put] of COVERED) {
    const change = fc.tuple(fc.nat({ max: text.length - 1 }), fc.option(fc.integer({ min: 0x21, max: 0x7e })));
    fc.assert(
      fc.property(change, ([at, byte]) => {
        const added = byte === null ? '' : String.fromCharCode(byte);
        refusalOf(() => verifySignature(put(text.slice(0, at) + added + text.slice(byte === null ? at + 1 : at)), OPTIONS));
      }),
      { ...runs, examples: [[[0, null]]] },
    );
    assert.ok(name);
  }
});

const hostile = fc.oneof(
  fc.string({ maxLength: 100 }),
  fc.stringMatching(/^hufu=\((?:"[@a-z;-]{0,12}" ?){0,4}\)(?:;[a-z]{1,8}=(?:"[a-z"\\]{0,6}"|[0-9.-]{1,5})){0,4},?$/),
);

test('no signature fields, however strange, give anything but a refusal', () => {
  fc.assert(
    fc.property(hostile, hostile, hostile, (input, signature, digest) => {
      const rawHeaders = request.rawHeaders
        .with(headerAt('signature-input'), input)
        .with(headerAt('signature'), signature)
        .with(headerAt('content-digest'), digest);
      refusalOf(() => verifySignature({ ...request, rawHeaders }, OPTIONS));
    }),
    { numRuns: 500 },
  );
});
