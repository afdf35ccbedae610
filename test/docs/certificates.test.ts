import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ISSUING_RULES } from '../../src/certificates/issuing-rules.ts';
import { STANDARD_POLICY } from '../../src/certificates/policy.ts';
import { bashOf, type Ran, readPage, runBash } from './pages.ts';

const page = readPage('docs/certificates.md');

describe('docs/certificates.md', { timeout: 120_000 }, () => {
  let directory: string;
  let ran: Ran;
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'hufu-page-'));
    ran = await runBash(bashOf(page), { CA: join(directory, 'authority') });
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  test('every step succeeds', () => assert.equal(ran.code, 0, ran.output));
  for (const [what, said] of [
    ['the names entry of the merchant file', /names:\n {2}- subject: "CN=800000000000003,OU=Merchants,O=示例茶行,C=CN"/],
    ['the list verifies', /verify OK/],
    ['the revoked one', /revoked \(keyCompromise\).*CN=800000000000004/],
    ['the successor is fit', /checks +a merchant may connect with it/],
    ['the exported file', /shop\.p12 {2}key and 2 certificates/],
  ] as const)
    test(`shows: ${what}`, () => assert.match(ran.output, said));
});

test('the tables of the page are those of the code', () => {
  const names = { root: 'root', authority: 'issuing authority', server: 'server', merchant: 'merchant', signing: 'signing' } as const;
  for (const [profile, name] of Object.entries(names) as [keyof typeof names, string][])
    assert.ok(page.includes(`| ${name} | ${ISSUING_RULES[profile].days} | ${ISSUING_RULES[profile].daysMax} |`), name);
  for (const [name, value] of Object.entries(STANDARD_POLICY)) assert.ok(page.includes(`| \`${name}\` | \`${value}\` |`), name);
});
