import assert from 'node:assert/strict';

const first = (find: string | RegExp, replacement: string) => (text: string) => {
  assert.ok(text.search(find) >= 0, `the request has no ${find}`);
  return text.replace(find, replacement);
};
const withHeader = (line: string) => first('\r\n\r\n', `\r\n${line}\r\n\r\n`);
const asMethod = (method: string) => first(/^POST/, method);
const asTarget = (target: string) => first(' /v1/orders ', ` ${target} `);
/** Replaces the Host line. */
const withHost = (lines: string) => first(/Host: .*\r\n/, lines);
/** The same body in chunks; `chunk` writes one. */
export const inChunks =
  (end = '0\r\n\r\n', chunk = (body: string) => `${body.length.toString(16)}\r\n${body}\r\n`) =>
  (text: string): string => {
    const [head, body] = text.split('\r\n\r\n') as [string, string];
    return `${head.replace(/Content-Length: \d+/, 'Transfer-Encoding: chunked')}\r\n\r\n${chunk(body)}${end}`;
  };

export const UNSIGNED = 'unsigned';
export type Expected = 'HTTP_INVALID' | 'closed' | typeof UNSIGNED;

/** Each is a correctly signed order but for its framing: whatever got through would be executed. */
export const CASES: readonly (readonly [spoil: (text: string) => string, expected: Expected, why: string])[] = [
  // Host
  [withHost('Host: localhost\r\nHost: evil.example\r\n'), 'HTTP_INVALID', 'two Host lines'],
  [withHost('Host: localhost\r\nhost: localhost\r\n'), 'HTTP_INVALID', 'the same Host twice'],
  [withHost('Host: localhost, evil.example\r\n'), 'HTTP_INVALID', 'a list in Host'],
  [withHost('Host: merchant@localhost\r\n'), 'HTTP_INVALID', 'userinfo in Host'],
  [withHost('Host: localhost/v1\r\n'), 'HTTP_INVALID', 'a path in Host'],
  [withHost('Host: localhost:443:443\r\n'), 'HTTP_INVALID', 'two ports in Host'],
  [withHost('Host:\r\n'), 'HTTP_INVALID', 'an empty Host'],
  [withHost(''), 'HTTP_INVALID', 'no Host'],
  // request line
  [asTarget('https://localhost/v1/orders'), 'HTTP_INVALID', 'absolute form'],
  [asTarget('https://evil.example/v1/orders'), 'HTTP_INVALID', 'absolute form with another host'],
  [asTarget('a://b'), 'HTTP_INVALID', 'a target that URL parsers find no path in'],
  [asTarget('http://[::1'), 'HTTP_INVALID', 'a target that URL parsers throw on'],
  [asTarget('*'), 'HTTP_INVALID', 'asterisk form'],
  [asTarget('v1/orders'), UNSIGNED, 'no leading slash'],
  [asTarget('/v1/orders#a'), 'HTTP_INVALID', 'a fragment'],
  [asTarget('/v1/orders\\a'), 'HTTP_INVALID', 'a backslash'],
  [asTarget(`/v1/${'a'.repeat(3000)}`), 'HTTP_INVALID', 'a target beyond 2048 bytes'],
  [asTarget('/v1/orders\0'), UNSIGNED, 'NUL in the target'],
  [asTarget('/v1/orders\xff'), UNSIGNED, 'a byte above ASCII in the target'],
  [first('HTTP/1.1', 'HTTP/1.0'), 'HTTP_INVALID', 'HTTP/1.0'],
  [first('HTTP/1.1', 'HTTP/2.0'), 'HTTP_INVALID', 'HTTP/2.0 without its preface'],
  [first(' HTTP/1.1', ''), 'HTTP_INVALID', 'HTTP/0.9 with headers'],
  [first('HTTP/1.1', 'HTTP/1.1 '), UNSIGNED, 'a space behind the version'],
  [first('HTTP/1.1', 'HTTP/1.1\r'), UNSIGNED, 'two CR behind the version'],
  [asMethod('post'), UNSIGNED, 'a method in lower case'],
  [asMethod('HEAD'), 'HTTP_INVALID', 'HEAD'],
  [asMethod('OPTIONS'), 'HTTP_INVALID', 'OPTIONS'],
  [asMethod('TRACE'), 'HTTP_INVALID', 'TRACE'],
  [asMethod('QUERY'), 'HTTP_INVALID', 'a method of newer date'],
  [asMethod('PROPFIND'), 'HTTP_INVALID', 'a method of WebDAV'],
  [asMethod('PRI'), UNSIGNED, 'the method of the HTTP/2 preface'],
  [(text) => `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${text}`, UNSIGNED, 'the HTTP/2 preface'],
  [first('POST /v1/orders', 'CONNECT localhost:443'), 'closed', 'CONNECT'],
  // header lines
  [first('\r\nContent-Type', '\nContent-Type'), UNSIGNED, 'a bare LF between headers'],
  [(text) => text.replaceAll('\r\n', '\n'), UNSIGNED, 'bare LF everywhere'],
  [withHeader('X-A: b\rContent-Length: 0'), UNSIGNED, 'a bare CR in a value'],
  [withHeader('X-A: b\r\n c'), UNSIGNED, 'a folded line'],
  [withHeader('X-A : b'), UNSIGNED, 'a space before the colon'],
  [first('Merchant-Number:', 'Merchant-Number\t:'), UNSIGNED, 'a tab before the colon of a header that decides'],
  [withHeader(' X-A: b'), UNSIGNED, 'a space before the name'],
  [withHeader(': b'), UNSIGNED, 'no name'],
  [withHeader('X-A'), UNSIGNED, 'no colon'],
  [withHeader('X-A: b\0c'), UNSIGNED, 'NUL in a value'],
  [withHeader('X-\xc4: b'), UNSIGNED, 'a byte above ASCII in a name'],
  [withHeader('Merchant-Number: 800000000000001'), 'HTTP_INVALID', 'a second Merchant-Number'],
  [withHeader('Merchant_Number: 800000000000001'), 'HTTP_INVALID', 'an underscore twin of Merchant-Number'],
  [withHeader('Idempotency-Key: another'), 'HTTP_INVALID', 'a second Idempotency-Key'],
  [withHeader('Content-Type: text/plain'), 'HTTP_INVALID', 'a second Content-Type'],
  [withHeader('Content-Digest: sha-256=:AA==:'), 'HTTP_INVALID', 'a second Content-Digest'],
  [withHeader(`X-A: ${'a'.repeat(17_000)}`), UNSIGNED, 'headers beyond 16 KiB'],
  [withHeader('a:\r\n'.repeat(2_000).trimEnd()), UNSIGNED, 'two thousand headers: none may be dropped in silence'],
  [withHeader('a: b\r\n'.repeat(100).trimEnd()), 'HTTP_INVALID', 'more than a hundred headers'],
  // length
  [withHeader('Transfer-Encoding: chunked'), UNSIGNED, 'Content-Length and Transfer-Encoding'],
  [first(/Content-Length: (\d+)/, 'Content-Length: $1\r\nContent-Length: $1'), UNSIGNED, 'the same Content-Length twice'],
  [first(/Content-Length: (\d+)/, 'Content-Length: $1, $1'), UNSIGNED, 'a list of lengths'],
  [first(/Content-Length: /, 'Content-Length: +'), UNSIGNED, 'a signed length'],
  [first(/Content-Length: /, 'Content-Length: 0x'), UNSIGNED, 'a hexadecimal length'],
  [first(/Content-Length: (\d+)/, 'Content-Length: 18446744073709551616'), UNSIGNED, 'a length beyond 64 bits'],
  [first(/Content-Length: (\d+)/, 'Content-Length: $1 1'), UNSIGNED, 'a space within a length'],
  // chunks
  [inChunks('0\r\nMerchant-Number: 800000000000001\r\n\r\n'), 'HTTP_INVALID', 'a trailer that was not announced'],
  [(text) => withHeader('Trailer: Merchant-Number')(inChunks()(text)), 'HTTP_INVALID', 'an announced trailer'],
  [inChunks(undefined, (body) => `0x${body.length.toString(16)}\r\n${body}\r\n`), UNSIGNED, 'a chunk length with 0x'],
  [inChunks(undefined, (body) => `-${body.length.toString(16)}\r\n${body}\r\n`), UNSIGNED, 'a negative chunk length'],
  [inChunks(undefined, (body) => `1000000000000000${body.length.toString(16)}\r\n${body}\r\n`), UNSIGNED, 'a chunk length beyond 64 bits'],
  [inChunks(undefined, (body) => `${body.length.toString(16)}\n${body}\r\n`), UNSIGNED, 'a bare LF behind a chunk length'],
  [inChunks(undefined, (body) => `${body.length.toString(16)};a\n=b\r\n${body}\r\n`), UNSIGNED, 'a bare LF in a chunk extension'],
  [inChunks(undefined, (body) => `${body.length.toString(16)}\r\n${body}`), UNSIGNED, 'a chunk without its end'],
  [
    inChunks(undefined, (body) => `${body.length.toString(16)};${'a'.repeat(20_000)}\r\n${body}\r\n`),
    UNSIGNED,
    'a chunk extension without end',
  ],
  // what asks for another protocol, or for a word before the body
  [withHeader('Expect: 200-ok'), 'HTTP_INVALID', 'an expectation that nobody knows'],
  [withHeader('Expect: 100-continue, 200-ok'), 'HTTP_INVALID', 'two expectations'],
  [withHeader('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk'), 'HTTP_INVALID', 'an upgrade to HTTP/2'],
  [withHeader('Connection: Upgrade\r\nUpgrade: websocket'), 'HTTP_INVALID', 'an upgrade to WebSocket'],
];

