import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '../../src/config/load.ts';
import { problemsOf, temporaryDirectory, unmark, writeFiles } from './workbench.ts';

type Options = { readonly environment?: NodeJS.ProcessEnv; readonly profile?: 'development' | 'production' };

/** Loads a gateway.yaml of this text; certificates are not looked at. */
async function load(
  t: Parameters<typeof temporaryDirectory>[0],
  text: string,
  { environment = {}, profile = 'development' }: Options = {},
) {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'gateway.yaml');
  await writeFiles(directory, { 'gateway.yaml': text });
  return { directory, file, run: () => loadConfig({ file, environment, profile, checksFiles: false }) };
}

// `§` stands where the problem must point.
const MISTAKES: readonly (readonly [why: string, text: string, message: string])[] = [
  [
    'an unknown key names its section and the near one',
    'listeners:\n  internet:\n    §prot: 8443\n',
    'unknown key "prot" in listeners.internet; did you mean "port"?',
  ],
  ['an unknown key at the top', '§store-timeout: 5\n', 'unknown key "store-timeout"; did you mean "storeTimeoutMs"?'],
  ['case is the commonest mistake', 'core:\n  §URL: http://127.0.0.1:1\n', 'unknown key "URL" in core; did you mean "url"?'],
  ['nothing near: no suggestion', '§colour: red\n', 'unknown key "colour"'],
  ['a key that prototypes know', '§toString: red\n', 'unknown key "toString"'],
  ['a key that would set a prototype', '§__proto__: { instance: x }\n', 'unknown key "__proto__"'],
  [
    'text where a number belongs',
    'listeners:\n  status:\n    port: §"9100"\n',
    'listeners.status.port: expected an integer 0 to 65535, found "9100"',
  ],
  [
    'a number beyond its bound',
    'listeners:\n  status:\n    port: §65536\n',
    'listeners.status.port: expected an integer 0 to 65535, found 65536',
  ],
  ['a negative number', 'storeTimeoutMs: §-1\n', 'storeTimeoutMs: expected an integer 50 to 5000 (ms), found -1'],
  ['a fraction', 'storeTimeoutMs: §50.5\n', 'storeTimeoutMs: expected an integer 50 to 5000 (ms), found 50.5'],
  ['not a number at all', 'storeTimeoutMs: §.nan\n', 'storeTimeoutMs: expected an integer 50 to 5000 (ms), found NaN'],
  ['nothing behind a key', 'storeTimeoutMs:§\n', 'storeTimeoutMs: expected an integer 50 to 5000 (ms), found null'],
  ['a list where a section belongs', 'core: §[http://127.0.0.1:7001]\n', 'core: expected a map of keys and values, found a list of 1'],
  [
    'a section where text belongs',
    'instance: §{ name: x }\n',
    'instance: expected a name of a-z, 0-9 and - (at most 63 characters), found a map',
  ],
  ['an empty list', 'hosts: §[]\n', 'hosts: expected a list of 1 to 64 entries, found an empty list'],
  [
    'a host with a port',
    'hosts: [localhost, §"Pay.example:8443/"]\n',
    'hosts[1]: expected a host name in lower case, without port, found "Pay.example:8443/"',
  ],
  [
    'a missing key points at its entry',
    'answers:\n  keys:\n    - §keyid: a\n      certificate: a.crt\n',
    'answers.keys[0].key is missing: expected a path',
  ],
  [
    'a store of another kind',
    'store: §mysql://h\n',
    'store: expected sqlite:FILE, redis://HOST:PORT, redis+sentinel://HOST:PORT,HOST:PORT/NAME or redis+cluster://HOST:PORT,HOST:PORT, found "mysql://h"',
  ],
  [
    'the password of a store is not told',
    'store: §mysql://user:s3cret@host/0\n',
    'store: expected sqlite:FILE, redis://HOST:PORT, redis+sentinel://HOST:PORT,HOST:PORT/NAME or redis+cluster://HOST:PORT,HOST:PORT, found "mysql://...@host/0"',
  ],
  [
    'a core with a path',
    'core: { url: §"http://127.0.0.1:7001/v1" }\n',
    'core.url: expected http://HOST:PORT without path, found "http://127.0.0.1:7001/v1"',
  ],
  [
    'a core that is no URL',
    'core: { url: §"http://127.0.0.1:99999" }\n',
    'core.url: expected http://HOST:PORT, found "http://127.0.0.1:99999"',
  ],
  [
    'a time zone that does not exist',
    'timeZone: §Asia/Shanghia\n',
    'timeZone: expected a time zone such as Asia/Shanghai, found "Asia/Shanghia"',
  ],
  ['an instance that is not listed', 'instance: §gateway-2\n', 'instances: must list this instance, "gateway-2"'],
  ['an instance listed twice', 'instances: [gateway-1, §gateway-1]\n', 'instances: "gateway-1" is listed twice'],
  [
    'an authority that is not there',
    'listeners: { internet: { authorities: [§merchant] } }\n',
    'there is no authority "merchant" in authorities; did you mean "merchants"?',
  ],
  [
    'OCSP without anybody to ask',
    'authorities:\n  - { name: merchants, certificates: [a.crt], ocsp: §{ mode: strict } }\n',
    'authorities.ocsp: name the responder by url, or the hosts that certificates may name',
  ],
  [
    'a responder by https',
    "authorities:\n  - { name: merchants, certificates: [a.crt], ocsp: { mode: soft, url: §'https://a/' } }\n",
    'authorities[0].ocsp.url: expected an http:// URL, found "https://a/"',
  ],
  [
    'a responder host that is a URL',
    "authorities:\n  - { name: merchants, certificates: [a.crt], ocsp: { mode: soft, hosts: [§'http://a/'] } }\n",
    'authorities[0].ocsp.hosts[0]: expected HOST or HOST:PORT in lower case, found "http://a/"',
  ],
  [
    'two answer keys of one id',
    'answers:\n  keys:\n    - { keyid: a, certificate: a.crt, key: a.key }\n    - { keyid: §a, certificate: b.crt, key: b.key }\n',
    'answers.keys: "a" is listed twice',
  ],
  [
    'development serves this machine only',
    'listeners: { internet: { address: §0.0.0.0 } }\n',
    'the development profile listens on loopback only; use 127.0.0.1 or ::1',
  ],
  ['a key twice', 'instance: a\n§instance: b\n', 'Map keys must be unique'],
  ['a key twice, nested', 'core:\n  connections: 1\n  §connections: 2\n', 'Map keys must be unique'],
  ['an alias', 'hosts: &h [localhost]\ninstances: §*h\n', 'the alias *h is not supported; write the value out'],
  ['a tag', 'instance: !!binary §aGVsbG8=\n', 'the tag tag:yaml.org,2002:binary is not supported'],
  ['an unknown tag', 'instance: §!secret x\n', 'Unresolved tag: !secret'],
  ['two documents', 'instance: gateway-1\n§---\ninstance: b\n', 'only one document per file is read; remove "---" and what follows'],
  ['a tab', 'core:\n§\turl: x\n', 'Tabs are not allowed as indentation'],
  ['a quote that does not end', 'instance: "gateway-1\n§', 'Missing closing "quote'],
  [
    'a bracket that does not end',
    'hosts: [localhost\n§',
    'Flow sequence in block collection must be sufficiently indented and end with a ]',
  ],
  ['a list as the whole file', '§- instance\n', 'expected a map of keys and values, found a list of 1'],
];

