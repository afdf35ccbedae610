import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { connect } from 'node:tls';
import fc from 'fast-check';
import { createNetworks, findNetwork, neighbourhoodOf, plainAddress } from '../../src/lib/networks.ts';
import { type ClientHello, readClientHello } from '../../src/listeners/client-hello.ts';
import type { Reading } from '../../src/listeners/first-bytes.ts';
import { readProxyHeader } from '../../src/listeners/proxy-protocol.ts';

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

function version2(command: number, family: number, body: Buffer, length = body.length): Buffer {
  const head = Buffer.from([command, family, length >> 8, length & 255]);
  return Buffer.concat([SIGNATURE, head, body]);
}
const ipv4 = Buffer.from([192, 0, 2, 7, 198, 51, 100, 1, 0x1f, 0x90, 0x20, 0xfb]);
const ipv6 = Buffer.concat([Buffer.from('20010db8000000000000000000000007', 'hex'), Buffer.alloc(16, 1), Buffer.alloc(4, 2)]);
const tlv = (type: number, value: Buffer) => Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 255]), value]);
const text = (line: string) => Buffer.from(line, 'latin1');

const headers: readonly (readonly [Buffer, string | undefined | 'invalid' | 'more', string])[] = [
  // bytes                                                            address       why
  [text('PROXY TCP4 192.0.2.7 198.51.100.1 8080 8443\r\n'), '192.0.2.7', 'version 1, IPv4'],
  [text('PROXY TCP6 2001:db8::7 2001:db8::1 0 65535\r\n'), '2001:db8::7', 'version 1, IPv6, ports at the ends'],
  [text('PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n'), '192.0.2.7', 'a mapped address is the IPv4 one: lists must not be passed by it'],
  [text('PROXY TCP4 192.0.2.7 198.51.100.1 8080 8443'), 'more', 'not at its end yet'],
  [text(''), 'more', 'nothing yet'],
  [text('PROXY UNKNOWN\r\n'), 'invalid', 'lists and rates need an address'],
  [text('PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n'), 'invalid', 'family and address differ'],
  [text('PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n'), 'invalid', 'the other way round'],
  [text('PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n'), 'invalid', 'a zone means something to its own host only'],
  [text('PROXY TCP4 192.0.2.7 198.51.100.1 65536 1\r\n'), 'invalid', 'no port'],
  [text('PROXY TCP4 192.0.2.7 198.51.100.1 080 1\r\n'), 'invalid', 'leading zero'],
  [text('PROXY TCP4 192.0.2.07 198.51.100.1 1 1\r\n'), 'invalid', 'octal'],
  [text('PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n'), 'invalid', 'a port is missing'],
  [text('PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n'), 'invalid', 'one field too many'],
  [text('PROXY  TCP4 192.0.2.7 198.51.100.1 1 2\r\n'), 'invalid', 'two spaces'],
  [text('PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n'.padEnd(107, ' ')), 'invalid', 'no CRLF in 107 bytes'],
  [text('proxy TCP4 192.0.2.7 198.51.100.1 1 2\r\n'), 'invalid', 'lower case'],
  [text('GET / HTTP/1.1\r\n'), 'invalid', 'HTTP'],
  [Buffer.from([22, 3, 1, 0, 5]), 'invalid', 'TLS without a header'],
  [version2(0x21, 0x11, ipv4), '192.0.2.7', 'version 2, IPv4'],
  [version2(0x21, 0x21, ipv6), '2001:db8::7', 'version 2, IPv6'],
  [version2(0x21, 0x11, Buffer.concat([ipv4, tlv(1, text('http/1.1')), tlv(4, Buffer.alloc(0))])), '192.0.2.7', 'with TLVs'],
  [version2(0x20, 0x00, Buffer.alloc(0)), undefined, 'LOCAL: a health check of the balancer itself'],
  [version2(0x20, 0x11, Buffer.alloc(12)), undefined, 'LOCAL, whatever follows'],
  [version2(0x21, 0x11, ipv4).subarray(0, 20), 'more', 'cut in the middle'],
  [version2(0x21, 0x11, Buffer.concat([ipv4, Buffer.from([4, 0, 9, 1])])), 'invalid', 'a TLV that leads outside'],
  [version2(0x21, 0x11, Buffer.concat([ipv4, Buffer.from([4])])), 'invalid', 'half a TLV'],
  [version2(0x21, 0x11, ipv4.subarray(0, 11)), 'invalid', 'too short for its family'],
  [version2(0x21, 0x00, Buffer.alloc(0)), 'invalid', 'PROXY without an address'],
  [version2(0x21, 0x12, ipv4), 'invalid', 'UDP'],
  [version2(0x21, 0x31, Buffer.alloc(216)), 'invalid', 'UNIX sockets'],
  [version2(0x22, 0x11, ipv4), 'invalid', 'no such command'],
  [version2(0x11, 0x11, ipv4), 'invalid', 'version 1 in the binary form'],
  [version2(0x21, 0x11, Buffer.alloc(0), 1_025), 'invalid', 'oversize is refused before it is read'],
];

