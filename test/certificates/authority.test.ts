import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  type Authority,
  authorityFiles,
  issue,
  openAuthority,
  publishRevocationList,
  requireIssued,
  revoke,
} from '../../src/certificates/authority.ts';
import { type IssuedEntry, readIndex, standingOf } from '../../src/certificates/authority-index.ts';
import { issueCertificate } from '../../src/certificates/issue.ts';
import { ISSUING_RULES, validityOf } from '../../src/certificates/issuing-rules.ts';
import { createKeyPair, KEY_KINDS, type KeyPair } from '../../src/certificates/key-pair.ts';
import { revocationListPemOf } from '../../src/certificates/pem.ts';
import { createRevocationList, REVOCATION_REASON_NAMES, REVOCATION_REASONS } from '../../src/certificates/revocation-list.ts';
import { NAME_STYLES, subjectOf } from '../../src/certificates/subject.ts';
import { parseName, printName } from '../../src/protocol/distinguished-name.ts';
import { openssl, opensslOk } from '../support/openssl.ts';
import { makePki, type Pki } from '../support/pki.ts';

const DAY_MS = 86_400_000;
const FAR = { notBeforeMs: Date.now() - DAY_MS, notAfterMs: Date.now() + 30 * DAY_MS };

let pki: Pki;
let directory: string;
let keys: KeyPair;
before(async () => {
  pki = await makePki();
  directory = mkdtempSync(join(tmpdir(), 'hufu-authority-'));
  keys = await createKeyPair('p-256');
});
after(() => {
  pki.dispose();
  rmSync(directory, { recursive: true });
});

const write = (name: string, content: string): string => {
  const file = join(directory, name);
  writeFileSync(file, content);
  return file;
};

for (const kind of KEY_KINDS) {
  test(`openssl verifies what a ${kind} authority issues and revokes`, async () => {
    const issuer = { name: parseName('CN=根,O=示例银行,C=CN'), keys: await createKeyPair(kind) };
    const root = await issueCertificate({ subject: issuer.name, publicKey: issuer.keys.publicKey, issuer, profile: 'authority', ...FAR });
    const leaf = await issueCertificate({ subject: parseName('CN=1'), publicKey: keys.publicKey, issuer, profile: 'merchant', ...FAR });
    const [rootFile, leafFile] = [write('root.crt', root), write('leaf.crt', leaf)];
    assert.match(opensslOk(['verify', '-x509_strict', '-purpose', 'sslclient', '-CAfile', rootFile, leafFile]), /OK/);
    const { serialNumber } = new X509Certificate(leaf);
    const list = { issuer, number: 300, thisUpdateMs: Date.now() - 1000, nextUpdateMs: Date.now() + DAY_MS };
    const revoked = [{ serialNumber, revokedAtMs: Date.now() - 1000, reason: 'superseded' }] as const;
    const empty = write('empty.crl', revocationListPemOf(createRevocationList({ ...list, revoked: [] })));
    const full = write('full.crl', revocationListPemOf(createRevocationList({ ...list, revoked })));
    for (const file of [empty, full]) assert.match(opensslOk(['crl', '-in', file, '-noout', '-verify', '-CAfile', rootFile]), /verify OK/);
    assert.match(opensslOk(['verify', '-crl_check', '-CRLfile', empty, '-CAfile', rootFile, leafFile]), /OK/);
    assert.match(openssl(['verify', '-crl_check', '-CRLfile', full, '-CAfile', rootFile, leafFile]).output, /certificate revoked/);
  });
}

test('a serial number has 128 random bits, is positive and of one length', async () => {
  const serials = new Set<string>();
  const issuer = { name: parseName('CN=A'), keys };
  for (let i = 0; i < 20; i += 1)
    serials.add(
      new X509Certificate(await issueCertificate({ subject: issuer.name, publicKey: keys.publicKey, issuer, profile: 'merchant', ...FAR }))
        .serialNumber,
    );
  assert.equal(serials.size, 20);
  for (const serial of serials) assert.match(serial, /^01[0-9A-F]{32}$/);
});

