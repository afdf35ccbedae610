import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import * as sig from 'http-message-sig';
import { httpbis } from 'http-message-signatures';
import { signBytes } from '../../src/protocol/algorithms.ts';
import { type Component, type RequestFacts, readSignatureInput } from '../../src/protocol/signature-base.ts';
import { findComponentValue } from '../../src/signature/components.ts';
import { signAnswer } from '../../src/signature/sign.ts';
import { verifySignature } from '../../src/signature/verify.ts';
import { assertRefused } from './refused.ts';
import { type Draft, draft, type Header, HOST, KEY_PAIRS, keyOf, make, NOW, optionsFor, POST_HEADERS } from './request-maker.ts';

const OPTIONS = optionsFor([keyOf('ecdsa-p256-sha256')]);
const read = (text: string): Component => readSignatureInput(`(${text})`)?.components[0] as Component;
const requestOf = (headers: readonly Header[], target = '/'): RequestFacts => ({
  method: 'GET',
  target,
  rawHeaders: [['Host', HOST] as const, ...headers].flat(),
});

const DICTIONARY: readonly Header[] = [['Example-Dict', ' a=1,    b=2;x=1;y=2,   c=(a   b    c), d']];
const QUERY = '/parameters?var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace&fa%C3%A7ade%22%3A%20=something&qux=';
const BYTES: readonly Header[] = [
  ['Example-Header', 'value, with, lots'],
  ['Example-Header', 'of, commas '],
];

