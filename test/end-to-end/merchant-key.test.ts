import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Answer } from '../../src/sdk/answer.ts';
import type { Leaf } from '../support/pki.ts';
import { runHufu } from '../support/process.ts';
import { GENEROUS, MERCHANT_1, MERCHANT_2, type System, startSystem } from '../support/system.ts';

/** A merchant changes the key that signs its requests, and signs with that of its connection, without a pause. */
describe('keys of a merchant', { timeout: 120_000 }, () => {
  let system: System;
  let next: Leaf;
  const file = (number = MERCHANT_1) => join(dirname(system.environment.HUFU_CONFIG as string), 'merchants', `${number}.yaml`);
  const hufu = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runHufu(['merchant', 'key', ...args], system.environment);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const ask = (leaf?: Leaf): Promise<Answer> =>
    system.merchant(MERCHANT_1, leaf ? { signingKey: leaf.privateKey } : {}).call({ method: 'GET', path: '/v1/jwks' });

  before(async () => {
    system = await startSystem({ rules: GENEROUS });
    next = await system.pki.issueMerchant({ number: MERCHANT_1, subject: 'CN=signs only' });
  });
  after(() => system?.dispose());

  test('a further key signs beside the first, until the first is retired; the comments stay', async () => {
    assert.equal((await ask(next)).code, 'KEY_UNKNOWN');
    assert.match(await hufu('add', MERCHANT_1, '--certificate', next.certificate, '--reason', 'yearly change'), /gateway-1: in force/);
    assert.deepEqual([(await ask(next)).accepted, (await ask()).accepted], [true, true]);
    const first = system.pki.read(`merchants/${MERCHANT_1}`);
    await hufu('retire', MERCHANT_1, '--keyid', first.keyid, '--reason', 'yearly change');
    assert.equal((await ask()).code, 'KEY_UNKNOWN');
    assert.equal((await ask(next)).accepted, true);
    assert.match(await hufu('list', MERCHANT_1), new RegExp(`${first.keyid} .* ended [\\s\\S]*${next.keyid} .* valid `));
    assert.match(readFileSync(file(), 'utf8'), /^# yaml-language-server/);
  });

  test('what cannot be is said, and nothing is written', async () => {
    const before = readFileSync(file(), 'utf8');
    const wrong = [
      [['retire', MERCHANT_1, '--keyid', 'none', '--reason', 'x'], /has no key none/],
      [['retire', MERCHANT_1, '--keyid', next.keyid, '--at', 'soon', '--reason', 'x'], /--at: expected an RFC 3339 time/],
      [['add', MERCHANT_1], /--certificate or by --public-key/],
      [['add', MERCHANT_1, '--certificate', next.certificate], /nothing was changed; .*\n.*is already used/],
    ] as const;
    for (const [args, message] of wrong) {
      const { code, stderr } = await runHufu(['merchant', 'key', ...args], system.environment);
      assert.match(stderr, message);
      assert.notEqual(code, 0);
    }
    assert.equal(readFileSync(file(), 'utf8'), before);
  });

  test('the key of the connection signs where the contract says so, but not when it was registered and has ended', async () => {
    appendFileSync(file(), 'keySources: [registered, connection]\n');
    const second = file(MERCHANT_2);
    const only = readFileSync(second, 'utf8').replace(/^keys:\n(?: .*\n)+/m, 'keySources: [connection]\n');
    assert.ok(!only.includes('\nkeys:'));
    writeFileSync(second, only);
    const { code, stderr } = await runHufu(['reload'], system.environment);
    assert.equal(code, 0, stderr);
    assert.equal((await ask()).code, 'KEY_UNKNOWN');
    assert.equal((await system.merchant(MERCHANT_2).call({ method: 'GET', path: '/v1/jwks' })).accepted, true);
    const other = system.merchant(MERCHANT_2, { signingKey: next.privateKey });
    assert.equal((await other.call({ method: 'GET', path: '/v1/jwks' })).code, 'MERCHANT_MISMATCH');
  });
});