for (const [why, marked, message] of MISTAKES) {
  test(`gateway.yaml: ${why}`, async (t) => {
    const { text, line, column } = unmark(marked);
    const { file, run } = await load(t, text);
    assert.deepEqual(problemsOf(run, file), [`${line}:${column} ${message}`]);
  });
}

test('all problems are told at once, also those of the environment', async (t) => {
  const { file, run } = await load(t, 'instnce: a\nstoreTimeoutMs: fast\ncore: { url: 7 }\n', { environment: { HUFU_PORT_STATUS: 'x' } });
  assert.deepEqual(problemsOf(run, file), [
    'environment 0:0 HUFU_PORT_STATUS: expected a port 0 to 65535, found "x"',
    '2:17 storeTimeoutMs: expected an integer 50 to 5000 (ms), found "fast"',
    '3:14 core.url: expected http://HOST:PORT without path, found 7',
    '1:1 unknown key "instnce"; did you mean "instance"?',
  ]);
  assert.throws(run, {
    message:
      /^environment: HUFU_PORT_STATUS[^\n]*\n\S*gateway\.yaml:1:1: [^\n]*\n\S*gateway\.yaml:2:17: [^\n]*\n\S*gateway\.yaml:3:14: [^\n]*$/,
  });
});

test('a hundred aliases of aliases cost nothing', async (t) => {
  const levels = Array.from({ length: 30 }, (_, i) => `x${i + 1}: &a${i + 1} [${`*a${i},`.repeat(9)}]`);
  const { run } = await load(t, `x0: &a0 [lol]\n${levels.join('\n')}\n`);
  assert.throws(run, { name: 'ConfigurationProblems', message: /the alias \*a0 is not supported/ });
});

