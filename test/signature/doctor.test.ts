import assert from 'node:assert/strict';
import { constants, createHash, sign } from 'node:crypto';
import { test } from 'node:test';
import { type AlgorithmName, signBytes } from '../../src/protocol/algorithms.ts';
import { verifySignature } from '../../src/signature/verify.ts';
import { refusalOf } from './refused.ts';
import { BODY, baseOf, type Draft, digestOf, draft, KEY_PAIRS, keyOf, make, NOW, NOW_MS, optionsFor, paramsText } from './request-maker.ts';

const OPTIONS = optionsFor([keyOf('ecdsa-p256-sha256'), keyOf('rsa-pss-sha512'), keyOf('ed25519'), keyOf('rsa-v1_5-sha256')]);
const privateKey = (algorithm: AlgorithmName) => KEY_PAIRS[algorithm].privateKey;
const withDigest = (digest: string, body = BODY): Draft =>
  draft({ body, headers: draft().headers.map((header) => (header[0] === 'Content-Digest' ? [header[0], digest] : header)) });

const pssSalt = (saltLength: number) => (base: string) =>
  sign('sha512', Buffer.from(base), { key: privateKey('rsa-pss-sha512'), padding: constants.RSA_PKCS1_PSS_PADDING, saltLength });
const hexOf = (base: string) => signBytes('ed25519', privateKey('ed25519'), Buffer.from(base)).toString('hex');

const mistakes: readonly (readonly [hint: RegExp | undefined, draft: Draft, why: string])[] = [
  [/DER-encoded/, draft({ sign: (base) => sign('sha256', Buffer.from(base), privateKey('ecdsa-p256-sha256')) }), 'openssl dgst -sign'],
  [/hexadecimal/, draft({ algorithm: 'ed25519', sign: (base) => Buffer.from(hexOf(base)) }), 'base64 of hex'],
  [/hexadecimal/, draft({ algorithm: 'ed25519', sign: (base) => Buffer.from(hexOf(base), 'base64') }), 'hex instead of base64'],
  [
    /line feed at its end/,
    draft({ sign: (base) => signBytes('ecdsa-p256-sha256', privateKey('ecdsa-p256-sha256'), Buffer.from(`${base}\n`)) }),
    'echo of the base',
  ],
  [/salt/, draft({ algorithm: 'rsa-pss-sha512', sign: pssSalt(constants.RSA_PSS_SALTLEN_MAX_SIGN) }), 'the default salt of openssl'],
  [/salt/, draft({ algorithm: 'rsa-pss-sha512', sign: pssSalt(32) }), 'a salt of the length of SHA-256'],
  [undefined, draft({ sign: () => Buffer.alloc(64, 1) }), 'a mistake that cannot be proven has no hint'],
  [undefined, draft({ sign: () => Buffer.from([0x30, 0x02, 0x02]) }), 'three bytes that begin like DER'],
  [/in hexadecimal/, withDigest(`sha-256=:${createHash('sha256').update(BODY).digest('hex')}:`), 'hex instead of base64'],
  [
    /in hexadecimal/,
    withDigest(`sha-256=:${Buffer.from(createHash('sha256').update(BODY).digest('hex')).toString('base64')}:`),
    'base64 of hex',
  ],
  [/of no bytes/, withDigest(`sha-256=:${digestOf('')}:`), 'hashed too early'],
  [/line feed at its end, which was not sent/, withDigest(`sha-256=:${digestOf(`${BODY}\n`)}:`), 'the file was hashed, --data strips'],
  [/sent with a line feed/, withDigest(`sha-256=:${digestOf(BODY)}:`, `${BODY}\n`), '--data-binary of an edited file'],
  [/sent with CR LF/, withDigest(`sha-256=:${digestOf(BODY)}:`, `${BODY}\r\n`), 'a Windows line end'],
  [undefined, withDigest(`sha-256=:${digestOf('other')}:`), 'simply another body'],
];
for (const [hint, made, why] of mistakes) {
  test(`hint ${hint ?? 'none'}: ${why}`, () => {
    const { code, options } = refusalOf(() => verifySignature(make(made), OPTIONS));
    assert.equal(code, 'SIGNATURE_MISMATCH');
    if (hint) assert.match(String(options.members?.hint), hint);
    else assert.equal(options.members?.hint, undefined);
  });
}

test('a mismatch tells the base as we computed it, cut after 1,024 bytes, and the body we hashed', () => {
  const target = `/v1/orders?${'a'.repeat(2000)}`;
  const made = draft({ target, sign: () => Buffer.alloc(64, 1) });
  const base = baseOf(made);
  const { options } = refusalOf(() => verifySignature(make(made), OPTIONS));
  assert.deepEqual(options.members, { signatureBase: { length: base.length, sha256: digestOf(base), text: base.slice(0, 1024) } });
  const changed = refusalOf(() => verifySignature(make(draft(), { body: 'x' }), OPTIONS));
  assert.deepEqual(changed.options.members?.body, { length: 1, sha256: digestOf('x') });
});

test('hole 6: nothing told after a mismatch is the signature that would have been accepted', () => {
  for (const algorithm of ['ed25519', 'rsa-v1_5-sha256'] as const) {
    const good = signBytes(algorithm, privateKey(algorithm), Buffer.from(baseOf(draft({ algorithm })))).toString('base64');
    const { options, message } = refusalOf(() => verifySignature(make(draft({ algorithm, sign: () => Buffer.alloc(64, 1) })), OPTIONS));
    assert.ok(!`${message}${JSON.stringify(options)}`.includes(good));
  }
});

test('created in milliseconds is told, with our clock', () => {
  const made = draft({ params: paramsText({ created: `${NOW_MS}` }) });
  const { code, options } = refusalOf(() => verifySignature(make(made), OPTIONS));
  assert.equal(code, 'TIMESTAMP_SKEW');
  assert.equal(options.members?.now, NOW);
  assert.match(String(options.members?.hint), /milliseconds/);
  const late = refusalOf(() => verifySignature(make(draft({ params: paramsText({ created: '5' }) })), OPTIONS));
  assert.deepEqual(late.options.members, { now: NOW });
});
