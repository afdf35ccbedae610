import assert from 'node:assert/strict';
import { constants, createHash, createPublicKey, sign } from 'node:crypto';
import { describe, test } from 'node:test';
import { explainScheme, isOtherScheme } from '../../src/cli/explain-scheme.ts';
import { FORMS } from '../../tools/vectors/forms.ts';
import { createJudge } from '../../tools/vectors/judge.ts';
import { privateKey, publicPem } from '../../tools/vectors/keys.ts';
import { type Form, latin1, MERCHANT, type Message, NOW_SECONDS } from '../../tools/vectors/message.ts';

/** The doctor on the schemes of lines and of forms: each mistake is made for real over the text that their documents describe. */

const rsa = (base: Buffer | string, digest = 'sha256'): Buffer =>
  sign(digest, typeof base === 'string' ? latin1(base) : base, privateKey('rsa'));
const other = {
  keyid: 'key-other',
  algorithm: 'rsa-v1_5-sha256',
  publicKey: createPublicKey(publicPem('other-rsa')),
  merchantNumbers: [MERCHANT],
  notBeforeMs: 0,
  notAfterMs: Number.MAX_SAFE_INTEGER,
} as const;

type Made = (form: Form) => Message;
/** Signs another text than the right one. */
const signs =
  (change: (base: string) => string | Buffer): Made =>
  (form) =>
    form.make(form.draft, (base) => rsa(change(base.toString('latin1')))).message;
const signsBy =
  (make: (base: Buffer) => Buffer): Made =>
  (form) =>
    form.make(form.draft, make).message;
/** Signs one request, sends another. */
const sends =
  (change: (message: Message) => Partial<Message>): Made =>
  (form) => {
    const { message } = form.make(form.draft, rsa);
    return { ...message, ...change(message) };
  };
const at =
  (change: (text: string) => string, header = 'Authorization'): Made =>
  (form) => {
    const { message } = form.make(form.draft, rsa);
    return { ...message, headers: message.headers.map(([name, value]) => [name, name === header ? change(value) : value]) };
  };
const utf8 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');
const rewritten = (body: string): string => utf8(JSON.stringify(JSON.parse(latin1(body).toString('utf8')), null, 2));
const psses = (base: Buffer): Buffer =>
  sign('sha256', base, { key: privateKey('rsa'), padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });

type Case = readonly [id: string, make: Made, code?: string];
const LINES: readonly Case[] = [
  ['last-line-feed-missing', signs((base) => base.slice(0, -1))],
  ['line-feed-at-end', signs((base) => `${base}\n`)],
  ['base-crlf', signs((base) => base.replaceAll('\n', '\r\n'))],
  ['escaped-line-feeds', signs((base) => base.replaceAll('\n', '\\n'))],
  ['query-dropped', sends(({ target }) => ({ target: `${target}?a=1` }))],
  ['path-decoded', (form) => ({ ...form.make({ ...form.draft, target: '/v1/orders?a=b c' }, rsa).message, target: '/v1/orders?a=b%20c' })],
  ['address-for-path', signs((base) => base.replace('/v1/orders', 'https://gateway.example/v1/orders'))],
  ['body-reserialised', sends(({ body }) => ({ body: rewritten(body) }))],
  ['body-line-end-not-signed', sends(({ body }) => ({ body: `${body}\r\n` }))],
  ['body-absent', (form) => ({ ...form.make({ ...form.draft, body: '' }, rsa).message, body: form.draft.body })],
  ['other-key', signsBy((base) => sign('sha256', base, privateKey('other-rsa')))],
  ['hex-signature', signsBy((base) => latin1(rsa(base).toString('hex')))],
  ['base64-twice', signsBy((base) => latin1(rsa(base).toString('base64')))],
  ['wrong-hash', signsBy((base) => rsa(base, 'sha1'))],
  ['hashed-twice', signsBy((base) => rsa(createHash('sha256').update(base).digest()))],
  ['pss-for-pkcs1', signsBy(psses)],
  ['clock-off', (form) => form.make({ ...form.draft, createdAtSeconds: NOW_SECONDS - 1000 }, rsa).message, 'TIMESTAMP_SKEW'],
];
const FIELDS: readonly Case[] = [
  ['fields-encoded', signs((base) => base.replace(/=([^&]*)/g, (_, value) => `=${encodeURIComponent(latin1(value).toString('utf8'))}`))],
  [
    'fields-unsorted',
    signs((base) =>
      ['app_id', 'app_cert_sn', 'method', 'charset', 'sign_type', 'timestamp', 'version', 'biz_content']
        .map((name) => base.split('&').find((pair) => pair.startsWith(`${name}=`)))
        .join('&'),
    ),
  ],
  ['fields-of-the-other-dialect', signs((base) => createHash('sha256').update(latin1(base)).digest('hex'))],
  ['line-feed-at-end', signs((base) => `${base}\n`)],
  ['wrong-hash', signsBy((base) => rsa(base, 'sha1'))],
  ['other-key', signsBy((base) => sign('sha256', base, privateKey('other-rsa')))],
  ['local-time-for-utc', (form) => form.make({ ...form.draft, createdAtSeconds: NOW_SECONDS - 28_800 }, rsa).message, 'TIMESTAMP_SKEW'],
];
const OWN: Readonly<Record<string, readonly Case[]>> = {
  'wechatpay-v3/post': [
    ...LINES,
    ['milliseconds-for-seconds', at((value) => value.replace(/timestamp="(\d+)"/, 'timestamp="$1000"')), 'TIMESTAMP_SKEW'],
  ],
  'alipay-v3/post': [
    ...LINES,
    ['seconds-for-milliseconds', at((value) => value.replace(/timestamp=(\d+)000/, 'timestamp=$1')), 'TIMESTAMP_SKEW'],
  ],
  'sorted-rsa2/alipay-v2': FIELDS,
};