const FILES: readonly (readonly [why: string, write: Readonly<Record<string, string | Buffer>>, message: string])[] = [
  ['no file', {}, 'there is no such file'],
  ['an empty file', { 'gateway.yaml': '' }, 'is empty; expected a map of keys and values'],
  ['a directory', { 'gateway.yaml/x': '' }, 'this is a directory, expected a file'],
  ['bytes that are no text', { 'gateway.yaml': Buffer.from([0x61, 0xff, 0xfe]) }, 'the file is not UTF-8'],
];
for (const [why, write, message] of FILES) {
  test(`gateway.yaml: ${why} is a problem and no stack trace`, async (t) => {
    const directory = temporaryDirectory(t);
    await writeFiles(directory, write as Record<string, string>);
    const file = join(directory, 'gateway.yaml');
    const run = () => loadConfig({ file, environment: {}, profile: 'development', checksFiles: false });
    assert.deepEqual(problemsOf(run, file), [`0:0 ${message}`]);
  });
}

const VARIABLES: readonly (readonly [
  why: string,
  environment: NodeJS.ProcessEnv,
  expected: string | ((directory: string) => Record<string, unknown>),
])[] = [
  ['a port', { HUFU_PORT_INTERNET: '18443' }, () => ({ 'listeners.internet.port': 18_443 })],
  ['zero takes any port', { HUFU_PORT_STATUS: '0' }, () => ({ 'listeners.status.port': 0 })],
  ['a name of its own, in a file that several share', { HUFU_INSTANCE: 'gateway-2' }, () => ({ instance: 'gateway-2' })],
  ['the port of the core', { HUFU_PORT_CORE: '17001' }, () => ({ 'core.url': 'http://127.0.0.1:17001' })],
  ['an empty variable counts as unset', { HUFU_PORT_INTERNET: '' }, () => ({ 'listeners.internet.port': 8443 })],
  [
    'data moves everything in it',
    { HUFU_DATA: '/d' },
    () => ({ store: 'sqlite:/d/store.db', 'journal.directory': '/d/journal', secretsDirectory: '/d/keys' }),
  ],
  ['certificates move', { HUFU_CERTS: '/c' }, () => ({ 'listeners.internet.key': '/c/server.key' })],
  ['a store', { HUFU_STORE: 'redis://127.0.0.1:6379' }, () => ({ store: 'redis://127.0.0.1:6379' })],
  ['a SQLite store below the data', { HUFU_STORE: 'sqlite:x/y.db', HUFU_DATA: '/d' }, () => ({ store: 'sqlite:/d/x/y.db' })],
  ['REDIS_URL when nothing else is set', { REDIS_URL: 'redis://h:1' }, () => ({ store: 'redis://h:1' })],
  ['HUFU_STORE wins', { REDIS_URL: 'redis://h:1', HUFU_STORE: 'redis://h:2' }, () => ({ store: 'redis://h:2' })],
  [
    'paths are absolute, seen from the file',
    {},
    (directory) => ({ merchants: join(directory, 'merchants'), plans: join(directory, 'plans.yaml') }),
  ],
  ['a name that is not listed', { HUFU_INSTANCE: 'gateway-3' }, 'gateway.yaml 1:11 instances: must list this instance, "gateway-3"'],
  [
    'a name that is a path',
    { HUFU_INSTANCE: '../x' },
    '0:0 HUFU_INSTANCE: expected a name of a-z, 0-9 and - (at most 63 characters), found "../x"',
  ],
  [
    'a core at any port cannot be found',
    { HUFU_PORT_CORE: '0' },
    'gateway.yaml 1:1 core.url: a gateway cannot find its core at port 0; only `hufu up` may choose any free port',
  ],
  ['a port of words', { HUFU_PORT_CORE: 'auto' }, '0:0 HUFU_PORT_CORE: expected a port 0 to 65535, found "auto"'],
  ['a port beyond 16 bits', { HUFU_PORT_INTERNET: '65536' }, '0:0 HUFU_PORT_INTERNET: expected a port 0 to 65535, found "65536"'],
  ['a port of another notation', { HUFU_PORT_INTERNET: '0x20' }, '0:0 HUFU_PORT_INTERNET: expected a port 0 to 65535, found "0x20"'],
  [
    'a store with a password is not repeated',
    { HUFU_STORE: 'mysql://u:s3cret@h' },
    '0:0 HUFU_STORE: expected sqlite:FILE, redis://HOST:PORT, redis+sentinel://HOST:PORT,HOST:PORT/NAME or redis+cluster://HOST:PORT,HOST:PORT',
  ],
];
for (const [why, environment, expected] of VARIABLES) {
  test(`environment: ${why}`, async (t) => {
    const { directory, run } = await load(t, 'instance: gateway-1\ninstances: [gateway-1, gateway-2]\n', { environment });
    if (typeof expected === 'string') {
      const told = problemsOf(run, 'environment').map((line) => line.replace(`${directory}/`, ''));
      return assert.deepEqual(told, [expected]);
    }
    const config = run();
    for (const [path, value] of Object.entries(expected(directory))) {
      const found = path.split('.').reduce<unknown>((at, step) => (at as Record<string, unknown>)[step], config);
      assert.equal(found, value, path);
    }
  });
}

