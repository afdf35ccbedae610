import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { pemOf, readPem } from '../../src/certificates/pem.ts';
import { createStaples } from '../../src/identity/staples.ts';
import { issueBy, makeOcsp, type OcspResponse, responderExtension } from '../support/ocsp.ts';
import { makePki } from '../support/pki.ts';

const pki = await makePki();
after(pki.dispose);
const authority = pki.read('server-authority');
const NOW = Math.floor(Date.now() / 1000) * 1000;
const HOUR_MS = 3_600_000;
const certified = (url: string) => issueBy(authority, { extensions: [responderExtension(url)] });
const issuerPem = pemOf(readPem(authority.certificatePem, 'the authority')[0]);

/** One certificate of ours, and its responder as a function. */
function prepare(url = 'http://ocsp.example/a?b=1') {
  const server = certified(url);
  const [der] = readPem(server.certificatePem, 'a certificate');
  const clock = { nowMs: NOW };
  const alarms: string[] = [];
  const asked: string[] = [];
  const made = (changes: Partial<OcspResponse> = {}) =>
    makeOcsp(authority, { serial: server.serialNumber, thisUpdateMs: clock.nowMs, ...changes });
  const responder: { answer: () => Buffer | Promise<Buffer> } = { answer: () => made() };
  const staples = createStaples({
    ask: async (asking) => {
      asked.push(asking.href);
      return responder.answer();
    },
    nowMs: () => clock.nowMs,
    onAlarm: (line) => alarms.push(line),
  });
  return { staples, clock, alarms, asked, responder, made, der, chain: server.certificatePem + issuerPem, leaf: server.certificatePem };
}

test('it is asked ahead, shown while it counts, and fetched anew at half time', async () => {
  const { staples, clock, asked, der, chain, made, responder } = prepare();
  assert.equal(staples.find(der), undefined);
  const first = made();
  responder.answer = () => first;
  staples.follow('internet', [chain]);
  await staples.look();
  await new Promise(setImmediate);
  assert.deepEqual([staples.find(der), asked], [first, ['http://ocsp.example/a?b=1']]);
  await staples.look();
  assert.equal(asked.length, 1, 'not due');
  clock.nowMs += HOUR_MS / 2;
  const second = made();
  responder.answer = () => second;
  await staples.look();
  assert.deepEqual([staples.find(der), asked.length], [second, 2]);
});

test('a responder that is away: the last answer is shown until it ends, one alarm, and it is tried again', async () => {
  const { staples, clock, alarms, asked, der, chain, responder } = prepare();
  staples.follow('internet', [chain]);
  await new Promise(setImmediate);
  responder.answer = () => Promise.reject(new Error('connection refused'));
  clock.nowMs += HOUR_MS / 2;
  await staples.look();
  await staples.look();
  assert.deepEqual([asked.length, alarms.length], [2, 1]);
  assert.match(alarms[0] as string, /connection refused/);
  assert.ok(staples.find(der));
  clock.nowMs += HOUR_MS / 2 + 1;
  await staples.look();
  assert.deepEqual([staples.find(der), asked.length, alarms.length], [undefined, 3, 1]);
});

for (const [change, reason] of [
  [{ status: 'revoked' }, /says that it is revoked/],
  [{ status: 'unknown' }, /says that it is unknown/],
  [{ serial: '01' }, /other certificates/],
  [{ signer: pki.read('merchants-authority') }, /has not signed/],
] as const) {
  test(`an answer that would do harm is not shown: ${JSON.stringify(Object.keys(change))} ${reason.source}`, async () => {
    const { staples, alarms, der, chain, made, responder } = prepare();
    responder.answer = () => made(change);
    staples.follow('internet', [chain]);
    await new Promise(setImmediate);
    assert.equal(staples.find(der), undefined);
    assert.match(alarms.join(), reason);
  });
}

test('a certificate without a responder, with one by https, or without its issuer: nobody is asked', async () => {
  for (const [url, whole, told] of [
    ['https://ocsp.example/', true, 0],
    ['not a url', true, 0],
    ['http://ocsp.example/', false, 1],
  ] as const) {
    const { staples, asked, alarms, chain, leaf } = prepare(url);
    staples.follow('internet', [whole ? chain : leaf, pki.read('server').certificatePem]);
    await staples.look();
    assert.deepEqual([asked.length, alarms.length], [0, told]);
  }
});

test('a certificate that is exchanged is forgotten; two doors with one certificate ask once', async () => {
  const { staples, asked, der, chain } = prepare();
  staples.follow('internet', [chain]);
  staples.follow('dedicated', [chain]);
  await new Promise(setImmediate);
  assert.equal(asked.length, 1);
  staples.follow('internet', []);
  assert.ok(staples.find(der));
  staples.follow('dedicated', []);
  assert.equal(staples.find(der), undefined);
});