const values: readonly (readonly [component: string, request: RequestFacts, value: string | undefined, why: string])[] = [
  ['"example-dict";key="a"', requestOf(DICTIONARY), '1', 'RFC 9421 section 2.1.2'],
  ['"example-dict";key="d"', requestOf(DICTIONARY), '?1', 'RFC 9421 section 2.1.2: a member without a value'],
  ['"example-dict";key="b"', requestOf(DICTIONARY), '2;x=1;y=2', 'RFC 9421 section 2.1.2: parameters belong to the member'],
  ['"example-dict";key="c"', requestOf(DICTIONARY), '(a b c)', 'RFC 9421 section 2.1.2: strictly serialised'],
  ['"example-dict";key="e"', requestOf(DICTIONARY), undefined, 'a member that is not there'],
  ['"example-dict";key="a"', requestOf([['Example-Dict', 'a=1, a=2']]), undefined, 'a member that is there twice'],
  ['"example-dict";key="a"', requestOf([['Example-Dict', 'b=1, b=2, a=1']]), undefined, 'beside a member that is there twice'],
  ['"example-dict";key="a"', requestOf([['Example-Dict', 'a=1, "b']]), undefined, 'not a dictionary'],
  ['"example-dict";key="a"', requestOf([['Example-Dict', 'a=1.0']]), undefined, 'a decimal whose spelling the parser loses'],
  ['"example-dict";key="a"', requestOf([['Example-Dict', 'a=1.50']]), '1.5', 'a decimal that is spelled strictly'],
  ['"example-dict";key="__proto__"', requestOf(DICTIONARY), undefined, 'nothing from a prototype'],
  ['"example-dict";key="b"', requestOf([...DICTIONARY, ['Example-Dict', 'f=2']]), '2;x=1;y=2', 'over all lines'],
  ['"priority";sf', requestOf([['Priority', 'u=3 ,  i']]), 'u=3, i', 'a field known to be a dictionary'],
  ['"client-cert-chain";sf', requestOf([['Client-Cert-Chain', ':AA==:,:AQ==:']]), ':AA==:, :AQ==:', 'a field known to be a list'],
  ['"client-cert";sf', requestOf([['Client-Cert', ' :AA==: ']]), ':AA==:', 'a field known to be an item'],
  ['"client-cert";sf', requestOf([['Client-Cert', ':AA']]), undefined, 'an item that cannot be read'],
  ['"priority";sf', requestOf([['Priority', 'u=3, u=4']]), undefined, 'a label that is there twice'],
  ['"priority";sf', requestOf([['Priority', 'u=3.000']]), undefined, 'a decimal whose spelling the parser loses'],
  ['"example-dict";sf', requestOf(DICTIONARY), undefined, 'RFC 9421 section 2.1.1: not known to be structured'],
  ['"toString";sf', requestOf([['toString', '1']]), undefined, 'nothing from a prototype'],
  ['"example-header";bs', requestOf(BYTES), ':dmFsdWUsIHdpdGgsIGxvdHM=:, :b2YsIGNvbW1hcw==:', 'RFC 9421 section 2.1.3'],
  ['"example-header";bs', requestOf([['Example-Header', '']]), '::', 'no bytes'],
  ['"example-header";bs', requestOf([['Example-Header', 'caf\u00e9']]), ':Y2Fm6Q==:', 'bytes that are not ASCII'],
  ['"example-header";bs', requestOf([]), undefined, 'absent'],
  ['"@query-param";name="var"', requestOf([], QUERY), 'this%20is%20a%20big%0Amultiline%20value', 'RFC 9421 section 2.2.8'],
  ['"@query-param";name="bar"', requestOf([], QUERY), 'with%20plus%20whitespace', 'RFC 9421 section 2.2.8'],
  ['"@query-param";name="fa%C3%A7ade%22%3A%20"', requestOf([], QUERY), 'something', 'RFC 9421 section 2.2.8'],
  ['"@query-param";name="qux"', requestOf([], QUERY), '', 'RFC 9421 section 2.2.8'],
  ['"@query-param";name="fa%c3%a7ade%22%3a%20"', requestOf([], QUERY), undefined, 'another spelling of the name'],
  ['"@query-param";name="a"', requestOf([], '/?a=1&a=2'), undefined, 'RFC 9421 section 2.2.8: a name that is there twice'],
  ['"@query-param";name="a"', requestOf([], '/?a=1&%61=2'), undefined, 'the same name in another spelling'],
  ['"@query-param";name="a"', requestOf([], '/?a=%FF'), undefined, 'bytes that are not UTF-8'],
  ['"@query-param";name="a"', requestOf([], '/?a=1&b=%4'), undefined, 'a percent sign that encodes nothing'],
  ['"@query-param";name="a"', requestOf([], "/?a=!'()~*-._"), '%21%27%28%29%7E*-._', 'the set of the URL Standard'],
  ['"@query-param";name="a"', requestOf([], '/?&&a&'), '', 'empty pairs and no equals sign'],
  ['"@query-param";name="%EF%BB%BFa"', requestOf([], '/?%EF%BB%BFa=1'), '1', 'a byte order mark is a character'],
  ['"@query-param";name="a"', requestOf([], '/a=1'), undefined, 'no query'],
  ['"@query-param"', requestOf([], '/?a=1'), undefined, 'no name'],
  ['"@query-param";key="a"', requestOf([], '/?a=1'), undefined, 'another parameter than name'],
  ['"@method";name="a"', requestOf([], '/?a=1'), undefined, 'a derived component has no such parameter'],
  ['"@method";bs', requestOf([]), undefined, 'a derived component is not a field'],
  ['"@target-uri";sf', requestOf([]), undefined, 'a derived component is not a field'],
  ['"@method";req', requestOf([]), undefined, 'RFC 9421 section 2.4: a request answers nothing'],
  ['"host";req', requestOf([]), undefined, 'RFC 9421 section 2.4: a request answers nothing'],
  ['"host";tr', requestOf([]), undefined, 'trailers are not taken'],
  ['"host";bs;sf', requestOf([]), undefined, 'RFC 9421 section 2.5: bs excludes sf'],
  ['"example-dict";key="a";bs', requestOf(DICTIONARY), undefined, 'RFC 9421 section 2.5: bs excludes key'],
  ['"host";name="a"', requestOf([], '/?a=1'), undefined, 'a field has no name'],
  ['"@status"', requestOf([]), undefined, 'not of a request'],
  ['"@signature-params"', requestOf([]), undefined, 'never covered by itself'],
];
for (const [component, request, value, why] of values) {
  test(`${component} is ${value ?? 'refused'}: ${why}`, () => assert.equal(findComponentValue(request, read(component)), value));
}

/** A good request that covers more, its base built by hand. */
const covering = (component: string, value: string, headers: readonly Header[] = [], target = '/v1/orders?a=1'): Draft => {
  const whole = draft({ target, headers: [...POST_HEADERS, ...headers] });
  const components = [...whole.components, component];
  const sign = (base: string) => {
    const line = new RegExp(`^${RegExp.escape(component)}: .*$`, 'm');
    const text = base.replace(line, () => `${component}: ${value}`);
    return signBytes('ecdsa-p256-sha256', KEY_PAIRS['ecdsa-p256-sha256'].privateKey, Buffer.from(text, 'latin1'));
  };
  return { ...whole, components, sign };
};

