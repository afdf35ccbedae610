import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { after, test } from 'node:test';
import { loadAuthorities } from '../../src/identity/authorities.ts';
import { createOcsp, type OcspRow } from '../../src/identity/ocsp.ts';
import { createOcspClient } from '../../src/identity/ocsp-client.ts';
import { makeOcsp, type OcspResponse, ocspFailure, startHttp } from '../support/ocsp.ts';
import { makePki } from '../support/pki.ts';

const pki = await makePki();
after(pki.dispose);
const authority = pki.read('merchants-authority');
const authorities = loadAuthorities([{ name: 'merchants', certificates: [authority.certificate] }]);
const NOW = Math.floor(Date.now() / 1000) * 1000;
const HOUR_MS = 3_600_000;
const SERIAL = '0A0B';
const peer = { authority: 'merchants', issuerKeyid: authority.keyid, serialNumber: SERIAL, responders: [] as readonly string[] };

/** One authority with one responder that is a function, at a clock of the test's. */
function prepare(row: Partial<OcspRow> = {}, ocspSecondsMax = 3_600) {
  const clock = { nowMs: NOW };
  const alarms: string[] = [];
  const results: string[] = [];
  const asked: string[] = [];
  const responder: { answer: () => Promise<Buffer> | Buffer } = { answer: () => made() };
  const made = (changes: Partial<OcspResponse> = {}) => makeOcsp(authority, { serial: SERIAL, thisUpdateMs: clock.nowMs, ...changes });
  const ocsp = createOcsp({
    authorities: () => authorities,
    ask: async (url) => {
      asked.push(url.href);
      return responder.answer();
    },
    isRevoked: () => false,
    nowMs: () => clock.nowMs,
    onAlarm: (line) => alarms.push(line),
    onAnswer: (_authority, result) => results.push(result),
  });
  const follow = (changes: Partial<OcspRow> = {}) =>
    ocsp.follow({
      authorities: [{ name: 'merchants', ocsp: { mode: 'strict', url: 'http://ocsp.example/', hosts: [], ...row, ...changes } }],
      revocation: { ocspTimeoutMs: 2_000, ocspSecondsMax },
    });
  follow();
  const judge = () => ocsp.judge(peer, clock.nowMs);
  return { ocsp, clock, alarms, results, asked, responder, made, follow, judge };
}

test('strict: nobody is good before the responder said so; then it is not asked until the answer ends', async () => {
  const { ocsp, clock, asked, judge, results } = prepare();
  assert.equal(judge(), 'unknown');
  await ocsp.ready(peer);
  assert.equal(judge(), 'good');
  assert.equal(ocsp.ready(peer), undefined);
  clock.nowMs += HOUR_MS;
  assert.equal(ocsp.ready(peer), undefined, 'the last moment');
  clock.nowMs += 1;
  assert.equal(judge(), 'unknown', 'over');
  await ocsp.ready(peer);
  assert.deepEqual([judge(), asked.length, results], ['good', 2, ['good', 'good']]);
});

test('an answer counts no longer than the operator says, however far its nextUpdate is', async () => {
  const { ocsp, clock, responder, made, judge } = prepare({}, 60);
  responder.answer = () => made({ nextUpdateMs: NOW + 300 * HOUR_MS });
  await ocsp.ready(peer);
  clock.nowMs += 60_001;
  assert.equal(judge(), 'unknown');
});

test('many who wait for one certificate ask once', async () => {
  const { ocsp, asked } = prepare();
  await Promise.all(Array.from({ length: 20 }, () => ocsp.ready(peer)));
  assert.equal(asked.length, 1);
});

