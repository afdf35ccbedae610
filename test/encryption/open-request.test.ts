import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import { openBody, type SealedRequest } from '../../src/encryption/open-request.ts';
import { encryptAnswer } from '../../src/encryption/seal-answer.ts';
import { forwardCall } from '../../src/forward/requests.ts';
import { Refusal } from '../../src/protocol/errors.ts';
import { encryptJwe } from '../../src/protocol/jwe/compact.ts';
import type { JweKey } from '../../src/protocol/jwe/key-management.ts';
import type { Reply } from '../../src/protocol/messages.ts';
import type { Operation } from '../../src/protocol/operation.ts';
import { openAnswer } from '../../src/sdk/open-answer.ts';
import { paymentOf } from '../admission/requests.ts';

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const TO: JweKey = { keyid: 'k', algorithm: 'ECDH-ES+A256KW', key: pair.publicKey };
const OWN: JweKey = { ...TO, key: pair.privateKey };
const sample = paymentOf();
type Encryption = NonNullable<Operation['encryption']>;
const NONE: Encryption = { body: 'none', fields: [], answer: [] };

function requestOf(body: string, encryption: Partial<Encryption>, forward: 'opened' | 'sealed' = 'opened'): SealedRequest {
  const operation = { ...sample.operation, encryption: { ...NONE, ...encryption }, forward };
  return { ...sample, operation, body: Buffer.from(body) };
}
const seal = (text: string, pointer: string): string => {
  const { merchant, method, target, mark } = sample;
  return encryptJwe(Buffer.from(text), TO, { of: 'request', merchant: merchant.number, method, target, request: mark, pointer });
};
const open = (request: SealedRequest, isJose = false) => openBody(request, isJose, async () => OWN);
const refused = (code: string, pointer: string) => (error: unknown) =>
  error instanceof Refusal && error.code === code && error.options.members?.pointer === pointer;

describe('opening requests', () => {
  test('fields of every kind are put back in place, and no other byte changes', async () => {
    const body = `{ "a": "${seal('"x\\u00e9"', '/a')}",\n "list": [{"no": 1}, {"no": "${seal('12', '/list/1/no')}"}], "o": "${seal('{"deep":[true]}', '/o')}" }`;
    const opened = await open(requestOf(body, { fields: ['/a', '/list/*/no', '/o'].map((pointer) => ({ pointer, required: false })) }));
    assert.equal(opened.body.toString(), '{ "a": "x\\u00e9",\n "list": [{"no": 1}, {"no": 12}], "o": {"deep":[true]} }');
    assert.deepEqual(opened.value, { a: 'xé', list: [{ no: 1 }, { no: 12 }], o: { deep: [true] } });
    assert.equal(opened.sealed, undefined);
  });

  test('clear text where encryption is demanded is refused by its place, never with its value, before anything is decrypted', async () => {
    const broken = 'eyJhbGciOiJub25lIn0....';
    const fields = [
      { pointer: '/list/*/no', required: true },
      { pointer: '/a', required: false },
    ];
    const request = requestOf(`{"a":"${broken}","list":[{"no":"${broken}"},{"no":"4111-secret"}]}`, { fields });
    await assert.rejects(
      open(request),
      (error) => refused('FIELD_NOT_ENCRYPTED', '/list/1/no')(error) && !JSON.stringify(error).includes('4111'),
    );
    await assert.rejects(open(requestOf('{}', { body: 'required' })), refused('FIELD_NOT_ENCRYPTED', ''));
    const whole = await open(requestOf(seal('{"list":[{"no":"4111"}]}', ''), { body: 'optional', fields }), true);
    assert.deepEqual(whole.value, { list: [{ no: '4111' }] }, 'within an encrypted body it is not in the open');
    assert.deepEqual((await open(requestOf('{"b":1}', { fields }))).value, { b: 1 }, 'what is absent is for the schema');
  });

  test('a ciphertext where none was agreed is text like any other; whole bodies need the word of the operation', async () => {
    const text = seal('"x"', '/b');
    assert.deepEqual((await open(requestOf(`{"b":"${text}"}`, { fields: [{ pointer: '/a', required: false }] }))).value, { b: text });
    await assert.rejects(
      open(requestOf(seal('{}', ''), {}), true),
      (error) => error instanceof Refusal && error.code === 'MEDIA_TYPE_UNSUPPORTED',
    );
  });

  test('ciphertexts of one request are bounded', async () => {
    const list = Array.from({ length: 17 }, (_, i) => `"${seal('1', `/${i}`)}"`);
    await assert.rejects(
      open(requestOf(`[${list}]`, { fields: [{ pointer: '/*', required: false }] })),
      refused('ENCRYPTION_INVALID', '/16'),
    );
  });

  test('forward: opened or sealed says which bytes the core gets, and the assertion is over those', async () => {
    const key = { keyid: 'a', privateKey: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey };
    const permission = { issuedAtMs: 0, expiresAtMs: 1000 };
    const digestOf = (headers: readonly string[]): string => {
      const assertion = headers[headers.indexOf('Hufu-Assertion') + 1] as string;
      return JSON.parse(Buffer.from(assertion.split('.')[1] as string, 'base64url').toString()).digest;
    };
    const { createHash } = await import('node:crypto');
    const text = seal('{"amountFen":1}', '');
    for (const [forward, sent, type] of [
      ['opened', '{"amountFen":1}', 'application/json'],
      ['sealed', text, 'application/jose'],
    ] as const) {
      const request = requestOf(text, { body: 'optional' }, forward);
      const opened = { ...sample, ...request, ...(await open(request, true)) };
      assert.deepEqual(opened.value, { amountFen: 1 }, 'the gateway judges the same value');
      const call = forwardCall(key, opened, permission);
      assert.deepEqual([call.body.toString(), call.headers[call.headers.indexOf('Content-Type') + 1]], [sent, type]);
      assert.equal(digestOf(call.headers), createHash('sha256').update(sent).digest('base64url'));
    }
    const clear = requestOf('{"amountFen":1}', {}, 'sealed');
    assert.equal((await open(clear)).sealed, undefined, 'clear bytes go on as they are');
  });
});