const added: readonly (readonly [component: string, value: string, headers?: readonly Header[]])[] = [
  ['"priority";sf', 'u=3, i', [['Priority', 'u=3,i']]],
  [
    '"x-bytes";bs',
    ':YQ==:, :Yg==:',
    [
      ['X-Bytes', 'a'],
      ['x-bytes', 'b'],
    ],
  ],
  ['"x-dict";key="b"', '2', [['X-Dict', 'a=1,b=2']]],
  ['"@query-param";name="a"', '1'],
];
for (const [component, value, headers] of added) {
  test(`a request may cover ${component} in addition, and its answer is bound to it`, () => {
    const request = make(covering(component, value, headers));
    assert.ok(verifySignature(request, OPTIONS));
    const signer = { keyid: 'k', algorithm: 'ecdsa-p256-sha256', sign: () => Buffer.alloc(64) } as const;
    const fields = signAnswer({ request, status: 200, headers: [], body: Buffer.alloc(0), signer, createdAtSeconds: NOW });
    assert.match(String(fields), /tag="hufu-response"/);
    assertRefused('SIGNATURE_MISMATCH', () => verifySignature(make(covering(component, `${value}x`, headers)), OPTIONS));
  });
}

const refused: readonly (readonly [components: readonly string[], why: string])[] = [
  [['"@method";req'], 'of a request that a request answers'],
  [['"content-type";sf'], 'a field that is not known to be structured'],
  [['"content-type";tr'], 'of trailers'],
  [['"content-type";key="a"'], 'a member of what is no dictionary'],
  [['"content-type";other'], 'an unknown parameter'],
  [['"content-type";bs=?0'], 'a flag with a value'],
  [['"content-type";bs', '"content-type";bs'], 'twice'],
  [['"@query-param";name="b"'], 'a query parameter that is not there'],
];
for (const [components, why] of refused) {
  test(`SIGNATURE_COVERAGE: ${components.join(' ')}: ${why}`, () => {
    const made = draft({ components: [...draft().components, ...components] });
    assertRefused('SIGNATURE_COVERAGE', () => verifySignature(make(made), OPTIONS));
  });
}

for (const [component, instead] of [
  ['"content-digest"', '"content-digest";sf'],
  ['"content-digest"', '"content-digest";key="sha-256"'],
  ['"content-type"', '"content-type";bs'],
  ['"idempotency-key"', '"idempotency-key";bs'],
] as const) {
  test(`${instead} does not stand for ${component}`, () => {
    const components = draft().components.map((each) => (each === component ? instead : each));
    const refusal = assertRefused('SIGNATURE_COVERAGE', () => verifySignature(make(draft({ components })), OPTIONS));
    assert.deepEqual(refusal.options.members, { component: component.slice(1, -1) });
  });
}

const label = fc.constantFrom('a', 'b', 'c', '*d', 'a-b', 'a_1.*');
const bare = fc.oneof(
  fc.integer({ min: -999_999_999_999_999, max: 999_999_999_999_999 }).map(String),
  fc.constantFrom('1.5', '-0.125', '1.0', '2.500', 'token', '*/t', '"a b"', '"\\"\\\\"', ':AAEC:', '::', '?0', '?1', '(1 "a"  b);p', '( )'),
);
const parameters = fc.array(
  fc.tuple(
    label,
    bare.filter((text) => !text.startsWith('(')),
  ),
  { maxLength: 2 },
);
const member = fc
  .tuple(label, fc.option(bare), parameters)
  .map(([name, value, params]) => `${name}${value === null ? '' : `=${value}`}${params.map(([a, b]) => `;${a}=${b}`).join('')}`);
const dictionary = fc
  .tuple(fc.array(member, { minLength: 1, maxLength: 4 }), fc.constantFrom(',', ', ', ' , ', ',  '))
  .map(([a, b]) => a.join(b));

const namesAndValues = ({ rawHeaders }: RequestFacts): { name: string; value: string }[] =>
  rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [{ name: name.toLowerCase(), value: rawHeaders[i + 1] as string }] : []));

