import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pemOf, readPem } from '../../src/certificates/pem.ts';
import { loadAuthorities, trustOptions } from '../../src/identity/authorities.ts';
import { createRecent } from '../../src/identity/recent.ts';
import { makePki, type Pki } from '../support/pki.ts';

let pki: Pki;
before(async () => {
  pki = await makePki();
});
after(() => pki.dispose());
const file = (path: string): string => join(pki.directory, path);

test('an authority may have several certificates, each with the path above it', () => {
  const authorities = loadAuthorities([
    { name: 'merchants', certificates: [file('merchants-authority.crt'), file('signing-authority.crt')] },
  ]);
  assert.deepEqual(
    authorities.map(({ name }) => name),
    ['merchants', 'merchants'],
  );
  assert.deepEqual(
    authorities.map(({ above }) => above.length),
    [1, 1],
  );
  assert.equal(trustOptions(authorities).ca.length, 4);
});

const refused: readonly (readonly [() => readonly string[], RegExp, string])[] = [
  [() => [file('absent.crt')], /absent\.crt cannot be read \(ENOENT\)/, 'a file that is not there'],
  [() => [file('server.key')], /server\.key holds no certificate/, 'a file without a certificate'],
  [
    () => [file('server.crt')],
    /server\.crt cannot be used as authority merchants: .*not that of an authority/,
    'a certificate that may not issue',
  ],
  [
    () => [files('merchants-authority')],
    /made\.crt: certificate 1 is not issued by itself.*up to the self-signed root/,
    'a path without its root',
  ],
  [
    () => [files('merchants-authority', 'server-authority', 'authority')],
    /made\.crt: certificate 1 is not issued by the next one/,
    'a certificate too many in the path',
  ],
  [() => [files('authority', 'merchants-authority')], /certificate 1 is not issued by the next one/, 'a path that is upside down'],
  [() => [file('merchants-authority.crt'), file('merchants-authority.crt')], /name each authority once/, 'one certificate twice'],
];

/** A file with the first certificates of others. */
function files(...paths: string[]): string {
  const certificates = paths.map((path) => readPem(readFileSync(file(`${path}.crt`), 'utf8'), path)[0]);
  writeFileSync(file('made.crt'), certificates.map(pemOf).join(''));
  return file('made.crt');
}

test('a root that signs merchants itself is its own path', () => {
  const [authority] = loadAuthorities([{ name: 'merchants', certificates: [file('authority.crt')] }]);
  assert.deepEqual(authority?.above, []);
});

for (const [certificates, message, why] of refused) {
  test(`loadAuthorities refuses with one clear line: ${why}`, () => {
    assert.throws(() => loadAuthorities([{ name: 'merchants', certificates: certificates() }]), { name: 'UserError', message });
  });
}

test('one key under two authority names would be two bindings of one certificate', () => {
  const list = ['a', 'b'].map((name) => ({ name, certificates: [file('merchants-authority.crt')] }));
  assert.throws(() => loadAuthorities(list), { name: 'UserError', message: /name each authority once/ });
});

test('createRecent keeps what was used last', () => {
  const recent = createRecent<number>(2);
  recent.keep('a', 1);
  recent.keep('b', 2);
  assert.equal(recent.find('a'), 1);
  recent.keep('c', 3);
  assert.deepEqual(
    ['a', 'b', 'c'].map((key) => recent.find(key)),
    [1, undefined, 3],
  );
});
