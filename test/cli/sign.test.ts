import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { verifyBytes } from '../../src/protocol/algorithms.ts';
import { makePki, type Pki } from '../support/pki.ts';
import { runHufu } from './run-hufu.ts';

const FIXED = ['--created', '1700000000', '--nonce', 'AAAAAAAAAAAAAAAAAAAAAA'];

let pki: Pki;
before(async () => {
  pki = await makePki();
});
after(() => pki.dispose());

const sign = (args: readonly string[]) => runHufu(['sign', ...args], { environment: { HUFU_CERTS: pki.directory } });

describe('hufu sign', () => {
  test('prints the headers to send and the exact base', async () => {
    const args = ['POST', '/v1/orders', '--merchant', '800000000000001', '--data', '{"orderNo":"A1"}', '--key', 'k-1', ...FIXED];
    const { code, stdout } = await sign(args);
    assert.equal(code, 0);
    const base = [
      '"@method": POST',
      '"@target-uri": https://localhost:8443/v1/orders',
      '"content-type": application/json',
      '"merchant-number": 800000000000001',
      '"idempotency-key": k-1',
      '"content-digest": sha-256=:s40rQwAy/TS0ZmtMSLpleZpwLytTOWjfn0qZVg6P3oU=:',
      '"@signature-params": ("@method" "@target-uri" "content-type" "merchant-number" "idempotency-key" "content-digest");created=1700000000' +
        `;nonce="AAAAAAAAAAAAAAAAAAAAAA";keyid="${pki.read('merchants/800000000000001').keyid}";tag="hufu-request"`,
    ];
    assert.ok(stdout.startsWith('POST /v1/orders\nHost: localhost:8443\n'), stdout);
    assert.ok(stdout.endsWith(`Signature base (rsa-v1_5-sha256, no line feed at its end):\n${base.join('\n')}\n`), stdout);
  });
  test('--json holds a signature that verifies over the base', async () => {
    const { stdout } = await sign(['GET', '/v1/orders/A1?x=1', '--merchant', '800000000000002', '--json', ...FIXED]);
    const { headers, base, algorithm, target } = JSON.parse(stdout) as {
      headers: [string, string][];
      base: string;
      algorithm: 'ecdsa-p256-sha256';
      target: string;
    };
    assert.equal(target, '/v1/orders/A1?x=1');
    const text = /^hufu=:(.*):$/.exec(new Map(headers).get('Signature') ?? '')?.[1] ?? '';
    const { certificatePem } = pki.read('merchants/800000000000002');
    assert.ok(verifyBytes(algorithm, createPublicKey(certificatePem), Buffer.from(base, 'latin1'), Buffer.from(text, 'base64')));
  });
  for (const [args, said] of [
    [['--created', '1.5'], /--created is whole seconds/],
    [['--nonce', 'short'], /--nonce is 22 to 64/],
  ] as const) {
    test(`wrong use: ${args.join(' ')}`, async () => {
      const { code, stderr } = await sign(['GET', '/v1/x', '--merchant', '800000000000002', ...args]);
      assert.equal(code, 2);
      assert.match(stderr, said);
    });
  }
});