/** The one line of the first oracle's base, or undefined when it refuses. */
function firstOracle(request: RequestFacts, component: ReturnType<typeof sig.component>): string | undefined {
  const fields = namesAndValues(request);
  let base = '';
  const signer = {
    algorithm: 'ed25519',
    sign: (data: Uint8Array) => {
      base = Buffer.from(data).toString('latin1');
      return new Uint8Array();
    },
  };
  const message = {
    kind: 'request',
    method: 'GET',
    targetUri: `https://${HOST}${request.target}`,
    requestTarget: request.target,
    fields,
  } as const;
  try {
    sig.createSignatureSync(message, { components: [component], parameters: {}, signer });
  } catch {
    return undefined;
  }
  return /^.*?": ?(?<value>.*)$/m.exec(base.slice(sig.componentIdentity(component).length - 1))?.groups?.value;
}

/** The value of the second oracle, or undefined when it refuses. */
function secondOracle(request: RequestFacts, component: string): string | undefined {
  const lines = namesAndValues(request);
  const headers = Object.fromEntries(lines.map(({ name }) => [name, lines.filter((line) => line.name === name).map(({ value }) => value)]));
  try {
    const message = { method: 'GET', url: `https://${HOST}${request.target}`, headers };
    const [line] = httpbis.createSignatureBase({ fields: [component] }, message);
    return line?.[1].length === 1 ? line[1][0] : undefined;
  } catch {
    return undefined;
  }
}

/** Runs a property in which a value of ours, where there is one, is the oracle's, and there is one often enough. */
function compare(name: string, arbitrary: fc.Arbitrary<readonly [ours: string | undefined, theirs: string | undefined]>): void {
  test(`property: ${name}`, () => {
    let found = 0;
    fc.assert(
      fc.property(arbitrary, ([ours, theirs]) => {
        if (ours === undefined) return;
        found += 1;
        assert.equal(ours, theirs);
      }),
      { numRuns: 400 },
    );
    assert.ok(found > 60, `only ${found} values`);
  });
}

const keyed = fc.tuple(dictionary, label).map(([field, key]) => ({ request: requestOf([['X', field]]), key }));
compare(
  'a member of a dictionary is that of http-message-sig',
  keyed.map(({ request, key }) => [
    findComponentValue(request, { name: 'x', params: { key } }),
    firstOracle(request, sig.component('x', { key })),
  ]),
);
compare(
  'a member of a dictionary is that of http-message-signatures, where that does not take the field for a list',
  keyed.map(({ request, key }) => {
    const theirs = secondOracle(request, `"x";key="${key}"`);
    return [theirs && findComponentValue(request, { name: 'x', params: { key } }), theirs];
  }),
);
compare(
  'a strict dictionary is that of http-message-signatures',
  dictionary.map((field) => {
    const request = requestOf([['Priority', field]]);
    return [findComponentValue(request, read('"priority";sf')), secondOracle(request, '"priority";sf')];
  }),
);
compare(
  'the bytes of a field are those of http-message-signatures',
  fc.array(fc.stringMatching(/^[ -~]{0,12}$/), { minLength: 1, maxLength: 3 }).map((lines) => {
    const request = requestOf(lines.map((line) => ['X', line] as const));
    return [findComponentValue(request, read('"x";bs')), secondOracle(request, '"x";bs')];
  }),
);
/** That oracle leaves more characters as they are; encoded as the RFC says, its values are ours. */
const asWritten = (text: string | undefined): string | undefined =>
  text?.replace(/[!'()~]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
compare(
  'a query parameter is that of http-message-signatures',
  fc
    .array(
      fc.tuple(
        fc.constantFrom('a', 'b', '%61', 'c'),
        fc.stringMatching(/^[a-z!'()~*._+:=?/-]{0,6}$/),
        fc.string({ unit: 'grapheme', maxLength: 3 }),
      ),
      { maxLength: 3 },
    )
    .map((pairs) => {
      const query = pairs.map(([name, plain, other]) => `${name}=${plain}${encodeURIComponent(other)}`).join('&');
      const request = requestOf([], `/?${query}`);
      return [findComponentValue(request, read('"@query-param";name="a"')), asWritten(secondOracle(request, '"@query-param";name="a"'))];
    }),
);
