import { createHash, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { type AlgorithmName, signBytes } from '../../src/protocol/algorithms.ts';
import type { MerchantKey } from '../../src/protocol/merchant.ts';
import type { Routed } from '../../src/protocol/messages.ts';
import type { VerifyOptions } from '../../src/signature/verify.ts';

/** Makes signed requests by plain text building, so that the tests do not lean on the code under test. */
export const NOW_MS = 1_790_000_000_123;
export const NOW = 1_790_000_000;
export const MERCHANT = '800000000000001';
export const HOST = 'gateway.example';

const PAIRS = {
  'rsa-v1_5-sha256': generateKeyPairSync('rsa', { modulusLength: 2048 }),
  'ecdsa-p256-sha256': generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  'ecdsa-p384-sha384': generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  ed25519: generateKeyPairSync('ed25519'),
};
export const KEY_PAIRS: Readonly<Record<AlgorithmName, { publicKey: KeyObject; privateKey: KeyObject }>> = {
  ...PAIRS,
  'rsa-pss-sha512': PAIRS['rsa-v1_5-sha256'],
  'rsa-pss-sha256': PAIRS['rsa-v1_5-sha256'],
};

export const keyOf = (algorithm: AlgorithmName, changes: Partial<MerchantKey> = {}): MerchantKey => ({
  keyid: `key-${algorithm}`,
  algorithm,
  publicKey: KEY_PAIRS[algorithm].publicKey,
  merchantNumbers: [MERCHANT],
  notBeforeMs: NOW_MS - 1000,
  notAfterMs: NOW_MS + 1000,
  ...changes,
});

export const optionsFor = (keys: readonly MerchantKey[], changes: Partial<VerifyOptions> = {}): VerifyOptions => ({
  findKey: (keyid) => keys.find((key) => key.keyid === keyid),
  checkSigner: () => {
    throw new Error('a certificate was looked at where the scheme brings none');
  },
  findRegistered: () => [],
  hosts: new Set([HOST]),
  nowMs: NOW_MS,
  ...changes,
});

export type Header = readonly [name: string, value: string];

/** What a request is made of; every part can be replaced. `signed` are changes that only the signature sees. */
export type Draft = {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly Header[];
  readonly body: string;
  readonly components: readonly string[];
  readonly params: string;
  readonly algorithm: AlgorithmName;
  readonly sign: (base: string) => Buffer;
  readonly fields: (input: string, signature: Buffer) => readonly Header[];
};

export const NONCE = 'abcdefghijklmnopqrstuv';
export const BODY = '{"orderNo":"A1","amountFen":100,"currency":"CNY"}';
export const digestOf = (body: string | Buffer, algorithm = 'sha256'): string => createHash(algorithm).update(body).digest('base64');
export const freshNonce = (): string => randomBytes(16).toString('base64url');

export const paramsText = (
  changes: Readonly<Record<string, string | undefined>> = {},
  algorithm: AlgorithmName = 'ecdsa-p256-sha256',
): string =>
  Object.entries({ created: `${NOW}`, nonce: `"${NONCE}"`, keyid: `"key-${algorithm}"`, tag: '"hufu-request"', ...changes })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `;${name}=${value}`)
    .join('');

const POST_COMPONENTS = ['"@method"', '"@target-uri"', '"content-digest"', '"content-type"', '"merchant-number"', '"idempotency-key"'];

export const POST_HEADERS: readonly Header[] = [
  ['Host', HOST],
  ['Content-Type', 'application/json'],
  ['Content-Digest', `sha-256=:${digestOf(BODY)}:`],
  ['Merchant-Number', MERCHANT],
  ['Idempotency-Key', 'order-A1'],
];

export const standardFields = (input: string, signature: Buffer): readonly Header[] => [
  ['Signature-Input', `hufu=${input}`],
  ['Signature', `hufu=:${signature.toString('base64')}:`],
];

/** A good POST, or a variation of it. */
export function draft(changes: Partial<Draft> = {}): Draft {
  const algorithm = changes.algorithm ?? 'ecdsa-p256-sha256';
  return {
    method: 'POST',
    target: '/v1/orders?a=1',
    headers: POST_HEADERS,
    body: BODY,
    components: POST_COMPONENTS,
    params: paramsText({}, algorithm),
    algorithm,
    sign: (base) => signBytes(algorithm, KEY_PAIRS[algorithm].privateKey, Buffer.from(base, 'latin1')),
    fields: standardFields,
    ...changes,
  };
}

/** A good GET, or a variation of it. */
export const getDraft = (changes: Partial<Draft> = {}): Draft =>
  draft({
    method: 'GET',
    target: '/v1/orders/A1',
    headers: [['Host', HOST]],
    body: '',
    components: ['"@method"', '"@target-uri"'],
    ...changes,
  });

function componentValue({ method, target, headers }: Draft, component: string): string {
  const name = component.slice(1, component.indexOf('"', 1));
  const named = (wanted: string) => headers.filter(([header]) => header.toLowerCase() === wanted).map(([, value]) => value);
  const host = (named('host')[0] ?? '').toLowerCase().replace(/:443$/, '');
  const derived: Record<string, string> = {
    '@method': method,
    '@target-uri': `https://${host}${target}`,
    '@authority': host,
    '@scheme': 'https',
    '@request-target': target,
    '@path': target.split('?')[0] as string,
    '@query': `?${target.split('?').slice(1).join('?')}`,
  };
  return Object.hasOwn(derived, name) ? (derived[name] as string) : named(name).join(', ');
}

export const inputOf = ({ components, params }: Draft): string => `(${components.join(' ')})${params}`;

export const baseOf = (made: Draft): string =>
  [...made.components.map((component) => `${component}: ${componentValue(made, component)}`), `"@signature-params": ${inputOf(made)}`].join(
    '\n',
  );

/** The certificate that requests come with: what the verification may ask of it. */
export const PEER = { thumbprint: 'q7Ld-4BpgD4sTyVZg6Wg4EwS7bK3i0SZxvG6J8K0b1c', serialNumber: '0A1B2C', keyid: 'c'.repeat(64) };

/** The request as it arrives. `arrives` changes it after it was signed. */
export function make(made: Draft, arrives: Partial<Pick<Draft, 'method' | 'target' | 'headers' | 'body'>> = {}): Routed {
  const fields = made.fields(inputOf(made), made.sign(baseOf(made)));
  const { method, target, headers, body } = { ...made, ...arrives };
  const request = { method, target, rawHeaders: [...headers, ...fields].flat(), body: Buffer.from(body, 'latin1') };
  return { ...request, peer: PEER, merchant: { number: MERCHANT, signatures: new Set(['rfc9421']) } } as unknown as Routed;
}