const summary = (reading: Reading<unknown>): unknown => (reading.kind === 'done' ? reading.value : reading.kind);

for (const [bytes, address, why] of headers) {
  test(`PROXY header: ${why}`, () => {
    const reading = readProxyHeader(bytes);
    assert.equal(summary(reading), address);
    if (reading.kind === 'done') assert.equal(reading.bytes, bytes.length);
  });
}

/** What a reader says that is given the bytes in pieces, asking again after each. */
function inPieces<Value>(parse: (bytes: Buffer) => Reading<Value>, bytes: Buffer, cuts: readonly number[]): Reading<Value> {
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  for (const end of ends) {
    const reading = parse(bytes.subarray(0, end));
    if (reading.kind !== 'more') return reading;
  }
  return { kind: 'more' };
}

const cuts = fc.array(fc.nat({ max: 2_000 }), { maxLength: 8 });
const damaged = (samples: readonly Buffer[]) =>
  fc
    .record({
      sample: fc.constantFrom(...samples),
      at: fc.nat(),
      byte: fc.integer({ min: 0, max: 255 }),
      rest: fc.uint8Array({ maxLength: 40 }),
    })
    .map(({ sample, at, byte, rest }) => {
      const bytes = Buffer.concat([sample, rest]);
      bytes[at % bytes.length] = byte;
      return bytes;
    });

test('every split of a PROXY header, whole, damaged or followed by TLS, gives the same result', () => {
  const samples = headers.map(([bytes]) => bytes).filter((bytes) => bytes.length > 0);
  const any = fc.oneof(
    fc.constantFrom(...samples),
    damaged(samples),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  );
  fc.assert(
    fc.property(any, cuts, (bytes, where) => {
      assert.deepEqual(inPieces(readProxyHeader, bytes, where), readProxyHeader(bytes));
    }),
    { numRuns: 2_000 },
  );
  for (const sample of samples)
    for (let end = 0; end <= sample.length; end += 1)
      assert.deepEqual(inPieces(readProxyHeader, sample, [end]), readProxyHeader(sample), `cut at ${end}`);
});

/** The first bytes that a real TLS client sends. */
async function helloOf(servername: string, more = {}): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', servername, ...more }).on(
    'error',
    () => undefined,
  );
  const [socket] = await accepted;
  const [bytes] = await once(socket, 'data');
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
}

