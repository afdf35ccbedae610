import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, sign as signWith } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Draft, Header } from '../signature/request-maker.ts';
import type { Leaf } from '../support/pki.ts';
import { MERCHANT_1, MERCHANT_2 } from '../support/system.ts';
import { ask, digestField, nowSeconds, order, type Sender, senderOf, type wireOf } from './requests.ts';
import { startWorld, type World } from './world.ts';

const WITHOUT =
  (component: string) =>
  (draft: Draft): Draft => ({ ...draft, components: draft.components.filter((each) => each !== `"${component}"`) });
const INSTEAD =
  (component: string, others: readonly string[]) =>
  (draft: Draft): Draft => ({
    ...draft,
    components: draft.components.flatMap((each) => (each === `"${component}"` ? others.map((other) => `"${other}"`) : [each])),
  });
const fields =
  (make: (input: string, signature: string) => readonly Header[]) =>
  (draft: Draft): Draft => ({
    ...draft,
    fields: (input, signature) => make(input, `:${signature.toString('base64')}:`),
  });
const header = (draft: Draft, name: string, value: string): readonly Header[] =>
  draft.headers.map(([each, old]) => (each === name ? [each, value] : [each, old]));
const identity = (draft: Draft): Draft => draft;

type Case = readonly [
  spoil: (draft: Draft, sender: Sender) => Draft,
  code: string,
  why: string,
  arrives?: (draft: Draft) => Parameters<typeof wireOf>[1],
];

