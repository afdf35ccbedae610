import assert from 'node:assert/strict';
import { createHash, createSecretKey, generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import { ALGORITHM_NAMES, type AlgorithmName, HTTP_ALGORITHM_NAMES, signBytes } from '../../src/protocol/algorithms.ts';
import { ATTEMPTS_MAX } from '../../src/protocol/mistakes/attempts.ts';
import { ALL_MISTAKES } from '../../src/protocol/mistakes/find.ts';
import { explainRequest } from '../../src/sdk/explain.ts';
import { type DoctorOptions, explainSignature } from '../../src/signature/doctor.ts';
import { verifySignature } from '../../src/signature/verify.ts';
import { MADE_MISTAKES, TEST_KEY, TEST_KEYID } from './mistakes.ts';
import { refusalOf } from './refused.ts';
import { BODY, baseOf, draft, HOST, KEY_PAIRS, keyOf, make, NOW, NOW_MS, optionsFor, PEER, paramsText } from './request-maker.ts';

const REGISTERED = ALGORITHM_NAMES.map((algorithm) => keyOf(algorithm));
const ELSEWHERE = keyOf('ecdsa-p256-sha256', { keyid: TEST_KEYID, publicKey: TEST_KEY.publicKey, environment: 'test' });
const DOCTOR: DoctorOptions = { keysOf: () => [...REGISTERED, ELSEWHERE], platformNames: () => ['platform-ec'], mayTry: () => true };
const OPTIONS = optionsFor(REGISTERED, { doctor: DOCTOR, hosts: new Set([HOST, '127.0.0.1']) });

const refuse = (made: ReturnType<typeof make>, options = OPTIONS) => refusalOf(() => verifySignature(made, options));
const hex = (text: string): string => createHash('sha256').update(text).digest('hex');

describe('each mistake is named, by the gateway and offline by the same table', () => {
  for (const { id, why, by = 'ecdsa-p256-sha256', code = 'SIGNATURE_MISMATCH', make: spoil } of MADE_MISTAKES) {
    test(`${id}: ${why}`, () => {
      const { draft: spoilt, arrives } = spoil(draft({ algorithm: by, target: '/v1/orders' }));
      const request = make(spoilt, arrives ?? {});
      const refusal = refuse(request);
      assert.equal(refusal.code, code, `${refusal.options.detail}`);
      assert.equal(refusal.options.members?.mistake, id);
      assert.ok(ALL_MISTAKES.some((mistake) => mistake.id === id && mistake.hint === refusal.options.members?.hint));
      if (code === 'KEY_UNKNOWN') return; // offline there is no registry: the key is given
      const otherKeys = [...REGISTERED, ELSEWHERE].filter(({ keyid }) => keyid !== `key-${by}`);
      const offline = explainRequest(request, { key: keyOf(by), otherKeys, hosts: [HOST, '127.0.0.1'], nowMs: NOW_MS });
      assert.deepEqual(
        offline.mistakes.map((mistake) => mistake.id),
        [id],
        offline.problems.join('\n'),
      );
    });
  }

  test('there are made ones for all but those that need another world', () => {
    const made = new Set(MADE_MISTAKES.map(({ id }) => id));
    const elsewhere = [
      'key-of-the-connection',
      'key-expired',
      'key-not-yet-valid',
      'key-not-registered',
      'key-of-the-connection-not-registered',
      'key-named-by-serial-number',
      'key-named-by-thumbprint',
    ];
    const missing = ALL_MISTAKES.map(({ id }) => id).filter((id) => !made.has(id) && !elsewhere.includes(id));
    assert.deepEqual(missing.sort(), OF_OTHER_SCHEMES);
    assert.ok(made.size >= 14);
  });
});

/** Made in doctor-schemes.test.ts and doctor-content.test.ts. */
const OF_OTHER_SCHEMES = [
  ...['address-for-path', 'attached-content', 'b64-of-the-other-profile', 'block-line-missing', 'block-line-order', 'block-separator'],
  ...['body-alone', 'fields-encoded', 'fields-of-the-other-dialect', 'fields-unsorted'],
  ...['header-not-encoded', 'last-line-feed-missing', 'other-content-signed', 'payload-encoding', 'seconds-for-milliseconds'],
];

describe('keys by another name', () => {
  const peers = { ...PEER, thumbprint: Buffer.alloc(32, 7).toString('base64url') };
  const cases: readonly (readonly [id: string | undefined, keyid: string, life?: Partial<ReturnType<typeof keyOf>>])[] = [
    ['key-named-by-serial-number', '0a:1b:2c'],
    ['key-named-by-serial-number', 'A1B2C'],
    ['key-named-by-thumbprint', peers.thumbprint],
    ['key-named-by-thumbprint', '07'.repeat(32)],
    ['key-not-registered', 'C'.repeat(64)],
    ['key-expired', 'key-ecdsa-p256-sha256', { notAfterMs: NOW_MS - 1 }],
    ['key-not-yet-valid', 'key-ecdsa-p256-sha256', { notBeforeMs: NOW_MS + 1 }],
    [undefined, 'nobody'],
    [undefined, '0'],
  ];
  for (const [id, keyid, life] of cases) {
    test(`${keyid}: ${id}`, () => {
      const keys = [keyOf('ecdsa-p256-sha256', life)];
      const made = { ...make(draft({ params: paramsText({ keyid: `"${keyid}"` }) })), peer: peers } as ReturnType<typeof make>;
      const { code, options } = refuse(made, optionsFor(keys, { doctor: { ...DOCTOR, keysOf: () => keys } }));
      assert.deepEqual([code, options.members?.mistake], ['KEY_UNKNOWN', id]);
    });
  }

  test('the key of the connection where a signing key is registered', () => {
    const tls = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const made = make(draft({ sign: (base) => signBytes('ecdsa-p256-sha256', tls.privateKey, Buffer.from(base, 'latin1')) }));
    const { options } = refuse({ ...made, peer: { ...made.peer, publicKey: tls.publicKey } });
    assert.equal(options.members?.mistake, 'key-of-the-connection');
  });
});

describe('what is told', () => {
  test('the base as we computed it, its head, and each line by its hash', () => {
    const target = `/v1/orders?${'a'.repeat(2000)}`;
    const made = draft({ target, sign: () => Buffer.alloc(64, 1) });
    const base = baseOf(made);
    const { options } = refuse(make(made));
    const { lines, ...whole } = (options.members as Record<string, unknown>).signatureBase as {
      lines: { name: string; length: number; sha256: string }[];
    };
    assert.deepEqual(whole, { length: base.length, sha256: hex(base), text: base.slice(0, 1024) });
    const uri = `"@target-uri": https://${HOST}${target}`;
    assert.deepEqual(lines[1], { name: '"@target-uri"', length: uri.length, sha256: hex(uri) });
    assert.equal(lines.at(-1)?.name, '"@signature-params"');
    assert.equal(options.members?.mistake, undefined, 'a mistake that cannot be proven has no name');
  });

  test('the body that we hashed', () => {
    assert.deepEqual(refuse(make(draft(), { body: 'x' })).options.members?.body, { length: 1, sha256: hex('x') });
  });

  test('our clock, and how far the other one is from it', () => {
    const { options } = refuse(make(draft({ params: paramsText({ created: `${NOW - 1000}` }) })));
    assert.deepEqual([options.members?.now, options.members?.offsetSeconds, options.members?.windowSeconds], [NOW, -1000, 300]);
  });

  test('three bytes that begin like DER are no DER', () => {
    assert.equal(refuse(make(draft({ sign: () => Buffer.from([0x30, 0x02, 0x02]) }))).options.members?.mistake, undefined);
  });
});

describe('what is never told', () => {
  test('hole 6: the signature that would have been accepted', () => {
    for (const algorithm of ['ed25519', 'rsa-v1_5-sha256'] as const) {
      const good = signBytes(algorithm, KEY_PAIRS[algorithm].privateKey, Buffer.from(baseOf(draft({ algorithm })))).toString('base64');
      const { options, message } = refuse(make(draft({ algorithm, sign: () => Buffer.alloc(64, 1) })));
      assert.ok(!`${message}${JSON.stringify(options)}`.includes(good));
    }
  });

  test('anything about a secret key, under which the text alone makes a MAC', () => {
    const patient = { presented: {}, routed: {} } as unknown as Parameters<typeof explainSignature>[0];
    const secret = keyOf('ed25519', { publicKey: createSecretKey(Buffer.alloc(32, 1)) });
    assert.deepEqual(explainSignature(patient, secret), {});
  });

  test('anything about the key of another merchant, known or not', () => {
    const foreign = keyOf('ecdsa-p256-sha256', { merchantNumbers: ['800000000000002'] });
    const { code, options } = refuse(make(draft({ sign: () => Buffer.alloc(64, 1) })), optionsFor([foreign]));
    assert.deepEqual([code, options.members], ['MERCHANT_MISMATCH', undefined]);
    // Signed with the other merchant's key under the keyid of one's own: only own keys are tried.
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const stolen = refuse(make(draft({ sign: (base) => signBytes('ecdsa-p256-sha256', stranger.privateKey, Buffer.from(base)) })));
    assert.equal(stolen.options.members?.mistake, undefined);
  });
});

describe('what it costs at most', () => {
  const garbage = (algorithm: AlgorithmName) =>
    make(draft({ algorithm, target: '/v1/orders?b=%20&a=+', sign: () => Buffer.alloc(algorithm.startsWith('rsa') ? 256 : 64, 1) }));

  for (const algorithm of HTTP_ALGORITHM_NAMES) {
    test(`${algorithm}: at most ${ATTEMPTS_MAX} attempts for one signature`, () => {
      let attempts = 0;
      const count = () => {
        attempts += 1;
        return true;
      };
      refuse(garbage(algorithm), { ...OPTIONS, doctor: { ...DOCTOR, mayTry: count } });
      assert.ok(attempts > 5 && attempts <= ATTEMPTS_MAX, `${attempts}`);
    });
  }

  test('large bodies cost more attempts', () => {
    const body = `{"a":"${'x'.repeat(1_000_000)}"}`;
    let attempts = 0;
    const count = () => {
      attempts += 1;
      return true;
    };
    refuse(make(draft(), { body }), { ...OPTIONS, doctor: { ...DOCTOR, mayTry: count } });
    assert.ok(attempts <= ATTEMPTS_MAX);
  });

  test('a certificate whose budget is used up is told so and nothing is tried', () => {
    for (const made of [garbage('ecdsa-p256-sha256'), make(draft(), { body: `${BODY}\n` })]) {
      const { options } = refuse(made, { ...OPTIONS, doctor: { ...DOCTOR, mayTry: () => false } });
      assert.equal(options.members?.mistake, undefined);
      assert.match(String(options.members?.hint), /Too many wrong signatures/);
    }
  });
});
