import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { DEVELOPMENT_MARKER, ensureDevelopmentKeys } from '../../src/keys/development-keys.ts';
import { checkKeyFileMode } from '../../src/keys/file-mode.ts';
import { type Keyring, type KeyringOptions, loadKeyring } from '../../src/keys/keyring.ts';
import { keyidOf } from '../../src/protocol/keyid.ts';
import { toAssertionKeys } from '../../src/reference-core/assertion.ts';

/** Runs with a secrets directory of its own. */
function withSecrets(use: (directory: string, load: (changes?: Partial<KeyringOptions>) => Keyring) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'hufu-keys-'));
  try {
    ensureDevelopmentKeys(directory);
    use(directory, (changes) => loadKeyring({ secretsDirectory: directory, ...changes }));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('loadKeyring: every secret of the folder, each with the id of its own key', () =>
  withSecrets((directory, load) => {
    const keyring = load();
    const journalKey = createPublicKey(readFileSync(join(directory, 'journal.pub')));
    assert.equal(keyring.journal.keyid, keyidOf(journalKey));
    assert.ok(verify(null, Buffer.from('x'), journalKey, keyring.journal.sign(Buffer.from('x')) as Buffer));
    assert.equal(keyring.assertion.writing(Date.now()).keyid, keyidOf(createPublicKey(readFileSync(join(directory, 'assertion.pub')))));
    const [seal, fingerprint] = [keyring.answerSealKeys, keyring.fingerprintKeys].map((keys) => keys.writing(Date.now()));
    assert.equal(seal?.key.length, 32);
    assert.notDeepEqual(seal?.key, fingerprint?.key);
    assert.deepEqual(keyring.payerKey, fingerprint, 'payers keep the name that they have');
  }));

test('ids of shared secrets are equal on all instances that have the same files', () =>
  withSecrets((_, load) => {
    assert.equal(load().payerKey.id, load().payerKey.id);
    assert.match(load().payerKey.id, /^[0-9a-f]{16}$/);
  }));

test('a dated assertion key signs from its day on; the core can be given both public keys before', () =>
  withSecrets((directory, load) => {
    const next = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const day = Date.parse('2027-02-01T00:00:00Z');
    const file = join(directory, 'assertion.2027-02-01.key');
    writeFileSync(file, next.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    const { assertion } = load({ nowMs: day - 1 });
    const pub = createPublicKey(readFileSync(join(directory, 'assertion.pub')));
    const [old, later] = [keyidOf(pub), keyidOf(createPublicKey(next))];
    assert.deepEqual([assertion.writing(day - 1).keyid, assertion.writing(day).keyid], [old, later]);
    const core = toAssertionKeys(assertion.all.map(({ publicKey }) => publicKey));
    assert.deepEqual([...core.keys()].sort(), [old, later].sort());
    writeFileSync(join(directory, 'assertion.2027-02-01.pub'), readFileSync(join(directory, 'assertion.pub')));
    assert.throws(() => load({ nowMs: day }), { name: 'UserError', message: /assertion\.2027-02-01\.pub is not the public half/ });
  }));

type Breaking = (directory: string) => Partial<KeyringOptions> | undefined;
const broken: readonly (readonly [Breaking, RegExp, string])[] = [
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

test('production refuses development keys while the marker tells', () =>
  withSecrets((directory, load) => {
    assert.throws(() => load({ production: true }), { name: 'UserError', message: /development-only says/ });
    rmSync(join(directory, DEVELOPMENT_MARKER));
    load({ production: true });
  }));

for (const production of [true, false]) {
  for (const file of ['answer-seal.key', 'fingerprint.key', 'assertion.key', 'journal.key']) {
    test(`${production ? 'production' : 'development'} refuses a ${file} that others may read`, () =>
      withSecrets((directory, load) => {
        rmSync(join(directory, DEVELOPMENT_MARKER));
        chmodSync(join(directory, file), 0o640);
        const message = new RegExp(`${file.replace('.', '\\.')} may be read by others .*mode 640.* chmod 600`);
        assert.throws(() => load({ production }), { name: 'UserError', message });
      }));
  }
}

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
