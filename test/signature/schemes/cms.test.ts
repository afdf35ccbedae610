import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { readCms } from '../../../src/certificates/read-cms.ts';
import { signCms } from '../../../src/certificates/write-cms.ts';
import { createSigner } from '../../../src/keys/signer.ts';
import { defaultAlgorithm, verifyBytes } from '../../../src/protocol/algorithms.ts';
import { type ErrorCode, Refusal } from '../../../src/protocol/errors.ts';
import type { Routed, Verified } from '../../../src/protocol/messages.ts';
import { schemeOf } from '../../../src/signature/schemes.ts';
import { verifySignature } from '../../../src/signature/verify.ts';
import { opensslOk } from '../../support/openssl.ts';
import { type Leaf, makePki, type Pki } from '../../support/pki.ts';
import { assertRefused, refusalOf } from '../refused.ts';
import { BODY, digestOf, freshNonce, type Header, HOST, keyOf, MERCHANT, NOW, NOW_MS, optionsFor } from '../request-maker.ts';
import { type Request, routedOf, STANDARD_OPTIONS } from '../scheme-maker.ts';

const TARGET = '/v1/orders?a=1';
const NONCE = freshNonce();
const OTHER = '800000000000002';

type Draft = {
  readonly request?: Partial<Request>;
  /** Lines of the block that differ from what is sent; undefined leaves one out. */
  readonly lines?: Readonly<Record<string, string | undefined>>;
  readonly first?: string;
  readonly created?: string;
  readonly nonce?: string;
  /** Changes the very bytes that are signed. */
  readonly content?: (content: Buffer) => Buffer;
  readonly field?: (message: Buffer) => readonly Header[];
  readonly headers?: readonly Header[];
};