const [MISSING, INVALID, COVERAGE, MISMATCH] = [
  'SIGNATURE_MISSING',
  'SIGNATURE_INVALID',
  'SIGNATURE_COVERAGE',
  'SIGNATURE_MISMATCH',
] as const;
const CASES: readonly Case[] = [
  // D1
  [fields(() => []), MISSING, 'no signature'],
  [fields((input) => [['Signature-Input', `hufu=${input}`]]), MISSING, 'the input only'],
  [fields((_, signature) => [['Signature', `hufu=${signature}`]]), MISSING, 'the signature only'],
  [
    fields((input) => [
      ['Signature-Input', `hufu=${input}`],
      ['Signature', 'hufu=::'],
    ]),
    MISMATCH,
    'a signature of no bytes',
  ],
  [
    fields((input, signature) => [
      ['Signature-Input', `other=${input}`],
      ['Signature', `other=${signature}`],
    ]),
    MISSING,
    'another label',
  ],
  [
    fields((input, signature) => [
      ['Signature-Input', `hufu=${input}, other=${input}`],
      ['Signature', `hufu=${signature}, other=${signature}`],
    ]),
    MISSING,
    'our tag under a second label (D1)',
  ],
  [
    fields((input, signature) => [
      ['Signature-Input', `hufu=${input}, hufu=${input}`],
      ['Signature', `hufu=${signature}`],
    ]),
    INVALID,
    'our label twice',
  ],
  [
    fields((input, signature) => [
      ['Signature-Input', `hufu=${input}`],
      ['Signature', `hufu=${signature.replace(/.=*:$/, '?:')}`],
    ]),
    INVALID,
    'not base64',
  ],
  ...['a', '*', '.-', 'a=', 'a="', '\\"', ' ', 'a,', '(', 'a=("b");c'].map(
    (part): Case => [
      fields((_, signature) => [
        ['Signature-Input', `a${part.repeat(14_000 / part.length)}"`],
        ['Signature', `hufu=${signature}`],
      ]),
      INVALID,
      `fourteen kilobytes of ${part} that never end`,
    ],
  ),
  [(draft) => ({ ...draft, params: draft.params.replace('hufu-request', 'hufu-response') }), MISSING, "an answer's tag"],
  // D2
  [
    (draft, { leaf }) => ({ ...draft, params: `${draft.params};alg="hmac-sha256"`, sign: (base) => hmac(leaf, base) }),
    INVALID,
    'a MAC with the public key as its secret (D2)',
  ],
  [(draft, { leaf }) => ({ ...draft, sign: (base) => hmac(leaf, base) }), MISMATCH, 'the same, unsaid'],
  [(draft) => ({ ...draft, params: `${draft.params};alg="none"`, sign: () => Buffer.alloc(0) }), INVALID, 'no algorithm'],
  [(draft) => ({ ...draft, params: `${draft.params};alg="rsa-pss-sha512"` }), INVALID, 'another algorithm than the key has'],
  // D3
  ...['@method', '@target-uri', 'content-digest', 'content-type', 'merchant-number', 'idempotency-key'].map(
    (component): Case => [WITHOUT(component), COVERAGE, `${component} is not covered (D3)`],
  ),
  [INSTEAD('@target-uri', ['@path', '@query']), COVERAGE, 'path and query without the host'],
  [INSTEAD('@target-uri', ['@request-target', '@authority']), COVERAGE, 'the parts of the URI instead of the whole'],
  [(draft) => ({ ...draft, components: [...draft.components, '"x-absent"'] }), COVERAGE, 'a covered header that is not there'],
  [(draft) => ({ ...draft, components: [...draft.components, '"@method"'] }), COVERAGE, 'a component twice'],
  [
    (draft) => ({ ...draft, components: [...draft.components, '"content-type";sf'] }),
    COVERAGE,
    'a component with a parameter that does not fit it',
  ],
  ...['created', 'nonce', 'keyid'].map(
    (name): Case => [(draft) => ({ ...draft, params: without(draft.params, name) }), INVALID, `no ${name}`],
  ),
  [(draft) => ({ ...draft, params: without(draft.params, 'tag') }), MISSING, 'no tag'],
  [(draft) => ({ ...draft, params: draft.params.replace(/created=(\d+)/, 'created=$1.0') }), INVALID, 'created with a fraction'],
  [(draft) => ({ ...draft, params: draft.params.replace(/created=(\d+)/, 'created="$1"') }), INVALID, 'created as text'],
  [(draft) => ({ ...draft, params: draft.params.replace(/nonce="[^"]*"/, 'nonce="short"') }), INVALID, 'a short nonce'],
  // D4
  [identity, MISMATCH, 'the body changed, its digest kept (D4)', (draft) => ({ body: draft.body.replace('100', '900') })],
  [identity, MISMATCH, 'a space added to the body', (draft) => ({ body: `${draft.body} ` })],
  [identity, MISMATCH, 'body and digest changed, the signature kept', (draft) => swapped(draft)],
  [WITHOUT('content-digest'), COVERAGE, 'body and digest changed, the digest not covered', (draft) => swapped(draft)],
  [identity, MISMATCH, 'the body taken away', () => ({ body: '' })],
  [
    (draft) => ({ ...draft, headers: header(draft, 'Content-Digest', 'md5=:AAAAAAAAAAAAAAAAAAAAAA==:') }),
    'DIGEST_MISMATCH',
    'a digest that proves nothing',
  ],
  // D6, D8
  [identity, MISMATCH, 'a query added (D6)', () => ({ target: '/v1/orders?a=1' })],
  [identity, MISMATCH, 'an empty query added', () => ({ target: '/v1/orders?' })],
  [identity, MISMATCH, 'the method changed', () => ({ method: 'POST', target: '/v1/orders/X/close' })],
  [identity, MISMATCH, 'a header that decides changed', (draft) => ({ headers: header(draft, 'Idempotency-Key', 'another') })],
  [identity, MISMATCH, 'signed for another port (D8)', (draft) => ({ headers: header(draft, 'Host', 'localhost:1') })],
  [(draft) => ({ ...draft, headers: header(draft, 'Host', 'test.example') }), 'HTTP_INVALID', 'signed for and sent to another host'],
  [
    (draft) => ({ ...draft, headers: header(draft, 'Host', 'test.example') }),
    MISMATCH,
    'signed for another host',
    (draft) => ({ headers: header(draft, 'Host', 'localhost') }),
  ],
  // D11, D12
  ...['unknown', '../../keys/assertion', '/etc/passwd', '__proto__', 'constructor', 'toString', 'a'.repeat(10_000), ' ', 'platform-ec'].map(
    (keyid): Case => [
      (draft) => ({ ...draft, params: draft.params.replace(/keyid="[^"]*"/, `keyid="${keyid}"`) }),
      'KEY_UNKNOWN',
      `keyid ${keyid.slice(0, 30)} (D11)`,
    ],
  ),
  [(draft) => ({ ...draft, params: draft.params.replace(/keyid="[^"]*"/, 'keyid=""') }), 'KEY_UNKNOWN', 'an empty keyid'],
  [
    (draft) => ({ ...draft, params: draft.params.replace(/keyid="([^"]*)"/, (_, id) => `keyid="${id.toUpperCase()}"`) }),
    'KEY_UNKNOWN',
    'the keyid in capitals',
  ],
  // E2; a second may pass on the way
  [at(-302), 'TIMESTAMP_SKEW', 'too old (E2)'],
  [at(303), 'TIMESTAMP_SKEW', 'too far ahead'],
  [at(253_402_300_800), 'TIMESTAMP_SKEW', 'in the year 10000'],
  [(draft) => ({ ...draft, params: draft.params.replace(/created=\d+/, `created=${Date.now()}`) }), 'TIMESTAMP_SKEW', 'milliseconds'],
  [(draft) => ({ ...draft, params: `${draft.params};expires=${nowSeconds() - 1}` }), 'TIMESTAMP_SKEW', 'expired by its own word'],
];

/** Nothing to bind the answer to: there is not exactly one well-formed member of our label. */
const NOT_BOUND = [
  ...['no signature', 'the input only', 'the signature only', 'another label', 'our label twice', 'not base64'],
  ...['created with a fraction', 'created as text'],
];

function at(seconds: number) {
  return (draft: Draft): Draft => ({ ...draft, params: draft.params.replace(/created=\d+/, `created=${nowSeconds() + seconds}`) });
}
function without(params: string, name: string): string {
  return params.replace(new RegExp(`;${name}=("[^"]*"|\\d+)`), '');
}
function swapped(draft: Draft) {
  const body = draft.body.replace('100', '900');
  return { body, headers: header(draft, 'Content-Digest', digestField(Buffer.from(body, 'latin1'))) };
}
function hmac(leaf: Leaf, base: string): Buffer {
  return createHmac('sha256', leaf.publicKey.export({ type: 'spki', format: 'pem' }))
    .update(base, 'latin1')
    .digest();
}

const retired = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const next = generateKeyPairSync('ec', { namedCurve: 'P-256' });

/** Gives merchant 1 a key of the past and one of the future. */
function addKeys(folder: string): void {
  const file = join(folder, 'merchants', `${MERCHANT_1}.yaml`);
  const rows = Object.entries({ retired, next }).map(([name, { publicKey }]) => {
    writeFileSync(join(folder, `${name}.pem`), publicKey.export({ type: 'spki', format: 'pem' }));
    const bound = name === 'retired' ? 'notAfter: 2020-01-01T00:00:00Z' : 'notBefore: 2100-01-01T00:00:00Z';
    return `  - { publicKey: ${join(folder, `${name}.pem`)}, keyid: ${name}, ${bound} }\n`;
  });
  writeFileSync(file, readFileSync(file, 'utf8').replace('plan:', `${rows.join('')}plan:`));
}

describe('signatures that prove too little (D, E2)', { timeout: 120_000 }, () => {
  let world: World;
  let m1: Sender;
  let m2: Sender;
  before(async () => {
    world = await startWorld({ configure: addKeys });
    m1 = senderOf(world.system, MERCHANT_1);
    m2 = senderOf(world.system, MERCHANT_2);
  });
  after(() => world?.end());

  for (const [spoil, code, why, arrives] of CASES) {
    test(`${code}: ${why}`, () =>
      world.harmless(async () => {
        const draft = spoil(order(m2), m2);
        const told = await ask(m2, draft, arrives?.(draft));
        assert.deepEqual([told.code, told.accepted, told.outcome], [code, false, 'unknown'], JSON.stringify(told.value));
        assert.equal(told.bound, !(NOT_BOUND.includes(why) || why.startsWith('fourteen')));
      }));
  }

  for (const [name, { privateKey }] of Object.entries({ retired, next })) {
    test(`KEY_UNKNOWN: the ${name} key of the merchant (D12)`, () =>
      world.harmless(async () => {
        const sign = (base: string) => signWith('sha256', Buffer.from(base, 'latin1'), { key: privateKey, dsaEncoding: 'ieee-p1363' });
        const told = await ask(m1, order(m1, { params: { keyid: `"${name}"` }, sign }));
        assert.equal(told.code, 'KEY_UNKNOWN');
      }));
  }
});
