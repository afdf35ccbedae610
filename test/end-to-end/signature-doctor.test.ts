import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ALGORITHM_NAMES, signBytes } from '../../src/protocol/algorithms.ts';
import { ask, nowSeconds, order, type Sender, send, senderOf, type Told, wireOf } from '../attacks/requests.ts';
import { MADE_MISTAKES, type MadeMistake, TEST_KEY, TEST_KEYID } from '../signature/mistakes.ts';
import { type Draft, KEY_PAIRS } from '../signature/request-maker.ts';
import { runHufu } from '../support/process.ts';
import { MERCHANT_1, MERCHANT_2, type System, startSystem } from '../support/system.ts';

/** Every mistake is made for real by a client over TLS, diagnosed by the gateway, and by `hufu verify` from the recorded message. */

const BUDGETS = 'answers: { budgetPerSecond: 10000, budgetBurst: 100000 }\ndoctor: { attemptsPerSecond: 100000, attemptsBurst: 1000000 }';

/** Registers the keys of the made mistakes for merchant 1, and one of a test environment. */
function addKeys(folder: string): void {
  const file = join(folder, 'merchants', `${MERCHANT_1}.yaml`);
  mkdirSync(join(folder, 'keys'));
  const write = (name: string, key: typeof TEST_KEY.publicKey): string => {
    const path = join(folder, 'keys', `${name}.pem`);
    writeFileSync(path, key.export({ type: 'spki', format: 'pem' }));
    return path;
  };
  const rows = ALGORITHM_NAMES.map(
    (name) => `  - { publicKey: ${write(name, KEY_PAIRS[name].publicKey)}, keyid: key-${name}, algorithm: ${name} }\n`,
  );
  rows.push(`  - { publicKey: ${write('test', TEST_KEY.publicKey)}, keyid: ${TEST_KEYID}, environment: test }\n`);
  writeFileSync(file, readFileSync(file, 'utf8').replace(/^keys:\n/m, `keys:\n${rows.join('')}`));
}

describe('the signature doctor, over the wire and offline', { timeout: 120_000 }, () => {
  let system: System;
  let m1: Sender;
  before(async () => {
    system = await startSystem({ settings: BUDGETS, configure: addKeys });
    m1 = senderOf(system, MERCHANT_1);
  });
  after(() => system?.dispose());

  function wrong({ by = 'ecdsa-p256-sha256', make }: MadeMistake) {
    const sign = (base: string) => signBytes(by, KEY_PAIRS[by].privateKey, Buffer.from(base, 'latin1'));
    const good = order(m1, { algorithm: by, sign, params: { keyid: `"key-${by}"` } });
    return make(good);
  }

  /** Files of a recorded request, as a merchant keeps them. */
  function record(name: string, draft: Draft, arrives: Parameters<typeof wireOf>[1]): { headers: string; body: string } {
    const { bytes } = wireOf(draft, arrives);
    const end = bytes.indexOf('\r\n\r\n');
    const [headers, body] = [join(system.directory, `${name}.txt`), join(system.directory, `${name}.body`)];
    writeFileSync(headers, bytes.subarray(0, end + 4));
    writeFileSync(body, bytes.subarray(end + 4));
    return { headers, body };
  }

  for (const [i, mistake] of MADE_MISTAKES.entries()) {
    const { id, why, code = 'SIGNATURE_MISMATCH' } = mistake;
    test(`${id}: ${why}`, async () => {
      const { draft, arrives } = wrong(mistake);
      const told = await ask(m1, draft, arrives);
      assert.deepEqual([told.status, told.code, told.accepted, told.value.mistake], [401, code, false, id], JSON.stringify(told.value));
      record(`mistake-${i}`, draft, arrives);
    });
  }

  test('hufu verify --explain names the same mistakes from files', async () => {
    const key = join(system.directory, 'config-gateway-1', 'keys', 'ecdsa-p256-sha256.pem');
    const others = ['ed25519', 'test'].map((name) => join(system.directory, 'config-gateway-1', 'keys', `${name}.pem`));
    // A process for each costs half a second: one of each kind. The whole table is run in process in test/signature.
    const chosen = ['body-reserialised', 'wrong-host', 'other-key', 'milliseconds-for-seconds'];
    for (const id of chosen) {
      const i = MADE_MISTAKES.findIndex((made) => made.id === id);
      const [headers, body] = [`mistake-${i}.txt`, `mistake-${i}.body`].map((name) => join(system.directory, name)) as [string, string];
      const options = ['--certificate', key, '--hosts', 'localhost', '127.0.0.1', '--other-keys', ...others];
      const { code, stdout, stderr } = await runHufu(['verify', '--explain', '--headers', headers, '--body', body, ...options]);
      assert.equal(code, 1, stderr);
      assert.match(stdout, new RegExp(`^mistake: ${id}$`, 'm'), stdout);
    }
  });

  test('only the merchant is told: another one who sends the same message learns nothing', async () => {
    const m2 = senderOf(system, MERCHANT_2);
    const { draft, arrives } = wrong(MADE_MISTAKES[0] as MadeMistake);
    for (const headers of [
      draft.headers,
      draft.headers.map(([name, value]) => [name, name === 'Merchant-Number' ? MERCHANT_2 : value] as const),
    ]) {
      const told = await ask(m2, { ...draft, headers }, arrives);
      assert.equal(told.code, 'MERCHANT_MISMATCH');
      for (const member of ['mistake', 'hint', 'signatureBase', 'body']) assert.equal(told.value[member], undefined);
    }
  });

  test('nothing that is told is a signature, a digest or a key that would have been accepted', async () => {
    const { draft, arrives } = wrong(MADE_MISTAKES[0] as MadeMistake);
    const told = await ask(m1, draft, arrives);
    const text = JSON.stringify({ ...told.value, signatureBase: { ...(told.value.signatureBase as object), text: '' } });
    const publicKey = createPublicKey(KEY_PAIRS['ecdsa-p256-sha256'].privateKey).export({ type: 'spki', format: 'der' }).toString('base64');
    for (const secret of [publicKey.slice(-40), draft.sign('x').toString('base64').slice(0, 20)]) assert.ok(!text.includes(secret));
  });
});

describe('the budget of the doctor', { timeout: 60_000 }, () => {
  let system: System;
  before(async () => {
    const settings = 'answers: { budgetPerSecond: 10000, budgetBurst: 100000 }\ndoctor: { attemptsPerSecond: 1, attemptsBurst: 30 }';
    system = await startSystem({ settings });
  });
  after(() => system?.dispose());

  test('a flood of wrong signatures is refused without being explained, each certificate for itself', async () => {
    const flood = senderOf(system, MERCHANT_1);
    const forged = (sender: Sender) => order(sender, { sign: () => Buffer.alloc(sender.number === MERCHANT_1 ? 256 : 64, 7) });
    const hints: unknown[] = [];
    for (let i = 0; i < 6; i += 1) hints.push((await ask(flood, forged(flood))).value.hint);
    assert.match(String(hints.at(-1)), /Too many wrong signatures/);
    const other = senderOf(system, MERCHANT_2);
    const der: Told = await ask(other, order(other, { sign: () => Buffer.from('3006020101020101', 'hex') }));
    assert.equal(der.value.mistake, 'der-signature');
    assert.equal((await send(flood, wireOf(order(flood, { createdAtSeconds: nowSeconds() }))))?.status, 201);
  });
});