test('the development profile listens on loopback, production on all addresses', async (t) => {
  const development = await load(t, 'instance: gateway-1\n');
  const production = await load(t, 'instance: gateway-1\n', { profile: 'production' });
  assert.equal(development.run().listeners.internet.address, '127.0.0.1');
  assert.equal(production.run().listeners.internet.address, '0.0.0.0');
});

const PRODUCTION: readonly (readonly [why: string, text: string, message: string | undefined])[] = [
  [
    'a plaintext core elsewhere',
    'core: { url: §"http://core.example:7001" }\n',
    'core.url: production speaks plain HTTP only to this host; use https:// or a local end of a tunnel',
  ],
  [
    'a host that only looks like loopback',
    'core: { url: §"http://127.0.0.1.example:7001" }\n',
    'core.url: production speaks plain HTTP only to this host; use https:// or a local end of a tunnel',
  ],
  ['a plaintext core here', 'core: { url: "http://[::1]:7001" }\n', undefined],
  ['a core with TLS', 'core: { url: "https://core.example" }\n', undefined],
  [
    'SQLite for two',
    'instances: [gateway-1, gateway-2]\nstore: §sqlite:store.db\n',
    'store: more than one instance needs redis://, since a SQLite file serves one host only',
  ],
  ['Redis for two', 'instances: [gateway-1, gateway-2]\nstore: redis://h:1\n', undefined],
];
for (const [why, marked, message] of PRODUCTION) {
  test(`production: ${why}`, async (t) => {
    const { text, line, column } = unmark(marked);
    const { file, run } = await load(t, text, { profile: 'production' });
    assert.deepEqual(problemsOf(run, file), message === undefined ? [] : [`${line}:${column} ${message}`]);
    const development = await load(t, text);
    assert.deepEqual(problemsOf(development.run, development.file), []);
  });
}
