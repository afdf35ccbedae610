import assert from 'node:assert/strict';
import { readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { PROJECT } from '../docs/pages.ts';
import { type Got, platformCertificates, type Script, startTestGateway, type TestGateway } from '../sdk/test-gateway.ts';
import { makePki, type Pki } from '../support/pki.ts';
import { type Consumer, createConsumer, runFile } from './consumer.ts';

/** Runs the JavaScript of docs/sdk.md, in the order of the page, as one program in a project that has the SDK installed. */
let pki: Pki;
let gateway: TestGateway;
let consumer: Consumer;
let payments = 0;

/** Answers as the gateway with its core would; the first payment is cut off, so that the page's retry is used. */
function answer({ target, body }: Got): Script {
  if (target === '/v1/platform-certificates') return { body: platformCertificates([['platform-ec', pki.read('signing/platform-ec')]]) };
  if (!target.endsWith('/payments')) return { status: 201, body: JSON.stringify({ ...JSON.parse(body.toString()), status: 'CREATED' }) };
  payments += 1;
  return payments === 1 ? { raw: '' } : { status: 200, body: '{"paymentNo":"P1","status":"SUCCEEDED"}' };
}

before(async () => {
  pki = await makePki();
  gateway = await startTestGateway(pki, answer);
  consumer = createConsumer();
  symlinkSync(pki.directory, join(consumer.folder, 'certs'));
});
after(async () => {
  await gateway.close();
  pki.dispose();
  consumer.dispose();
});

test('every example of docs/sdk.md runs and shows what the page says', async () => {
  const page = readFileSync(join(PROJECT, 'docs', 'sdk.md'), 'utf8');
  const blocks = [...page.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, code]) => code as string);
  assert.equal(blocks.length, 2);
  const code = blocks.join('\n').replaceAll('https://localhost:8443', gateway.url);
  const printed = await runFile(process.execPath, consumer.write('page.mjs', code), { cwd: consumer.folder });
  assert.match(printed, /^201 true succeeded \{\n? *orderNo: 'A-\d+',/);
  assert.match(printed, /^paid \{ paymentNo: 'P1', status: 'SUCCEEDED' \}$/m);
  assert.match(printed, /^\[ 'platform-ec' \]$/m);
  assert.equal(payments, 2);
});

test('the table of docs/sdk.md names every member of an answer', () => {
  const page = readFileSync(join(PROJECT, 'docs', 'sdk.md'), 'utf8');
  const type = /export type Answer = \{([\s\S]*?)^\};/m.exec(readFileSync(join(PROJECT, 'src', 'sdk', 'answer.ts'), 'utf8'))?.[1] ?? '';
  const members = [...type.matchAll(/readonly (\w+)\??:/g)].map(([, name]) => name as string);
  assert.ok(members.length > 10);
  for (const name of members) assert.ok(page.includes(`\`${name}\``), name);
});