/** Spellings of Transfer-Encoding that some server somewhere takes for chunked and another does not. */
export const CODINGS = [
  ...['Transfer-Encoding: ,chunked', 'Transfer-Encoding: chunked,', 'Transfer-Encoding: chunked, chunked', 'Transfer-Encoding: identity'],
  ...['Transfer-Encoding: xchunked', 'Transfer-Encoding: chunkedx', 'Transfer-Encoding: x, chunked', 'Transfer-Encoding: chunked, x'],
  ...['Transfer-Encoding: "chunked"', "Transfer-Encoding: 'chunked'", 'Transfer-Encoding: chunked;a=b', 'Transfer-Encoding:\tchunked'],
  ...[
    'Transfer-Encoding: \x0bchunked',
    'Transfer-Encoding: \x0cchunked',
    'Transfer-Encoding: \x00chunked',
    'Transfer-Encoding: chunked\x00',
  ],
  ...[
    'Transfer-Encoding: \x85chunked',
    'Transfer-Encoding: \xa0chunked',
    'Transfer-Encoding: chunked\xa0',
    'Transfer-Encoding: \xffchunked',
  ],
  ...['Transfer-Encoding : chunked', 'Transfer-Encoding\t: chunked', ' Transfer-Encoding: chunked', '\tTransfer-Encoding: chunked'],
  ...['Transfer-Encoding\x00: chunked', 'Transfer-Encoding\xa0: chunked', 'Transfer_Encoding: chunked', 'TRANSFER-ENCODING: CHUNKED'],
  ...['Transfer-Encoding: chunked\r\nTransfer-Encoding: identity', 'Transfer-Encoding: identity\r\nTransfer-Encoding: chunked'],
  ...[
    'Transfer-Encoding: x\r\n chunked',
    'Transfer-Encoding:\r\n chunked',
    'X-A: b\nTransfer-Encoding: chunked',
    'X-A: b\rTransfer-Encoding: chunked',
  ],
  ...['Transfer-Encoding: gzip, chunked', 'Transfer-Encoding: chunked, gzip', 'Transfer-Encoding: deflate', 'Transfer-Encoding:'],
];
