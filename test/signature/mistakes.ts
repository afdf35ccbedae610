import { constants, createHash, generateKeyPairSync, sign } from 'node:crypto';
import { type AlgorithmName, signBytes } from '../../src/protocol/algorithms.ts';
import { type Draft, digestOf, type Header, KEY_PAIRS, type make } from './request-maker.ts';

/** Mistakes that clients make, each for real: a good request is signed or sent otherwise than it should be. */

type Arrives = Parameters<typeof make>[1];
export type MadeMistake = {
  readonly id: string;
  readonly why: string;
  /** The key that signs; default P-256. */
  readonly by?: AlgorithmName;
  readonly code?: 'TIMESTAMP_SKEW' | 'KEY_UNKNOWN';
  /** Turns a good request into the wrong one. `body` is JSON. */
  readonly make: (good: Draft) => { readonly draft: Draft; readonly arrives?: Arrives };
};

/** A key of the merchant that is registered as belonging to another environment, under the keyid `key-test`. */
export const TEST_KEY = generateKeyPairSync('ec', { namedCurve: 'P-256' });
export const TEST_KEYID = 'key-test';

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
const privateKey = (algorithm: AlgorithmName) => KEY_PAIRS[algorithm].privateKey;
const replaceHeader = (headers: readonly Header[], name: string, value: string): Header[] =>
  headers.map((header) => (header[0] === name ? [name, value] : header));
const withBody = (draft: Draft, body: string): Draft => ({
  ...draft,
  body,
  headers: replaceHeader(draft.headers, 'Content-Digest', `sha-256=:${createHash('sha256').update(latin1(body)).digest('base64')}:`),
});
const withDigest = (draft: Draft, digest: string): Draft => ({ ...draft, headers: replaceHeader(draft.headers, 'Content-Digest', digest) });

/** Signs another base than the right one. */
const signs = (change: (base: string, draft: Draft) => string) => (draft: Draft) => ({
  draft: { ...draft, sign: (base: string) => draft.sign(change(base, draft)) },
});
/** Signs the right base otherwise. */
const signsBy = (change: (base: Buffer) => Buffer) => (draft: Draft) => ({
  draft: { ...draft, sign: (base: string) => change(latin1(base)) },
});
/** Signs one target, sends another. */
const targets = (signed: string, sent: string) => (draft: Draft) => ({
  draft: { ...draft, target: `/v1/orders${signed}` },
  arrives: { target: `/v1/orders${sent}` },
});
const params = (change: (text: string) => string) => (draft: Draft) => ({ draft: { ...draft, params: change(draft.params) } });
const created = (change: (seconds: number) => number) =>
  params((text) => text.replace(/created=(\d+)/, (_, seconds) => `created=${change(Number(seconds))}`));