describe('requests with a detached CMS signature', () => {
  let pki: Pki;
  let leaf: Leaf;
  before(async () => {
    pki = await makePki();
    leaf = pki.read(`merchants/${OTHER}`);
  });
  after(() => pki.dispose());

  const FIXED: readonly Header[] = [
    ['Host', HOST],
    ['Content-Type', 'application/json'],
    ['Idempotency-Key', 'order-A1'],
  ];
  const contentOf = (draft: Draft): Buffer => {
    const { request = {}, lines = {}, first = 'hufu-cms-request-1', created = String(NOW), nonce = NONCE } = draft;
    const { method = 'POST', target = TARGET, body = BODY } = request;
    const all = {
      method,
      'target-uri': `https://${HOST}${target}`,
      'merchant-number': MERCHANT,
      created,
      nonce,
      'content-type': 'application/json',
      'idempotency-key': 'order-A1',
      ...lines,
    };
    const text = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}\n`]));
    return Buffer.concat([Buffer.from(`${first}\n${text.join('')}\n`), Buffer.from(body)]);
  };
  const signed = (content: Buffer, by = leaf): Promise<Buffer> => {
    const signer = createSigner('k', defaultAlgorithm(by.privateKey), by.privateKey);
    return signCms(content, new X509Certificate(by.certificatePem).raw, signer, NOW_MS);
  };
  const make = async (draft: Draft = {}, by = leaf): Promise<Routed> => {
    const { request = {}, created = String(NOW), nonce = NONCE, headers = [] } = draft;
    const {
      content = (bytes: Buffer) => bytes,
      field = (bytes: Buffer): readonly Header[] => [['X-CMS-Signature', bytes.toString('base64')]],
    } = draft;
    const message = await signed(content(contentOf(draft)), by);
    const fields: readonly Header[] = [...FIXED, ['X-CMS-Created', created], ['X-CMS-Nonce', nonce], ...headers, ...field(message)];
    const whole = { method: 'POST', target: TARGET, body: BODY, headers: fields, ...request };
    return routedOf(whole, { signatures: new Set(['cms']), signatureOptions: STANDARD_OPTIONS });
  };
  /** The certificate's own checks are those of identity/message-signer; here it is only asked what key it has. */
  const verify = (routed: Routed, merchantNumbers: readonly string[] = [MERCHANT]): Verified => {
    const checkSigner = ([der]: readonly Uint8Array[]) => {
      const { publicKey } = new X509Certificate(der as Uint8Array);
      const algorithm = defaultAlgorithm(publicKey);
      return { certificate: {} as never, key: keyOf(algorithm, { keyid: 'of the certificate', publicKey, merchantNumbers }) };
    };
    return verifySignature(routed, optionsFor([], { checkSigner }));
  };

  for (const number of [MERCHANT, OTHER]) {
    test(`accepted with its facts, signed by the certificate of ${number}`, async () => {
      const verified = verify(await make({}, pki.read(`merchants/${number}`)));
      assert.deepEqual([verified.scheme, verified.nonce, verified.createdAtSeconds], ['cms', `cms:${NONCE}`, NOW]);
      assert.equal(verified.key.keyid, 'of the certificate');
      assert.ok(verified.signatureBase.startsWith(contentOf({}).toString().replace(BODY, '')));
      assert.ok(verified.signatureBase.includes(`sha-256=:${digestOf(BODY)}:`));
      assert.ok(!verified.signatureBase.includes('amountFen'));
    });
  }

  test('accepted from openssl, with attributes and without', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hufu-cms-'));
    try {
      for (const args of [[], ['-noattr'], ['-cades', '-nosmimecap']]) {
        writeFileSync(join(folder, 'signed'), contentOf({}));
        const how = ['-binary', '-md', 'sha256', '-signer', leaf.certificate, '-inkey', leaf.key, '-outform', 'DER'];
        opensslOk(['cms', '-sign', '-in', join(folder, 'signed'), '-out', join(folder, 'p7'), ...how, ...args]);
        const p7 = readFileSync(join(folder, 'p7')).toString('base64');
        assert.ok(verify(await make({ field: () => [['X-CMS-Signature', p7]] })));
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('accepted: a GET, and a key of several merchants, since the block names one', async () => {
    const lines = { 'content-type': undefined, 'idempotency-key': undefined };
    const routed = await make({ request: { method: 'GET', body: '' }, lines });
    const rawHeaders = routed.rawHeaders.filter(
      (_, i) => !/^(content-type|idempotency-key)$/i.test(routed.rawHeaders[i - (i % 2)] as string),
    );
    assert.ok(verify({ ...routed, rawHeaders }));
    assert.ok(verify(await make(), [MERCHANT, OTHER]));
  });

  const [INVALID, MISMATCH] = ['SIGNATURE_INVALID', 'SIGNATURE_MISMATCH'] as const;
  const base64 = (change: (text: string) => string): Draft => ({
    field: (bytes) => [['X-CMS-Signature', change(bytes.toString('base64'))]],
  });
  const refused: readonly (readonly [why: string, code: ErrorCode, draft: Draft])[] = [
    // D1
    ['an empty signature', INVALID, base64(() => '')],
    ['base64url', INVALID, base64((text) => `${text.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')}-`)],
    ['base64 without padding or with too much', INVALID, base64((text) => (text.endsWith('=') ? text.replace(/=+$/, '') : `${text}=`))],
    ['base64 with a line feed', INVALID, base64((text) => `${text.slice(0, 64)} ${text.slice(64)}`)],
    ['PEM', INVALID, base64((text) => `-----BEGIN CMS-----${text}-----END CMS-----`)],
    ['two signatures', INVALID, { headers: [['x-cms-signature', 'AA==']] }],
    ['not DER', INVALID, { field: () => [['X-CMS-Signature', 'AAAA']] }],
    [
      'a byte after the message',
      INVALID,
      { field: (bytes) => [['X-CMS-Signature', Buffer.concat([bytes, Buffer.alloc(1)]).toString('base64')]] },
    ],
    ['an RFC 9421 signature beside it', 'SIGNATURE_AMBIGUOUS', { headers: [['Signature', 'hufu=:AA==:']] }],
    ['a JWS beside it', 'SIGNATURE_AMBIGUOUS', { headers: [['x-jws-signature', 'a..b']] }],
    // D3, holes 2 to 5: every line of the block.
    ...['method', 'target-uri', 'merchant-number', 'created', 'nonce', 'content-type', 'idempotency-key'].map(
      (name): [string, ErrorCode, Draft] => [`the block lacks ${name}`, MISMATCH, { lines: { [name]: undefined } }],
    ),
    ['the body alone is signed', MISMATCH, { content: () => Buffer.from(BODY) }],
    ['the block alone is signed', MISMATCH, { content: (content) => content.subarray(0, content.indexOf(BODY)) }],
    ['the block of an answer', MISMATCH, { first: 'hufu-cms-answer-1' }],
    ['the block of a later version', MISMATCH, { first: 'hufu-cms-request-2' }],
    [
      'CR LF for LF, as openssl does without -binary',
      MISMATCH,
      { content: (content) => Buffer.from(content.toString().replaceAll('\n', '\r\n')) },
    ],
    ['one line feed more at the end', MISMATCH, { content: (content) => Buffer.concat([content, Buffer.from('\n')]) }],
    [
      'lines in another order',
      MISMATCH,
      { content: (content) => Buffer.from(content.toString().replace(/(method.*\n)(target.*\n)/, '$2$1')) },
    ],
    ['hole 4: the target without its query', MISMATCH, { lines: { 'target-uri': `https://${HOST}/v1/orders` } }],
    ['D8: another host', MISMATCH, { lines: { 'target-uri': `https://test.example${TARGET}` } }],
    ['another merchant', MISMATCH, { lines: { 'merchant-number': OTHER } }],
    ['hole 14: Idempotency-Key twice', 'HTTP_INVALID', { headers: [['idempotency-key', 'b']] }],
    ['a Range that is not in the block', MISMATCH, { headers: [['Range', 'bytes=0-9']] }],
    ['a digest that is not the body', MISMATCH, { headers: [['Content-Digest', `sha-256=:${digestOf('other')}:`]] }],
    ['a header that is not ASCII', INVALID, { headers: [['Range', 'caf\u00e9']] }],
    // E, holes 1 and 8: time and nonce.
    ['created twice', INVALID, { headers: [['X-CMS-Created', String(NOW)]] }],
    ['created with a fraction', INVALID, { created: `${NOW}.5` }],
    ['created with a sign', INVALID, { created: `+${NOW}` }],
    ['no created', INVALID, { created: '' }],
    ['301 s old', 'TIMESTAMP_SKEW', { created: String(NOW - 301) }],
    ['301 s ahead', 'TIMESTAMP_SKEW', { created: String(NOW + 301) }],
    ['milliseconds', 'TIMESTAMP_SKEW', { created: String(NOW_MS).slice(0, 12) }],
    ['hole 1: an old signature with a fresh created', MISMATCH, { lines: { created: String(NOW - 9999) } }],
    ['a short nonce', INVALID, { nonce: 'a'.repeat(21) }],
    ['a nonce with a line feed', INVALID, { nonce: `${'a'.repeat(22)}\nx` }],
    ['another nonce than was signed', MISMATCH, { lines: { nonce: freshNonce() } }],
  ];
  for (const [why, code, draft] of refused) {
    test(`${code}: ${why}`, async () => {
      const routed = await make(draft);
      assertRefused(code, () => verify(routed));
    });
  }

  test('changed on the way: method, path, body, headers', async () => {
    const routed = await make();
    const at = (name: string) => routed.rawHeaders.indexOf(name) + 1;
    const changes: readonly Partial<Routed>[] = [
      { method: 'PUT' },
      { target: '/v1/orders?a=2' },
      { body: Buffer.from(BODY.replace('100', '900')) },
      { body: Buffer.alloc(0) },
      ...['Idempotency-Key', 'Content-Type', 'X-CMS-Nonce'].map((name) => ({
        rawHeaders: routed.rawHeaders.with(at(name), 'a'.repeat(22)),
      })),
    ];
    for (const change of changes) assertRefused('SIGNATURE_MISMATCH', () => verify({ ...routed, ...change }));
  });

  test("the signer's certificate must be there, and be the merchant's", async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hufu-cms-'));
    try {
      writeFileSync(join(folder, 'signed'), contentOf({}));
      const how = ['-binary', '-nocerts', '-signer', leaf.certificate, '-inkey', leaf.key, '-outform', 'DER', '-out', join(folder, 'p7')];
      opensslOk(['cms', '-sign', '-in', join(folder, 'signed'), ...how]);
      const p7 = readFileSync(join(folder, 'p7')).toString('base64');
      const routed = await make({ field: () => [['X-CMS-Signature', p7]] });
      assertRefused('KEY_UNKNOWN', () => verify(routed));
    } finally {
      rmSync(folder, { recursive: true });
    }
    const routed = await make();
    assertRefused('MERCHANT_MISMATCH', () => verify(routed, [OTHER]));
    const unchecked = optionsFor([], {
      checkSigner: () => {
        throw new Refusal('CERTIFICATE_REVOKED');
      },
    });
    assertRefused('CERTIFICATE_REVOKED', () => verifySignature(routed, unchecked));
  });

  test('a certificate of the same name with another key does not verify', async () => {
    const message = await signed(contentOf({}));
    const [own] = readCms(message).chain as [Uint8Array];
    const other = await pki.issueMerchant({ number: OTHER });
    assert.notDeepEqual(new X509Certificate(other.certificatePem).raw, Buffer.from(own));
    const checkSigner = () => ({ certificate: {} as never, key: keyOf('ecdsa-p256-sha256', { publicKey: other.publicKey }) });
    const routed = await make();
    assertRefused('SIGNATURE_MISMATCH', () => verifySignature(routed, optionsFor([], { checkSigner })));
  });

  test('answers are signed over status, nonce and id of the request', async () => {
    const platform = pki.read('signing/platform-ec');
    const signer = createSigner('platform-ec', 'ecdsa-p256-sha256', platform.privateKey);
    const body = Buffer.from('{"orderNo":"A1"}');
    const headers = await schemeOf('cms').signAnswer?.({
      ...{ status: 201, contentType: 'application/json', body, nowMs: NOW_MS, operationId: 'x', requestId: 'r1' },
      ...{ nonce: `cms:${NONCE}`, signatureOptions: STANDARD_OPTIONS, answerAlgorithm: 'ecdsa-p256-sha256' },
      findSigner: () => ({ signer, der: new X509Certificate(platform.certificatePem).raw, serialNumber: '', alipaySerial: '' }),
    });
    const [, created, , text = ''] = headers ?? [];
    const { attributes, signature } = readCms(Buffer.from(text, 'base64'));
    assert.ok(attributes && verifyBytes('ecdsa-p256-sha256', platform.publicKey, attributes.signed, signature));
    const block = `hufu-cms-answer-1\nstatus: 201\nrequest-id: r1\nrequest-nonce: ${NONCE}\ncreated: ${created}\ncontent-type: application/json\n\n`;
    assert.equal(Buffer.from(attributes.messageDigest).toString('base64'), digestOf(block + body.toString()));
  });

  test('property: no other byte of the message is accepted, but in certificates, which are checked by themselves', async () => {
    const routed = await make();
    const at = routed.rawHeaders.indexOf('X-CMS-Signature') + 1;
    const whole = Buffer.from(routed.rawHeaders[at] as string, 'base64');
    const certificate = new X509Certificate(leaf.certificatePem).raw;
    const from = whole.indexOf(certificate);
    const outside = fc.nat({ max: whole.length - 1 }).filter((index) => index < from || index >= from + certificate.length);
    fc.assert(
      fc.property(outside, fc.integer({ min: 1, max: 255 }), (index, flip) => {
        const bytes = Buffer.from(whole);
        bytes[index] = (bytes[index] as number) ^ flip;
        refusalOf(() => verify({ ...routed, rawHeaders: routed.rawHeaders.with(at, bytes.toString('base64')) }));
      }),
      { numRuns: 300 },
    );
  });
});