for (const [name, cases] of Object.entries(OWN)) {
  const form = FORMS.find((each) => `${each.scheme}/${each.name}` === name) as Form;
  const judge = createJudge(form, { keysOf: () => [other], platformNames: () => [], mayTry: () => true });
  describe(name, () => {
    for (const [id, make, code = 'SIGNATURE_MISMATCH'] of cases) {
      test(id, () => {
        const judged = judge(make(form));
        assert.ok('code' in judged, 'accepted');
        assert.deepEqual([judged.code, judged.members.mistake], [code, id]);
        const { headers, body, ...line } = make(form);
        const request = { ...line, rawHeaders: headers.flat(), body: latin1(body) };
        assert.ok(isOtherScheme(request));
        const key = { algorithm: form.algorithm, publicKey: createPublicKey(publicPem(form.key)) };
        const offline = explainScheme(request, { key, otherKeys: [other], hosts: [], nowMs: NOW_SECONDS * 1000 });
        // Padding of RSA-PSS is random: the messages differ, the mistake does not.
        assert.deepEqual(
          offline.mistakes.map((mistake) => mistake.id),
          [id],
        );
      });
    }
    test('offline a good request has no problems, and without a key says so', () => {
      const { headers, body, ...line } = form.make(form.draft, rsa).message;
      const request = { ...line, rawHeaders: headers.flat(), body: latin1(body) };
      const key = { algorithm: form.algorithm, publicKey: createPublicKey(publicPem(form.key)) };
      const expected = { otherKeys: [], hosts: [], nowMs: NOW_SECONDS * 1000 };
      assert.deepEqual(explainScheme(request, { ...expected, key }).problems, []);
      assert.match(explainScheme(request, expected).problems.join(), /verified with a key/);
    });
    test('each line is told by its hash, and of the body nothing else', () => {
      const judged = judge(sends(({ body }) => ({ body: body.replace('1999', '9999') }))(form));
      assert.ok('code' in judged);
      const { lines, text } = judged.members.signatureBase as { lines: { name: string; length: number; sha256: string }[]; text: string };
      assert.ok(lines.length >= 4);
      if (form.scheme === 'sorted-rsa2') return;
      const body = form.draft.body.replace('1999', '9999');
      const told = { name: 'body', length: body.length, sha256: createHash('sha256').update(latin1(body)).digest('hex') };
      assert.deepEqual(lines.at(-1), told);
      assert.equal(text.includes('9999'), false);
    });
  });
}
