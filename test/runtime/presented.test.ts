import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Peer } from '../../src/protocol/messages.ts';
import { createPresented, PRESENTED_MAX } from '../../src/runtime/presented.ts';

const DAY_MS = 86_400_000;
const NOW_MS = Date.UTC(2027, 5, 1, 12);
const peerOf = (number: number, leftMs: number): Peer =>
  ({
    thumbprint: `thumbprint ${number}`,
    subject: `CN=示例茶行 ${number}`,
    serialNumber: String(number),
    authority: 'merchants',
    notBeforeMs: NOW_MS - 300 * DAY_MS,
    notAfterMs: NOW_MS + leftMs,
  }) as Peer;

function prepare(isServed: (peer: Peer) => boolean = () => true) {
  const clock = { nowMs: NOW_MS };
  const presented = createPresented(isServed, () => clock.nowMs);
  return { ...presented, clock, serials: () => presented.ends().map(({ name }) => /serial (\d+),/.exec(name)?.[1]) };
}

test('who is seen with a certificate that ends within 60 days is told by name, once however often it comes', () => {
  const { see, ends } = prepare();
  see(peerOf(1, 60 * DAY_MS + 1));
  assert.deepEqual(ends(), []);
  for (let i = 0; i < 3; i += 1) see(peerOf(2, 60 * DAY_MS));
  const [end] = ends();
  assert.equal(ends().length, 1);
  assert.deepEqual(end, {
    kind: 'merchant_certificate',
    name: 'CN=示例茶行 2, serial 2, of merchants',
    notAfterMs: NOW_MS + 60 * DAY_MS,
    madeAtMs: NOW_MS - 300 * DAY_MS,
  });
});

test('a certificate that no merchant is served on is nobody’s to renew', () => {
  const { see, serials } = prepare(({ serialNumber }) => serialNumber !== '1');
  for (const number of [1, 2]) see(peerOf(number, DAY_MS));
  assert.deepEqual(serials(), ['2']);
});

test('one that nobody has shown for a day is forgotten: it was renewed', () => {
  const { see, serials, clock } = prepare();
  for (const number of [1, 2]) see(peerOf(number, DAY_MS));
  clock.nowMs += DAY_MS / 2;
  see(peerOf(2, DAY_MS));
  clock.nowMs += DAY_MS / 2;
  assert.deepEqual(serials(), ['2']);
});

test('strangers in great number cost no more memory than the bound', () => {
  const { see, serials } = prepare();
  for (let number = 0; number < PRESENTED_MAX + 10; number += 1) see(peerOf(number, DAY_MS));
  assert.deepEqual([serials().length, serials()[0]], [PRESENTED_MAX, '10']);
});