for (const [mode, away] of [
  ['strict', 'unknown'],
  ['soft', 'good'],
] as const) {
  test(`${mode}: a responder that is away makes a certificate ${away}, one alarm, and no question for 5 s`, async () => {
    const { ocsp, clock, asked, alarms, results, responder, judge } = prepare({ mode });
    responder.answer = () => Promise.reject(new Error('connection refused'));
    await ocsp.ready(peer);
    assert.deepEqual([judge(), ocsp.ready(peer)], [away, undefined]);
    clock.nowMs += 5_001;
    await ocsp.ready(peer);
    assert.deepEqual([asked.length, results, alarms.length], [2, ['failed', 'failed'], 1]);
    assert.match(alarms[0] as string, /merchants.*connection refused/);
    clock.nowMs += 600_000;
    await ocsp.ready(peer);
    assert.equal(alarms.length, 2, 'ten minutes later it is still so');
  });

  test(`${mode}: what was revoked stays so when the responder goes away, and when an older answer comes back`, async () => {
    const { ocsp, clock, responder, made, judge } = prepare({ mode });
    responder.answer = () => made({ status: 'revoked' });
    await ocsp.ready(peer);
    clock.nowMs += HOUR_MS + 1;
    responder.answer = () => Promise.reject(new Error('away'));
    await ocsp.ready(peer);
    assert.equal(judge(), 'revoked');
    clock.nowMs += 5_001;
    responder.answer = () => made({ thisUpdateMs: NOW - 1000, nextUpdateMs: NOW + 9 * HOUR_MS });
    await ocsp.ready(peer);
    assert.equal(judge(), 'revoked', 'a good answer from before the revocation, sent again');
    clock.nowMs += 5_001;
    responder.answer = () => made();
    await ocsp.ready(peer);
    assert.equal(judge(), 'good', 'a hold that was lifted');
  });
}

test('soft is soft about silence only: an authority that says it does not know the certificate is heard', async () => {
  const { ocsp, responder, made, judge } = prepare({ mode: 'soft' });
  responder.answer = () => made({ status: 'unknown' });
  await ocsp.ready(peer);
  assert.equal(judge(), 'unknown');
});

test('off, or a certificate that is refused anyway: nobody is asked', async () => {
  const { ocsp, asked, judge, follow } = prepare();
  const refusal = { code: 'CERTIFICATE_EXPIRED', reason: 'expired' } as const;
  assert.equal(ocsp.ready({ ...peer, refusal }), undefined);
  ocsp.refresh({ ...peer, refusal });
  follow({ mode: 'off' });
  assert.deepEqual([ocsp.ready(peer), judge(), asked.length], [undefined, 'good', 0]);
});

test('for an open connection the next answer is fetched before the last one ends, and a failure then costs nothing', async () => {
  const { ocsp, clock, asked, responder, made, judge } = prepare({}, 100);
  await ocsp.ready(peer);
  clock.nowMs += 89_000;
  ocsp.refresh(peer);
  assert.equal(asked.length, 1, 'early enough');
  clock.nowMs += 2_000;
  responder.answer = () => Promise.reject(new Error('away'));
  ocsp.refresh(peer);
  await new Promise(setImmediate);
  assert.deepEqual([asked.length, judge()], [2, 'good']);
  ocsp.refresh(peer);
  assert.equal(asked.length, 2, 'not at once again');
  clock.nowMs += 5_001;
  responder.answer = () => made({ status: 'revoked' });
  ocsp.refresh(peer);
  await new Promise(setImmediate);
  assert.equal(judge(), 'revoked');
});

const HOSTS = ['ocsp.example', 'ocsp.example:8080'];
const urls: readonly (readonly [responders: readonly string[], asked: string | undefined, why: string])[] = [
  [['http://ocsp.example/ca1?x=1'], 'http://ocsp.example/ca1?x=1', 'a host of the list'],
  [['http://OCSP.example:80/'], 'http://ocsp.example/', 'another spelling of it'],
  [['http://ocsp.example:8080/'], 'http://ocsp.example:8080/', 'a port of the list'],
  [['http://evil.example/', 'http://ocsp.example/'], 'http://ocsp.example/', 'the second of two'],
  [[], undefined, 'none named'],
  [['http://127.0.0.1:6379/'], undefined, 'this machine'],
  [['http://169.254.169.254/latest/meta-data'], undefined, "the cloud's own address"],
  [['http://[::1]/'], undefined, 'this machine by IPv6'],
  [['http://ocsp.example:6379/'], undefined, 'another port'],
  [['https://ocsp.example/'], undefined, 'https'],
  [['file:///etc/passwd'], undefined, 'a file'],
  [['ldap://ocsp.example/'], undefined, 'ldap'],
  [['http://ocsp.example@evil.example/'], undefined, 'userinfo that looks like the host'],
  [['http://user:pass@ocsp.example/'], undefined, 'userinfo'],
  [['http://user@ocsp.example/'], undefined, 'a user without a password'],
  [['http://:pass@ocsp.example/'], undefined, 'a password without a user'],
  [['http://ocsp.example.evil.example/'], undefined, 'the host as a label of another'],
  [['http://ocsp.example\\@evil.example/'], 'http://ocsp.example/@evil.example/', 'a backslash is a slash: the host stays'],
  [['not a url'], undefined, 'no URL'],
];
for (const [responders, expected, why] of urls) {
  test(`which responder a certificate may name: ${why}`, async () => {
    const { ocsp, asked, judge } = prepare({ url: undefined, hosts: HOSTS });
    await ocsp.ready({ ...peer, responders });
    assert.deepEqual([asked, judge()], [expected === undefined ? [] : [expected], expected === undefined ? 'unknown' : 'good']);
  });
}

