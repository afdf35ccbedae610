import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startTestGateway, type TestGateway } from '../sdk/test-gateway.ts';
import { makePki, type Pki } from '../support/pki.ts';
import { type Consumer, createConsumer, findNodes, installNodeTypes, PROJECT, runFile } from './consumer.ts';

let pki: Pki;
let gateway: TestGateway;
let consumer: Consumer;
before(async () => {
  pki = await makePki();
  gateway = await startTestGateway(pki, () => ({ status: 201, body: '{"orderNo":"A1"}' }));
  consumer = createConsumer();
});
after(async () => {
  await gateway.close();
  pki.dispose();
  consumer.dispose();
});

/** The same little program for both ways of loading; it prints what the answer says. */
const program = (load: string): string => `
${load}
const pem = (name) => readFileSync(${JSON.stringify(pki.directory)} + '/' + name, 'utf8');
const merchant = createMerchant({
  url: ${JSON.stringify(gateway.url)},
  certificate: pem('merchants/800000000000002.crt'),
  key: pem('merchants/800000000000002.key'),
  authority: pem('authority.crt'),
  trustedKeys: [{ keyid: 'platform-ec', pem: pem('signing/platform-ec.crt') }],
});
merchant.call({ method: 'POST', path: '/v1/orders', body: { orderNo: 'A1' }, idempotencyKey: 'k' }).then((answer) => {
  console.log(JSON.stringify([answer.status, answer.verified, answer.accepted, answer.outcome, answer.value, answer.why]));
  merchant.close();
});
try {
  createMerchant({ url: 'http://x', certificate: pem('authority.crt'), key: pem('authority.key'), authority: '' });
} catch (error) {
  console.log(error instanceof UserError);
}
`;
const PRINTED = 'true\n[201,true,true,"succeeded",{"orderNo":"A1"},null]\n';
const ESM = "import { readFileSync } from 'node:fs';\nimport { createMerchant, UserError } from 'hufu-sdk';";
const COMMONJS = "const { readFileSync } = require('node:fs');\nconst { createMerchant, UserError } = require('hufu-sdk');";

describe('the built SDK', () => {
  for (const { path, version } of findNodes()) {
    test(`is an ES module for Node ${version}`, async () => {
      assert.equal(await runFile(path, consumer.write('program.mjs', program(ESM)), { cwd: consumer.folder }), PRINTED);
    });
    test(`is CommonJS for Node ${version}`, async () => {
      assert.equal(await runFile(path, consumer.write('program.cjs', program(COMMONJS)), { cwd: consumer.folder }), PRINTED);
    });
  }

  test('has types for both, which also refuse what is wrong', async () => {
    installNodeTypes(consumer);
    const typed = (load: string) => `${load}
const options: MerchantOptions = { url: 'https://x', certificate: '', key: '', authority: '' };
const use = async (): Promise<string> => {
  const answer: Answer = await createMerchant(options).call({ method: 'GET', path: '/v1/orders/A1' });
  // @ts-expect-error an outcome is one of three words
  if (answer.outcome === 'pending') return '';
  // @ts-expect-error an answer cannot be changed
  answer.verified = true;
  return answer.outcome;
};
// @ts-expect-error the certificate is missing
createMerchant({ url: 'https://x', key: '', authority: '' });
const verdict: Verdict = verifyAnswer({ status: 200, rawHeaders: [], body: Buffer.alloc(0) }, {} as never);
export const shown: unknown = [use, verdict];
`;
    const load = "import { type Answer, createMerchant, type MerchantOptions, type Verdict, verifyAnswer } from 'hufu-sdk';";
    consumer.write('typed.mts', typed(load));
    consumer.write('typed.cts', typed(load));
    consumer.write(
      'tsconfig.json',
      JSON.stringify({
        compilerOptions: {
          module: 'nodenext',
          target: 'es2022',
          strict: true,
          noEmit: true,
          types: ['node'],
          skipLibCheck: false,
          exactOptionalPropertyTypes: true,
        },
        files: ['typed.mts', 'typed.cts'],
      }),
    );
    const compiler = join(PROJECT, 'node_modules', 'typescript', 'bin', 'tsc');
    const check = consumer.write(
      'check.cjs',
      `require('node:child_process').execFileSync(process.execPath, [${JSON.stringify(compiler)}, '-p', '.'], { stdio: 'inherit' });`,
    );
    assert.equal(await runFile(process.execPath, check, { cwd: consumer.folder }), '');
  });

  test('imports nothing but Node and itself, and names no source file', () => {
    const files = globSync(join(consumer.folder, 'node_modules', 'hufu-sdk', '**', '*.{js,ts}'));
    assert.ok(files.length > 20);
    for (const file of files) {
      const text = readFileSync(file, 'utf8');
      for (const [, name] of text.matchAll(/(?:from|require\(|import\()\s*['"]([^'"]+)['"]/g)) {
        assert.match(name as string, /^(node:[a-z/]+|\.{1,2}\/[a-z./-]+\.js)$/, file);
      }
    }
    const manifest = JSON.parse(readFileSync(join(consumer.folder, 'node_modules', 'hufu-sdk', 'package.json'), 'utf8'));
    assert.equal(manifest.dependencies, undefined);
  });
});