test('the server name of real ClientHellos, also spread over records, and at every split', async () => {
  const hello = await helloOf('Pay.Example', { ALPNProtocols: ['http/1.1'] });
  const body = hello.subarray(5);
  const record = (part: Buffer) => Buffer.concat([Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part]);
  const spread = Buffer.concat([record(body.subarray(0, 2)), record(body.subarray(2, 300)), record(body.subarray(300))]);
  const crumbs = Buffer.concat(Array.from({ length: 20 }, (_, i) => record(body.subarray(i, i + 1))));
  const named: readonly (readonly [Buffer, string | undefined, string])[] = [
    [hello, 'pay.example', 'as it comes, in lower case'],
    [await helloOf('old.example', { maxVersion: 'TLSv1.2' }), 'old.example', 'TLS 1.2'],
    [await helloOf(''), undefined, 'without a name'],
    [spread, 'pay.example', 'three records'],
    [crumbs, undefined, 'crumbs are not collected for ever'],
  ];
  const nameOf = (reading: Reading<ClientHello>) => (reading.kind === 'done' ? reading.value.serverName : reading.kind);
  for (const [bytes, name, why] of named) assert.equal(nameOf(readClientHello(bytes)), name, why);
  for (let end = 0; end <= spread.length; end += 1)
    assert.deepEqual(inPieces(readClientHello, spread, [end]), readClientHello(spread), `cut at ${end}`);
  fc.assert(
    fc.property(
      fc.oneof(
        damaged([hello, spread]),
        fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
      ),
      cuts,
      (bytes, where) => {
        const whole = readClientHello(bytes);
        assert.notEqual(whole.kind, 'invalid');
        if (whole.kind === 'done') assert.deepEqual(inPieces(readClientHello, bytes, where), whole);
      },
    ),
    { numRuns: 2_000 },
  );
});

const networks: readonly (readonly [string, string, boolean, string])[] = [
  ['10.20.0.0/16', '10.20.255.255', true, 'the last address'],
  ['10.20.0.0/16', '10.21.0.0', false, 'the next one'],
  ['10.20.0.0/16', '::ffff:10.20.1.1', true, 'as a dual-stack socket shows it'],
  ['192.0.2.7/32', '192.0.2.7', true, 'one address'],
  ['2001:db8::/32', '2001:db8:ffff::1', true, 'IPv6'],
  ['2001:db8::/32', '2001:db9::1', false, 'IPv6, outside'],
  ['10.0.0.0/8', '2001:db8::1', false, 'another family'],
  ['10.0.0.1/8', '10.0.0.1', false, 'bits behind the prefix: no network, matches nothing'],
  ['10.0.0.0/33', '10.0.0.0', false, 'no such prefix'],
  ['10.0.0.0/08', '10.0.0.0', false, 'leading zero'],
  ['10.0.0.0', '10.0.0.0', false, 'no prefix'],
  ['10.0.0.0/8', 'unknown', false, 'no address'],
];
for (const [network, address, isIn, why] of networks) {
  test(`${address} in ${network}: ${isIn}, ${why}`, () => assert.equal(createNetworks([network]).has(address), isIn));
}

test('networks agree with a plain model of 32 bits', () => {
  const octets = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 4, maxLength: 4 });
  fc.assert(
    fc.property(octets, octets, fc.integer({ min: 0, max: 32 }), (of, asked, bits) => {
      const value = (parts: readonly number[]) => parts.reduce((sum, part) => sum * 256 + part, 0);
      const size = 2 ** (32 - bits);
      const base = Math.floor(value(of) / size) * size;
      const text = [24, 16, 8, 0].map((shift) => Math.floor(base / 2 ** shift) % 256).join('.');
      assert.ok(findNetwork(`${text}/${bits}`));
      assert.equal(createNetworks([`${text}/${bits}`]).has(asked.join('.')), Math.floor(value(asked) / size) * size === base);
    }),
  );
});

test('one count for an IPv4 address in all its spellings and for a whole /64 of IPv6', () => {
  assert.equal(neighbourhoodOf('::ffff:192.0.2.7'), neighbourhoodOf('192.0.2.7'));
  assert.equal(neighbourhoodOf('2001:db8::1'), neighbourhoodOf('2001:db8:0:0:ffff::9'));
  assert.notEqual(neighbourhoodOf('2001:db8::1'), neighbourhoodOf('2001:db8:0:1::1'));
  assert.equal(plainAddress('fe80::1%eth0'), 'fe80::1');
});
