import assert from 'node:assert/strict';
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { describe, test } from 'node:test';
import { explainScheme, isOtherScheme } from '../../src/cli/explain-scheme.ts';
import { FORMS } from '../../tools/vectors/forms.ts';
import { createJudge } from '../../tools/vectors/judge.ts';
import { privateKey, publicPem, signPlainly } from '../../tools/vectors/keys.ts';
import { type Form, latin1, MERCHANT, type Message, NOW_SECONDS } from '../../tools/vectors/message.ts';
import { CONTENT_CASES, type Maker } from './content-mistakes.ts';

/** The doctor on JWS and CMS: each mistake is made for real, named by the gateway, and offline by the same table. */

const OTHERS: Readonly<Record<string, KeyObject>> = {
  rsa: privateKey('other-rsa'),
  p256: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
};

function makerOf(form: Form): Maker {
  const key = privateKey(form.key);
  return {
    form,
    sign: (base) => signPlainly(form.algorithm, key, base),
    signAs: (digest, base, options) => sign(digest, base, { key, ...options }),
    signOther: (base) => signPlainly(form.algorithm, OTHERS[form.key] as KeyObject, base),
  };
}

const wireOf = ({ headers, body, ...line }: Message) => ({ ...line, rawHeaders: headers.flat(), body: latin1(body) });

for (const [name, cases] of Object.entries(CONTENT_CASES)) {
  const form = FORMS.find((each) => `${each.scheme}/${each.name}` === name) as Form;
  const maker = makerOf(form);
  const other = {
    ...{ keyid: 'key-other', algorithm: form.algorithm, publicKey: createPublicKey(OTHERS[form.key] as KeyObject) },
    ...{ merchantNumbers: [MERCHANT], notBeforeMs: 0, notAfterMs: Number.MAX_SAFE_INTEGER },
  };
  const judge = createJudge(form, { keysOf: () => [other], platformNames: () => [], mayTry: () => true });
  const key = { algorithm: form.algorithm, publicKey: createPublicKey(publicPem(form.key)) };
  const offline = (message: Message) =>
    explainScheme(wireOf(message), { key, otherKeys: [other], hosts: [], merchantNumber: MERCHANT, nowMs: NOW_SECONDS * 1000 });

  describe(name, () => {
    for (const { id, why, code = 'SIGNATURE_MISMATCH', make } of cases) {
      test(`${id}: ${why}`, () => {
        const message = make(maker);
        const judged = judge(message);
        assert.ok('code' in judged, 'accepted');
        assert.deepEqual([judged.code, judged.members.mistake], [code, id], JSON.stringify(judged.members));
        assert.ok(isOtherScheme(wireOf(message)));
        // Offline nobody knows which profile is agreed: the message says it.
        if (id === 'b64-of-the-other-profile') return;
        assert.deepEqual(
          offline(message).mistakes.map((mistake) => mistake.id),
          [id],
        );
      });
    }
    test('a good request has no problems offline', () => {
      assert.deepEqual(offline(form.make(form.draft, maker.sign).message).problems, []);
    });
    test('what nobody knows has no name, and costs no more than the budget', () => {
      let tried = 0;
      const counting = createJudge(form, { keysOf: () => [other], platformNames: () => [], mayTry: () => ++tried > 0 });
      const judged = counting(form.make(form.draft, (base) => maker.sign(Buffer.concat([base, Buffer.from('!')]))).message);
      assert.ok('code' in judged);
      assert.deepEqual([judged.code, judged.members.mistake], ['SIGNATURE_MISMATCH', undefined]);
      assert.ok(tried <= 64, `${tried}`);
    });
    test('the base that is told is the one of the request as it came, and of the body only its hash', () => {
      const message = { ...form.make(form.draft, maker.sign).message, body: form.draft.body.replace('1999', '9999') };
      const judged = judge(message);
      assert.ok('code' in judged);
      const { lines, text } = judged.members.signatureBase as { lines: { name: string; length: number; sha256: string }[]; text: string };
      const sha256 = createHash('sha256').update(latin1(message.body)).digest('hex');
      assert.deepEqual([lines.at(-1)?.sha256, lines.at(-1)?.length], [sha256, message.body.length]);
      assert.equal(text.includes('9999'), false);
    });
  });
}

describe('a message whose claims say something else than the request', () => {
  const form = FORMS.find(({ scheme, name }) => `${scheme}/${name}` === 'jws/post-es256') as Form;
  const maker = makerOf(form);
  const judge = createJudge(form, { keysOf: () => [], platformNames: () => [], mayTry: () => true });

  test('is refused even with a signature over the header that the request demands', () => {
    const { message, base, signature } = form.make(form.draft, maker.sign);
    assert.ok('verified' in judge(message));
    const claims = JSON.parse(Buffer.from(base.toString().split('.')[0] as string, 'base64url').toString()) as object;
    const wrong = Buffer.from(JSON.stringify({ ...claims, htu: 'https://gateway.example/v1/refunds' })).toString('base64url');
    const field = `${wrong}..${signature.toString('base64url')}`;
    const judged = judge({ ...message, headers: message.headers.map(([name, value]) => [name, /^x-jws/.test(name) ? field : value]) });
    assert.ok('code' in judged);
    assert.equal(judged.code, 'SIGNATURE_MISMATCH');
  });
});
