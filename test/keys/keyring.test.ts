import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, verify, X509Certificate } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { DEVELOPMENT_MARKER, ensureDevelopmentKeys } from '../../src/keys/development-keys.ts';
import { checkKeyFileMode } from '../../src/keys/file-mode.ts';
import { type AnswerKey, type Keyring, type KeyringOptions, loadKeyring } from '../../src/keys/keyring.ts';
import { verifyBytes } from '../../src/protocol/algorithms.ts';
import { keyidOf } from '../../src/protocol/keyid.ts';
import { makePki, type Pki } from '../support/pki.ts';

let pki: Pki;
before(async () => {
  pki = await makePki();
});
after(() => pki.dispose());

const answerKey = (keyid: string, key = keyid): AnswerKey => ({
  keyid,
  certificate: join(pki.directory, `signing/${keyid}.crt`),
  key: join(pki.directory, `signing/${key}.key`),
});

/** Runs with a secrets directory of its own. */
function withSecrets(use: (directory: string, load: (changes?: Partial<KeyringOptions>) => Keyring) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'hufu-keys-'));
  try {
    ensureDevelopmentKeys(directory);
    const answerKeys = [answerKey('platform-ec'), answerKey('platform-rsa')];
    use(directory, (changes) => loadKeyring({ answerKeys, secretsDirectory: directory, ...changes }));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('loadKeyring: signers sign, and what is published verifies them', () =>
  withSecrets((directory, load) => {
    const keyring = load({ nowMs: Date.now() });
    assert.deepEqual([...keyring.answerSigners.keys()], ['ecdsa-p256-sha256', 'rsa-v1_5-sha256']);
    assert.equal(keyring.refusalSigner.keyid, 'platform-ec');
    assert.deepEqual(
      keyring.certificates.map(({ keyid, algorithm, status }) => [keyid, algorithm, status]),
      [
        ['platform-ec', 'ecdsa-p256-sha256', 'active'],
        ['platform-rsa', 'rsa-v1_5-sha256', 'active'],
      ],
    );
    for (const { keyid, algorithm, pem, serial, notAfterMs } of keyring.certificates) {
      const certificate = new X509Certificate(pem);
      const signature = keyring.answerSigners.get(algorithm)?.sign(Buffer.from('answer')) as Buffer;
      assert.ok(verifyBytes(algorithm, certificate.publicKey, Buffer.from('answer'), signature), keyid);
      assert.equal(certificate.serialNumber, serial);
      assert.equal(certificate.validToDate.getTime(), notAfterMs);
      assert.equal(pem.match(/BEGIN/g)?.length, 1);
    }
    const journalKey = createPublicKey(readFileSync(join(directory, 'journal.pub')));
    assert.equal(keyring.journal.keyid, keyidOf(journalKey));
    assert.ok(verify(null, Buffer.from('x'), journalKey, keyring.journal.sign(Buffer.from('x')) as Buffer));
    assert.equal(keyring.assertion.keyid, keyidOf(createPublicKey(readFileSync(join(directory, 'assertion.pub')))));
    assert.equal(keyring.answerSealKey.key.length, 32);
    assert.notDeepEqual(keyring.answerSealKey.key, keyring.fingerprintKey.key);
  }));

test('a second key of one algorithm is published as standby and signs nothing', async () => {
  const next = await pki.issueMerchant({ authority: 'signing-authority', profile: 'signing' });
  withSecrets((_, load) => {
    const { answerSigners, certificates } = load({
      answerKeys: [answerKey('platform-ec'), { keyid: 'next', certificate: next.certificate, key: next.key }],
    });
    assert.equal(answerSigners.get('ecdsa-p256-sha256')?.keyid, 'platform-ec');
    assert.deepEqual(
      certificates.map(({ status }) => status),
      ['active', 'standby'],
    );
  });
});

test('an algorithm can be named when the key allows it', () =>
  withSecrets((_, load) => {
    const rsa = { ...answerKey('platform-rsa'), algorithm: 'rsa-pss-sha512' } as const;
    assert.ok(load({ answerKeys: [answerKey('platform-ec'), rsa] }).answerSigners.has('rsa-pss-sha512'));
    assert.throws(() => load({ answerKeys: [{ ...rsa, algorithm: 'ed25519' }] }), {
      name: 'UserError',
      message: /platform-rsa\.key does not fit/,
    });
  }));

test('ids of shared secrets are equal on all instances that have the same files', () =>
  withSecrets((_, load) => {
    assert.equal(load().answerSealKey.id, load().answerSealKey.id);
    assert.match(load().answerSealKey.id, /^[0-9a-f]{16}$/);
  }));

type Breaking = (directory: string) => Partial<KeyringOptions> | undefined;
const broken: readonly (readonly [Breaking, RegExp, string])[] = [
  [() => ({ answerKeys: [answerKey('platform-rsa')] }), /answers\.keys has no P-256/, 'no key that signs refusals cheaply'],
  [
    () => ({ answerKeys: [answerKey('platform-ec', 'platform-rsa')] }),
    /platform-rsa\.key is not the key of .*platform-ec\.crt/,
    "another certificate's key",
  ],
  [() => ({ answerKeys: [answerKey('absent')] }), /absent\.crt cannot be read \(ENOENT\)/, 'a path that does not exist'],
  [() => ({ nowMs: Date.now() + 1000 * 86_400_000 }), /platform-ec\.crt is not valid now .* renew/, 'an expired certificate'],
  [remove('answer-seal.key'), /answer-seal\.key cannot be read/, 'a missing secret'],
  [put('fingerprint.key', 'abc'), /fingerprint\.key holds no key: write 64/, 'a secret that is too short'],
  [put('fingerprint.key', `${'a'.repeat(63)}g`), /fingerprint\.key holds no key/, 'a secret that is not hexadecimal'],
  [put('assertion.key', 'abc'), /assertion\.key holds no private key/, 'a key file with something else'],
  [put('assertion.key', pem('P-384')), /assertion\.pub is not the public half/, 'a public half of another key'],
  [
    (directory) => {
      rmSync(join(directory, 'assertion.pub'));
      return put('assertion.key', pem('P-384'))(directory);
    },
    /assertion\.key cannot sign assertions: .*prime256v1/,
    'an assertion key that is not P-256',
  ],
  [
    (directory) => {
      rmSync(join(directory, 'journal.pub'));
      return put('journal.key', pem('secp256k1'))(directory);
    },
    /journal\.key is of a kind that cannot be used/,
    'a journal key on a curve that no algorithm has',
  ],
];

function remove(file: string): Breaking {
  return (directory) => void rmSync(join(directory, file));
}
function put(file: string, content: string): Breaking {
  return (directory) => void writeFileSync(join(directory, file), content);
}
function pem(namedCurve: string): string {
  return generateKeyPairSync('ec', { namedCurve }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

for (const [breakIt, message, why] of broken) {
  test(`loadKeyring refuses with one clear line: ${why}`, () =>
    withSecrets((directory, load) => {
      const changes = breakIt(directory) ?? {};
      assert.throws(
        () => load(changes),
        (error: unknown) => {
          assert.ok(error instanceof Error && error.name === 'UserError');
          assert.match(error.message, message);
          assert.ok(!/PRIVATE|[0-9a-f]{32}/.test(error.message), 'nothing of a key in the message');
          return true;
        },
      );
    }));
}

test('production refuses development keys, also when only the marker or only the certificate tells', () =>
  withSecrets((directory, load) => {
    assert.throws(() => load({ production: true }), { name: 'UserError', message: /development-only says/ });
    rmSync(join(directory, DEVELOPMENT_MARKER));
    assert.throws(() => load({ production: true }), {
      name: 'UserError',
      message: /platform-ec\.crt was issued by a development authority/,
    });
  }));

test('production refuses secrets that others may read', () =>
  withSecrets((directory, load) => {
    rmSync(join(directory, DEVELOPMENT_MARKER));
    chmodSync(join(directory, 'fingerprint.key'), 0o640);
    assert.throws(() => load({ production: true }), {
      name: 'UserError',
      message: /fingerprint\.key may be read by others .*mode 640.* chmod 600/,
    });
  }));

const modes = [
  [0o600, true, 'the owner'],
  [0o400, true, 'the owner, reading only'],
  [0o640, false, 'the group too'],
  [0o604, false, 'everybody'],
  [0o620, false, 'the group, writing'],
  [0o601, false, 'everybody, executing'],
] as const;

for (const [mode, isAccepted, why] of modes) {
  test(`checkKeyFileMode: a key for ${why}`, () =>
    withSecrets((directory) => {
      const file = join(directory, 'journal.key');
      chmodSync(file, mode);
      if (isAccepted) checkKeyFileMode(file);
      else assert.throws(() => checkKeyFileMode(file), { name: 'UserError', message: /journal\.key/ });
    }));
}

test('ensureDevelopmentKeys makes what is missing, 0600, and never changes what is there', () =>
  withSecrets((directory) => {
    const files = readdirSync(directory).sort();
    assert.deepEqual(files, [
      'answer-seal.key',
      'assertion.key',
      'assertion.pub',
      'development-only',
      'fingerprint.key',
      'journal.key',
      'journal.pub',
      'tls-tickets.key',
    ]);
    for (const file of files.filter((name) => name.endsWith('.key')))
      assert.equal(statSync(join(directory, file)).mode & 0o777, 0o600, file);
    const contents = (): string[] => files.map((file) => readFileSync(join(directory, file), 'utf8'));
    const [first, sealBefore] = [contents(), readFileSync(join(directory, 'answer-seal.key'), 'utf8')];
    ensureDevelopmentKeys(directory);
    assert.deepEqual(contents(), first);
    rmSync(join(directory, 'answer-seal.key'));
    ensureDevelopmentKeys(directory);
    assert.notEqual(readFileSync(join(directory, 'answer-seal.key'), 'utf8'), sealBefore);
  }));

test("an operator's complete set is not marked as development", () =>
  withSecrets((directory) => {
    rmSync(join(directory, DEVELOPMENT_MARKER));
    ensureDevelopmentKeys(directory);
    assert.ok(!existsSync(join(directory, DEVELOPMENT_MARKER)));
  }));