const keyid = (text: string) => params((all) => all.replace(/keyid="[^"]*"/, `keyid="${text}"`));

/** Signs one body, sends what the change makes of it. */
const sends =
  (change: (body: string) => string, signed: (body: string) => string = (body) => body) =>
  (draft: Draft) => {
    const good = withBody(draft, signed(draft.body));
    return { draft: good, arrives: { body: change(good.body) } };
  };

const anew = (space?: number) => (body: string) =>
  Buffer.from(JSON.stringify(JSON.parse(latin1(body).toString('utf8')), null, space), 'utf8').toString('latin1');
const asPython = (body: string): string =>
  JSON.stringify(JSON.parse(latin1(body).toString('utf8')))
    .replaceAll('":', '": ')
    .replaceAll(',"', ', "')
    .replace(/[^ -~]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
const asPhp = (body: string): string =>
  JSON.stringify(JSON.parse(latin1(body).toString('utf8')))
    .replaceAll('/', '\\/')
    .replace(/[^ -~]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
/** Another body, with Chinese text and a slash in it. */
const chinese = (): string => '{"subject":"\xe9\xbe\x99\xe4\xba\x95/\xe8\x8c\xb6","amountFen":100}';

const pss = (digest: string, saltLength: number) => (base: Buffer) =>
  sign(digest, base, { key: privateKey('rsa-pss-sha512'), padding: constants.RSA_PKCS1_PSS_PADDING, saltLength });
const pkcs1 = (digest: string) => (base: Buffer) =>
  sign(digest, base, { key: privateKey('rsa-v1_5-sha256'), padding: constants.RSA_PKCS1_PADDING });
const p256 = privateKey('ecdsa-p256-sha256');
const raw = (base: Buffer) => signBytes('ecdsa-p256-sha256', p256, base);

export const MADE_MISTAKES: readonly MadeMistake[] = [
  // The body
  { id: 'body-reserialised', why: 'compact signed, indented sent', make: sends(anew(2)) },
  { id: 'body-reserialised', why: 'indented signed, compact sent', make: sends(anew(), anew(4)) },
  {
    id: 'body-reserialised',
    why: "signed as Python's json.dumps writes it, sent compact",
    make: sends(anew(), () => asPython(chinese())),
  },
  {
    id: 'body-reserialised',
    why: "signed as PHP's json_encode writes it, sent as JavaScript does",
    make: sends(anew(), () => asPhp(chinese())),
  },
  { id: 'body-crlf', why: 'CR LF for LF within the body', make: sends((body) => body.replaceAll('\n', '\r\n'), anew(2)) },
  { id: 'body-crlf', why: 'LF for CR LF within the body', make: sends(anew(2), (body) => anew(2)(body).replaceAll('\n', '\r\n')) },
  { id: 'body-line-end-not-signed', why: '--data-binary of an edited file', make: sends((body) => `${body}\n`) },
  { id: 'body-line-end-not-signed', why: 'a Windows line end', make: sends((body) => `${body}\r\n`) },
  {
    id: 'body-line-end-not-sent',
    why: 'the file was hashed, --data strips',
    make: sends(
      (body) => body.trimEnd(),
      (body) => `${body}\n`,
    ),
  },
  { id: 'body-absent', why: 'hashed too early', make: (draft) => ({ draft: withDigest(draft, `sha-256=:${digestOf('')}:`) }) },
  { id: 'body-bom', why: 'written by an editor of Windows', make: sends((body) => `\xef\xbb\xbf${body}`) },
  { id: 'body-encoding', why: 'encoded twice', make: sends((body) => Buffer.from(body, 'utf8').toString('latin1'), chinese) },
  {
    id: 'body-encoding',
    why: 'UTF-8 signed, GBK sent',
    make: sends((body) => body.replace('\xe9\xbe\x99\xe4\xba\x95/\xe8\x8c\xb6', '\xc1\xfa\xbe\xae/\xb2\xe8'), chinese),
  },
  {
    id: 'digest-in-hex',
    why: 'hexadecimal instead of base64',
    make: (draft) => ({ draft: withDigest(draft, `sha-256=:${createHash('sha256').update(draft.body).digest('hex')}:`) }),
  },
  {
    id: 'digest-in-hex',
    why: 'base64 of hexadecimal',
    make: (draft) => ({
      draft: withDigest(draft, `sha-256=:${Buffer.from(createHash('sha256').update(draft.body).digest('hex')).toString('base64')}:`),
    }),
  },
  { id: 'digest-of-another-body', why: 'the amount changed after signing', make: sends((body) => body.replace('100', '900')) },
  {
    id: 'digest-of-another-body',
    why: 'the digest of another order, signed',
    make: (draft) => ({ draft: withDigest(draft, `sha-256=:${digestOf('{}')}:`) }),
  },
  {
    id: 'signature-of-another-request',
    why: 'digest and signature taken from another request',
    make: (draft) => ({
      draft: { ...withDigest(draft, `sha-256=:${digestOf('{}')}:`), sign: (base) => draft.sign(base.replace('POST', 'GET')) },
    }),
  },
  // The text that is signed
  { id: 'line-feed-at-end', why: 'echo of the base', make: signs((base) => `${base}\n`) },
  { id: 'base-crlf', why: 'CR LF for LF in the base', make: signs((base) => base.replaceAll('\n', '\r\n')) },
  { id: 'escaped-line-feeds', why: 'a shell string with \\n in it', make: signs((base) => base.replaceAll('\n', '\\n')) },
  { id: 'params-line-missing', why: 'the last line forgotten', make: signs((base) => base.slice(0, base.lastIndexOf('\n'))) },
  { id: 'names-without-quotes', why: 'as older drafts did', make: signs((base) => base.replace(/^"([^"]*)"/gm, '$1')) },
  // What was called
  { id: 'query-dropped', why: 'the path alone signed', make: targets('', '?a=1') },
  { id: 'query-dropped', why: 'an empty query sent', make: targets('', '?') },
  { id: 'path-decoded', why: 'the framework gave the decoded query', make: targets('?memo=a b', '?memo=a%20b') },
  { id: 'path-decoded', why: 'plus signs decoded too', make: targets('?memo=a b', '?memo=a+b') },
  { id: 'path-encoded', why: 'encoded in small letters', make: targets('?memo=%e9%be%99', '?memo=%E9%BE%99') },
  { id: 'path-encoded', why: 'plus for %20', make: targets('?memo=a+b', '?memo=a%20b') },
  { id: 'query-reordered', why: 'parameters sorted', make: targets('?a=1&b=2', '?b=2&a=1') },
  { id: 'trailing-slash', why: 'a slash too many', make: targets('/', '') },
  { id: 'wrong-scheme', why: 'http behind a proxy of their own', make: signs((base) => base.replace('https://', 'http://')) },
  { id: 'wrong-host', why: 'localhost', make: signs((base) => base.replace(/https:\/\/[^/]+/, 'https://127.0.0.1')) },
  { id: 'address-without-host', why: 'the path as @target-uri', make: signs((base) => base.replace(/https:\/\/[^/]+/, '')) },
  { id: 'address-without-scheme', why: 'the host first', make: signs((base) => base.replace('https://', '')) },
  {
    id: 'host-spelling',
    why: 'the host in capitals, as it was sent',
    make: (draft) => {
      const host = (draft.headers.find(([name]) => name === 'Host') as Header)[1];
      const headers = replaceHeader(draft.headers, 'Host', host.toUpperCase());
      return { draft: { ...draft, headers, sign: (base) => draft.sign(base.replace(`https://${host}`, `https://${host.toUpperCase()}`)) } };
    },
  },
  { id: 'method-case', why: 'post', make: signs((base) => base.replace('POST', 'post')) },
  // Headers
  {
    id: 'header-changed',
    why: 'a proxy adds the charset',
    make: (draft) => ({ draft, arrives: { headers: replaceHeader(draft.headers, 'Content-Type', 'application/json; charset=utf-8') } }),
  },
  {
    id: 'header-changed',
    why: 'a library writes the key in small letters',
    make: (draft) => {
      const key = (draft.headers.find(([name]) => name === 'Idempotency-Key') as Header)[1];
      const signed = replaceHeader(draft.headers, 'Idempotency-Key', key.toUpperCase());
      return { draft: { ...draft, headers: signed }, arrives: { headers: replaceHeader(signed, 'Idempotency-Key', key.toLowerCase()) } };
    },
  },
  // Keys
  {
    id: 'other-key',
    why: 'the key of another of their systems',
    make: signsBy((base) => signBytes('ed25519', privateKey('ed25519'), base)),
  },
  {
    id: 'key-of-another-environment',
    why: 'the key of the test system',
    make: signsBy((base) => signBytes('ecdsa-p256-sha256', TEST_KEY.privateKey, base)),
  },
  // How the signature is made and written
  { id: 'der-signature', why: 'openssl dgst -sign', make: signsBy((base) => sign('sha256', base, p256)) },
  { id: 'hex-signature', why: 'base64 of hexadecimal', make: signsBy((base) => latin1(raw(base).toString('hex'))) },
  { id: 'hex-signature', why: 'hexadecimal instead of base64', make: signsBy((base) => Buffer.from(raw(base).toString('hex'), 'base64')) },
  { id: 'base64-twice', why: 'a helper that encodes already', make: signsBy((base) => latin1(raw(base).toString('base64'))) },
  { id: 'hashed-twice', why: 'sign(sha256(base))', make: signsBy((base) => raw(createHash('sha256').update(base).digest())) },
  {
    id: 'pss-salt-length',
    why: 'the default salt of openssl',
    by: 'rsa-pss-sha512',
    make: signsBy(pss('sha512', constants.RSA_PSS_SALTLEN_MAX_SIGN)),
  },
  { id: 'pss-for-pkcs1', why: 'PS256', by: 'rsa-v1_5-sha256', make: signsBy(pss('sha256', 32)) },
  { id: 'pkcs1-for-pss', why: 'RS256', by: 'rsa-pss-sha512', make: signsBy(pkcs1('sha256')) },
  { id: 'wrong-hash', why: 'SHA1withRSA', by: 'rsa-v1_5-sha256', make: signsBy(pkcs1('sha1')) },
  {
    id: 'wrong-hash',
    why: 'ES512 over P-256',
    make: signsBy((base) => sign('sha512', base, { key: p256, dsaEncoding: 'ieee-p1363' })),
  },
  // Time
  { id: 'milliseconds-for-seconds', why: 'Date.now()', code: 'TIMESTAMP_SKEW', make: created((seconds) => seconds * 1000) },
  { id: 'local-time-for-utc', why: 'eight hours of Beijing', code: 'TIMESTAMP_SKEW', make: created((seconds) => seconds + 8 * 3600) },
  { id: 'clock-off', why: 'a clock that is slow', code: 'TIMESTAMP_SKEW', make: created((seconds) => seconds - 1000) },
  { id: 'signature-expired', why: 'expires in the past', code: 'TIMESTAMP_SKEW', make: params((text) => `${text};expires=1700000000`) },
  // Names of keys
  { id: 'key-of-another-environment', why: 'the keyid of the test system', code: 'KEY_UNKNOWN', make: keyid(TEST_KEYID) },
  { id: 'key-name-spelling', why: 'capitals', code: 'KEY_UNKNOWN', make: keyid('KEY-ECDSA-P256-SHA256') },
  { id: 'key-of-the-platform', why: 'our key for theirs', code: 'KEY_UNKNOWN', make: keyid('platform-ec') },
];
