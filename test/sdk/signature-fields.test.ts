import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isInnerList, parseDictionary, serializeDictionary } from 'structured-headers';
import { findMember, readByteSequence, readSignatureInput, serialiseComponent } from '../../src/protocol/signature-base.ts';

/** The strict reader of signature fields against a whole implementation of structured fields: it takes less, and never otherwise. */
const name = fc.stringMatching(/^[@a-z][a-z0-9-]{0,10}$/).map((text) => `"${text}"`);
const component = fc
  .tuple(
    name,
    fc.constantFrom(
      '',
      ';req',
      ';key="hufu"',
      ';req;key="hufu"',
      ';key="a\\"b"',
      ';sf',
      ';bs',
      ';tr',
      ';name="a"',
      ';key="a";req',
      ';req;req',
      '; req',
      ';sf=?0',
      ';other',
    ),
  )
  .map(([a, b]) => a + b);
const parameter = fc.constantFrom(
  ...[';created=1', ';created=-5', ';expires=999999999999999', ';created=01', ';created=1.5', ';created=?1', ';created=1;created=2'],
  ...[';keyid="a"', ';keyid="\\\\"', ';keyid=token', ';tag="hufu-response"', ';alg="ed25519"', ';nonce=:AA==:', ';other="x"', ' ;tag="x"'],
);
const canonicalOrNot = fc
  .tuple(fc.array(component, { maxLength: 4 }), fc.array(parameter, { maxLength: 4 }), fc.constantFrom(' ', ' ', ' ', '  ', ','))
  .map(([components, parameters, space]) => `(${components.join(space)})${parameters.join('')}`);
const noise = fc
  .array(fc.constantFrom('(', ')', '"', '"a"', ';', '=', '1', ' ', ',', ';req', ';created=1', '\\', '?1', ':'))
  .map((parts) => parts.join(''));

describe('Signature-Input', () => {
  test('what our reader takes, the oracle takes, means the same and spells the same', () => {
    let taken = 0;
    fc.assert(
      fc.property(fc.oneof({ weight: 4, arbitrary: canonicalOrNot }, noise), (text) => {
        const input = readSignatureInput(text);
        if (!input) return;
        taken += 1;
        const field = `hufu=${text}`;
        const oracle = parseDictionary(field);
        assert.equal(serializeDictionary(oracle), field);
        const [items, params] = oracle.get('hufu') as [[string, Map<string, unknown>][], Map<string, unknown>];
        assert.ok(isInnerList(oracle.get('hufu') as never));
        assert.deepEqual(
          input.components.map(({ name, params }) => [name, { ...params }]),
          items.map(([value, itemParams]) => [value, Object.fromEntries(itemParams)]),
        );
        assert.deepEqual({ ...input.params }, Object.fromEntries(params));
      }),
      { numRuns: 2000 },
    );
    assert.ok(taken > 50, `the generator must reach the accepting side, reached it ${taken} times`);
  });
  test('the canonical spelling of our own kind is always taken', () => {
    const own = fc.tuple(
      fc.array(
        fc.record({ name: fc.stringMatching(/^[!-~]{1,12}$/), req: fc.boolean(), key: fc.option(fc.stringMatching(/^[ -~]{0,8}$/)) }),
      ),
      fc.integer({ min: 0, max: 999_999_999_999_999 }),
    );
    fc.assert(
      fc.property(own, ([parts, created]) => {
        const components = parts.map(({ name, req, key }) => ({
          name,
          params: { ...(req && ({ req: true } as const)), ...(key !== null && { key }) },
        }));
        const text = `(${components.map(serialiseComponent).join(' ')});created=${created}`;
        assert.deepEqual(readSignatureInput(text), { components, params: { created } });
      }),
    );
  });
});

describe('Signature', () => {
  test('one value has one text', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.nat(200), fc.constantFrom('A', 'B', '=', '-', '_', ' ', '\n', ''), (bytes, at, by) => {
        const text = `:${Buffer.from(bytes).toString('base64')}:`;
        assert.deepEqual(readByteSequence(text), Buffer.from(bytes));
        const other = text.slice(0, at % text.length) + by + text.slice((at % text.length) + 1);
        const read = readByteSequence(other);
        if (other !== text && read) assert.notDeepEqual(read, Buffer.from(bytes));
      }),
    );
  });
  const cases: readonly [lines: string[], member: string | undefined, why: string][] = [
    [['hufu=:AA==:'], ':AA==:', 'the only member'],
    [['sig1=:AQ==:, hufu=:AA==:'], ':AA==:', 'beside a signature of somebody else'],
    [['sig1=:AQ==:', 'hufu=:AA==:'], ':AA==:', 'on a line of its own'],
    [['hufu=:AA==:, hufu=:AA==:'], undefined, 'twice'],
    [['hufu=:AA==:', 'hufu=:AQ==:'], undefined, 'twice on two lines'],
    [['sig1=:AA==:'], undefined, 'not there'],
    [['Hufu=:AA==:'], undefined, 'labels are lower case'],
    [['sig1="a, hufu=:AA==:"'], undefined, 'inside a string of another member'],
  ];
  for (const [lines, member, why] of cases) {
    test(`the member hufu: ${why}`, () => {
      const rawHeaders = lines.flatMap((line) => ['Signature', line]);
      assert.equal(findMember(rawHeaders, 'signature', 'hufu'), member);
    });
  }
});
