import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { MERCHANT } from '../../src/config/merchant-schema.ts';
import { SCHEME_NAMES } from '../../src/protocol/scheme-names.ts';
import { readBlocks, readPage } from './pages.ts';

const PAGE = readPage('docs/signatures.md');

test('the page has every scheme in its table, and no other', () => {
  const named = [...PAGE.matchAll(/^\| `([a-z0-9-]+)` \|/gm)].map(([, name]) => name);
  assert.deepEqual([...new Set(named)].sort(), [...SCHEME_NAMES].sort());
});

test('its merchant file is one that can be loaded', () => {
  const [block] = readBlocks(PAGE).filter(({ language }) => language === 'yaml');
  const names = [{ subject: 'CN=x' }];
  const read = MERCHANT.parse({ number: '800000000000001', name: 'x', names, plan: 'standard', ...(parse(block?.text ?? '') as object) });
  assert.deepEqual(read.signatures, ['rfc9421', 'wechatpay-v3']);
});