describe('sealing answers', () => {
  const reply = (value: object): Reply => ({
    status: 200,
    contentType: 'application/json',
    headers: [],
    body: Buffer.from(JSON.stringify(value)),
    connection: 'keep',
  });
  const keys = [{ ...TO, notBeforeMs: 0, notAfterMs: 10 }];
  const asked = (answer: Encryption['answer'], merchant: object) => ({
    ...sample,
    operation: { ...sample.operation, encryption: { ...NONE, answer } },
    merchant: { ...sample.merchant, ...merchant },
  });
  const place = { merchant: sample.merchant.number, method: sample.method, target: sample.target, request: sample.mark };

  test('fields as the operation lists them, or the whole as the merchant wants it; each delivery anew', () => {
    const answer = [
      { pointer: '/no', required: false },
      { pointer: '/list/*', required: false },
    ];
    const sealed = encryptAnswer(reply({ no: '6200', list: [1, { a: 2 }], open: true }), asked(answer, { encryptionKeys: keys }), 5);
    assert.equal(/6200/.test(sealed.body.toString()), false);
    assert.deepEqual(
      openAnswer(sealed.body, false, place, () => OWN),
      { value: { no: '6200', list: [1, { a: 2 }], open: true }, closed: [] },
    );
    const moved = Buffer.from(JSON.stringify({ other: JSON.parse(sealed.body.toString()).no }));
    assert.deepEqual(openAnswer(moved, false, place, () => OWN).closed, ['/other'], 'moved within the answer');
    assert.deepEqual(openAnswer(sealed.body, false, { ...place, request: 'another' }, () => OWN).closed.length, 3, 'of another request');
    const body = encryptAnswer(reply({ no: '6200' }), asked([], { encryptionKeys: keys, answerEncryption: 'body' }), 5);
    assert.equal(body.contentType, 'application/jose');
    assert.deepEqual(
      openAnswer(body.body, true, place, () => OWN),
      { value: { no: '6200' }, closed: [] },
    );
    const again = encryptAnswer(reply({ no: '6200' }), asked([], { encryptionKeys: keys, answerEncryption: 'body' }), 5);
    assert.notDeepEqual(again.body, body.body);
  });

  test('without a valid key fields stay clear, unless that is forbidden: then nothing goes out', () => {
    const value = { no: '6200' };
    assert.deepEqual(
      JSON.parse(encryptAnswer(reply(value), asked([{ pointer: '/no', required: false }], { encryptionKeys: keys }), 11).body.toString()),
      value,
    );
    assert.throws(
      () => encryptAnswer(reply(value), asked([{ pointer: '/no', required: true }], { encryptionKeys: keys }), 11),
      /lost its encryption key/,
    );
  });
});