test('a responder that is configured is asked whatever the certificate names', async () => {
  const { ocsp, asked } = prepare({ hosts: HOSTS });
  await ocsp.ready({ ...peer, responders: ['http://evil.example/'] });
  assert.deepEqual(asked, ['http://ocsp.example/']);
});

test("the same number below another of the authority's keys is another certificate", async () => {
  const { ocsp, responder, judge } = prepare();
  await ocsp.ready({ ...peer, issuerKeyid: 'f'.repeat(64) });
  assert.equal(judge(), 'unknown');
  responder.answer = () => makeOcsp(pki.read('server-authority'), { serial: SERIAL, thisUpdateMs: NOW });
  await ocsp.ready(peer);
  assert.equal(judge(), 'unknown');
});

const hostile: readonly (readonly [listener: (request: IncomingMessage, response: ServerResponse) => void, reason: RegExp, why: string])[] =
  [
    [() => undefined, /no answer within/, 'it never answers'],
    [(_, response) => void response.writeHead(200).write('0'), /no answer within/, 'it drips'],
    [(_, response) => void response.writeHead(200).end(Buffer.alloc(70_000)), /ResponseExceeded|exceed/i, 'a huge answer'],
    [(_, response) => void response.writeHead(200).end('garbage'), /well-formed/, 'garbage'],
    [(_, response) => void response.writeHead(200).end(), /well-formed/, 'nothing'],
    [(_, response) => void response.writeHead(200).end(ocspFailure(2)), /has a fault/, 'an unsigned failure'],
    [
      (_, response) => void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
      /answered 302/,
      'a redirect, which is not followed',
    ],
    [(_, response) => void response.writeHead(500).end(), /answered 500/, 'an error'],
    [(_, response) => response.destroy(), /could not be asked/, 'a connection that ends'],
    [(_, response) => void response.socket?.end('SSH-2.0-OpenSSH\r\n'), /could not be asked/, 'another protocol'],
  ];
test('responders that mean harm cost a question, and nothing else', async (t) => {
  const client = createOcspClient();
  t.after(client.close);
  let listener = hostile[0]?.[0] as (typeof hostile)[number][0];
  const server = await startHttp((request, response) => listener(request, response));
  t.after(server.close);
  for (const [listen, reason, why] of hostile) {
    listener = listen;
    const { ocsp, alarms, judge } = prepareWith(client.ask, server.url);
    await ocsp.ready(peer);
    assert.equal(judge(), 'unknown', why);
    assert.match(alarms.join(), reason, why);
  }
  listener = (_, response) => void response.writeHead(200).end(makeOcsp(authority, { serial: SERIAL }));
  const { ocsp, judge } = prepareWith(client.ask, server.url);
  await ocsp.ready(peer);
  assert.equal(judge(), 'good', 'and the client still works');
});

function prepareWith(ask: ReturnType<typeof createOcspClient>['ask'], url: string) {
  const alarms: string[] = [];
  const nowMs = Date.now;
  const ocsp = createOcsp({
    authorities: () => authorities,
    ask,
    isRevoked: () => false,
    nowMs,
    onAlarm: (line) => alarms.push(line),
    onAnswer: () => undefined,
  });
  ocsp.follow({
    authorities: [{ name: 'merchants', ocsp: { mode: 'strict', url, hosts: [] } }],
    revocation: { ocspTimeoutMs: 200, ocspSecondsMax: 60 },
  });
  return { ocsp, alarms, judge: () => ocsp.judge(peer, nowMs()) };
}