test('openssl reads every reason, the number and high serial numbers from a list', () => {
  const issuer = { name: parseName('CN=A'), keys };
  const reasons = REVOCATION_REASON_NAMES.filter((reason) => reason !== 'removeFromCRL');
  const revoked = reasons.map((reason, index) => ({ serialNumber: `${(0x80 + index).toString(16)}FF`, revokedAtMs: Date.now(), reason }));
  const der = createRevocationList({ issuer, number: 4711, thisUpdateMs: Date.now(), nextUpdateMs: Date.now() + DAY_MS, revoked });
  const text = opensslOk(['crl', '-noout', '-text', '-in', write('all.crl', revocationListPemOf(der))]);
  assert.match(text, /CRL Number:\s+4711/);
  const said = [
    ...text.matchAll(/Serial Number: (\w+)\s+Revocation Date: .*\n(?:\s+CRL entry extensions:\s+X509v3 CRL Reason Code:\s+(.*))?/g),
  ];
  assert.deepEqual(
    said.map(([, serial, reason]) => [serial, reason?.replaceAll(' ', '').toLowerCase()]),
    revoked.map(({ serialNumber, reason }) => [
      serialNumber,
      OPENSSL_NAMES[reason]?.toLowerCase() ?? (reason === 'unspecified' ? undefined : reason.toLowerCase()),
    ]),
  );
  assert.equal(Object.keys(REVOCATION_REASONS).length, 10);
});
const OPENSSL_NAMES: Readonly<Record<string, string>> = { cACompromise: 'CACompromise', aACompromise: 'AACompromise' };

describe('an authority and its index', () => {
  const open = (nowMs = Date.now()): Authority => openAuthority(pki.directory, 'merchants', nowMs);
  const base = () => ({ profile: 'merchant', days: 10, actor: 'li', nowMs: Date.now() }) as const;
  const issueTo = async (cn: string, more: Partial<Parameters<typeof issue>[1]> = {}): Promise<IssuedEntry> => {
    const { publicKey } = await createKeyPair('p-256');
    return (await issue(open(), { ...base(), subject: parseName(`CN=${cn}`), publicKey, ...more })).entry;
  };
  const revokeIt = (entry: IssuedEntry, reason: keyof typeof REVOCATION_REASONS) =>
    revoke(open(), { entry, reason, note: undefined, actor: 'wang', nowMs: Date.now() });
  const standing = (entry: IssuedEntry, nowMs = Date.now()) => standingOf(entry, open().index, nowMs);

  test('what was issued is in the index with who and when, in a file of its owner only', async () => {
    const entry = await issueTo('a');
    const found = requireIssued(open(), entry.serial.toLowerCase().replace(/(..)(?=.)/g, '$1:'));
    assert.deepEqual(found, entry);
    assert.equal(entry.actor, 'li');
    assert.equal(new X509Certificate(Buffer.from(entry.certificate, 'base64')).serialNumber, entry.serial);
    assert.equal(statSync(open().index.file).mode & 0o777, 0o600);
  });

  test('the index only grows: what stood there stands there', async () => {
    const before = readFileSync(open().index.file, 'utf8');
    await revokeIt(await issueTo('grow'), 'superseded');
    const afterwards = readFileSync(open().index.file, 'utf8');
    assert.ok(afterwards.startsWith(before));
    assert.equal(afterwards.slice(before.length).split('\n').length, 3, 'issued, revoked');
  });

  test('one subject has one certificate until it is renewed, revoked or over', async () => {
    const entry = await issueTo('b');
    await assert.rejects(issueTo('b'), /has a valid certificate/);
    const successor = await issueTo('b', { replaces: entry });
    assert.deepEqual([successor.event, successor.replaces], ['renewed', entry.serial]);
    await revokeIt(entry, 'superseded');
    await assert.rejects(issueTo('b'), /has a valid certificate/, 'the successor is');
    await revokeIt(successor, 'certificateHold');
    await assert.rejects(issueTo('b'), /has a valid certificate/, 'a hold may be lifted');
    await revokeIt(successor, 'cessationOfOperation');
    await issueTo('b');
  });

  test('a key belongs to one subject, and never to the authority itself', async () => {
    const { publicKey } = await createKeyPair('p-256');
    await issueTo('c', { publicKey });
    await assert.rejects(issueTo('d', { publicKey }), /already certified for CN=c/);
    await assert.rejects(issueTo('e', { publicKey: open().facts.publicKey }), /authority's own key/);
  });

  test('a compromised key ends every certificate it is in, and is never certified again', async () => {
    const { publicKey } = await createKeyPair('p-256');
    const entry = await issueTo('f', { publicKey });
    const successor = await issueTo('f', { publicKey, replaces: entry });
    assert.deepEqual(await revokeIt(entry, 'keyCompromise'), [entry.serial, successor.serial]);
    assert.deepEqual([standing(entry), standing(successor)], ['revoked', 'revoked']);
    await assert.rejects(issueTo('f', { publicKey }), /compromised/);
  });

  test('hold, lift, hold, end: and then nothing more', async () => {
    const entry = await issueTo('g');
    await assert.rejects(revokeIt(entry, 'removeFromCRL'), /not on hold/);
    await revokeIt(entry, 'certificateHold');
    assert.equal(standing(entry), 'on hold');
    await assert.rejects(revokeIt(entry, 'certificateHold'), /on hold already/);
    await revokeIt(entry, 'removeFromCRL');
    assert.equal(standing(entry), 'valid');
    await revokeIt(entry, 'certificateHold');
    await revokeIt(entry, 'privilegeWithdrawn');
    assert.equal(standing(entry), 'revoked');
    for (const reason of ['removeFromCRL', 'certificateHold', 'keyCompromise'] as const)
      await assert.rejects(revokeIt(entry, reason), /final/);
  });

  test('standing: before, at and after both ends', async () => {
    const entry = await issueTo('h');
    const [from, to] = [Date.parse(entry.notBefore), Date.parse(entry.notAfter)];
    assert.deepEqual(
      [from - 1, from, to, to + 1].map((nowMs) => standing(entry, nowMs)),
      ['not yet valid', 'valid', 'valid', 'expired'],
    );
  });

  test('lists are numbered upwards, and drop an entry only long after its certificate ended', async () => {
    const entry = await issueTo('i', { days: 1 });
    await revokeIt(entry, 'superseded');
    const publish = (nowMs: number) =>
      publishRevocationList(openAuthority(pki.directory, 'merchants', Date.now()), { days: 7, actor: 'li', nowMs });
    const first = await publish(Date.now());
    const later = await publish(Date.now() + 30 * DAY_MS);
    assert.equal(later.number, first.number + 1);
    const has = ({ der }: { der: Buffer }): boolean => der.toString('hex').toUpperCase().includes(entry.serial);
    assert.deepEqual([has(first), has(later), has(await publish(Date.now() + 90 * DAY_MS))], [true, true, false]);
  });

  test('an authority that is not valid now issues nothing', () => {
    assert.throws(() => open(Date.now() + 4000 * DAY_MS), /not valid now/);
    assert.throws(() => openAuthority(join(directory, 'nowhere'), 'merchants', Date.now()), /cannot be read/);
  });

  const good = '{"event":"crl","at":"x","actor":"x","number":3,"thisUpdate":"x","nextUpdate":"x"}';
  const damages = [
    [`${good}\n{"event":"iss`, 2, 'half a line at the end'],
    [`${good}\n\n${good}\n`, 2, 'an empty line'],
    [`{"event":"crl","at":"x","actor":"x","number":"3","thisUpdate":"x","nextUpdate":"x"}\n`, 1, 'a number as text'],
    [`${good}\n{"event":"toString","at":"x","actor":"x"}\n`, 2, 'an event that is a name of every object'],
    [`{"event":"revoked","at":"x","actor":"x","serial":"01","reason":"toString"}\n`, 1, 'a reason that is none'],
    ['null\n', 1, 'no object'],
  ] as const;
  for (const [text, line, why] of damages) {
    test(`a damaged index is refused with its line: ${why}`, () => {
      const file = write('damaged.jsonl', text);
      assert.throws(() => readIndex(file), { name: 'UserError', message: new RegExp(`damaged\\.jsonl:${line}: `) });
    });
  }
  test('nothing is issued over a damaged index', async () => {
    const copy = await makePki();
    appendFileSync(authorityFiles(copy.directory, 'merchants').index, '{');
    assert.throws(() => openAuthority(copy.directory, 'merchants', Date.now()), /not written by hufu/);
    copy.dispose();
  });
});

describe('validityOf', () => {
  const issuer = { notBeforeMs: 0, notAfterMs: 100 * DAY_MS };
  for (const profile of Object.keys(ISSUING_RULES) as (keyof typeof ISSUING_RULES)[]) {
    const { daysMax } = ISSUING_RULES[profile];
    test(`${profile}: ${daysMax} days and no more`, () => {
      assert.equal(validityOf(profile, daysMax, DAY_MS, undefined).notAfterMs, (1 + daysMax) * DAY_MS);
      assert.throws(() => validityOf(profile, daysMax + 1, 0, undefined), /at most/);
    });
  }
  test('never beyond the issuer: the last day passes, one more does not', () => {
    assert.equal(validityOf('merchant', 90, 10 * DAY_MS, issuer).notAfterMs, issuer.notAfterMs);
    assert.throws(() => validityOf('merchant', 91, 10 * DAY_MS, issuer), /at most 90 days/);
    assert.equal(validityOf('merchant', 1, 60_000, issuer).notBeforeMs, 0, 'nor before it');
  });
});

describe('subjectOf', () => {
  const values = { merchant: '800000000000001', organisation: '示例商户', sequence: '1', authority: '示例银行' };
  const cases: readonly (readonly [string, Partial<typeof values>, string | RegExp, string])[] = [
    [NAME_STYLES.cfca, {}, 'CN=051@800000000000001@示例商户@1,OU=Organizational-1,OU=Merchants,O=示例银行,C=CN', 'as the trade writes it'],
    [NAME_STYLES.plain, {}, 'CN=800000000000001,OU=Merchants,O=示例商户,C=CN', 'plain'],
    [
      NAME_STYLES.plain,
      { organisation: 'A,CN=800000000000002' },
      'CN=800000000000001,OU=Merchants,O=A\\,CN\\=800000000000002,C=CN',
      'a value adds no attribute',
    ],
    [
      NAME_STYLES.plain,
      { organisation: '{merchant}' },
      'CN=800000000000001,OU=Merchants,O={merchant},C=CN',
      'a value is not filled in again',
    ],
    [NAME_STYLES.cfca, { organisation: 'A@2' }, /holds an @/, 'a value adds no field'],
    [NAME_STYLES.plain, { organisation: '' }, /empty/, 'an empty value'],
    [NAME_STYLES.plain, { organisation: 'a\u202eb' }, /direction/, 'a right-to-left override'],
    [NAME_STYLES.plain, { merchant: '80000000000001' }, /15 digits/, 'a number that is none'],
    ['CN=1,O={organisation}', {}, /no \{merchant\}/, 'a pattern without the number'],
    ['CN={merchant},O={toString}', {}, /known are/, 'a placeholder that is none'],
    ['CN={merchant},O', {}, /equals sign/, 'a pattern that is no name'],
  ];
  for (const [pattern, changes, expected, why] of cases) {
    test(why, () => {
      const make = (): string => printName(subjectOf(pattern, { ...values, ...changes }));
      if (typeof expected === 'string') assert.equal(make(), printName(parseName(expected)));
      else assert.throws(make, { name: 'UserError', message: expected });
    });
  }
});
