import assert from 'node:assert/strict';
import { test } from 'node:test';
import { splitMembers } from '../../src/protocol/signature-base.ts';
import { type FieldType, strictText } from '../../src/signature/components.ts';
import { readBytes, readDictionary } from '../../src/signature/dictionary.ts';
import { readVectors } from './outside.ts';

/** github httpwg/structured-field-tests 1e280c3e. */
type Vector = {
  readonly name: string;
  readonly raw: readonly string[];
  readonly header_type: string;
  readonly must_fail?: boolean;
  readonly can_fail?: boolean;
  readonly canonical?: readonly string[];
  readonly expected?: readonly (readonly [string, unknown])[];
};
/** RFC 9651 lets the last of equal labels win; we refuse. */
const repeats = (field: string): boolean => {
  const labels = splitMembers(field)?.map(({ label }) => label) ?? [];
  return new Set(labels).size < labels.length;
};

test('structured fields: dictionaries are read or refused as RFC 9651 says, but for repeated labels', (t) => {
  let read = 0;
  for (const { name: file, bytes } of readVectors(t, 'structured-field-tests', /\.json$/) ?? []) {
    for (const vector of JSON.parse(bytes.toString()) as Vector[]) {
      if (vector.header_type !== 'dictionary') continue;
      const found = readDictionary(vector.raw.join(', '));
      const why = `${file}: ${vector.name}`;
      if (vector.must_fail || repeats(vector.raw.join(', '))) assert.equal(found, undefined, why);
      else if (!vector.can_fail)
        assert.deepEqual(
          [...(found?.keys() ?? [])],
          vector.expected?.map(([label]) => label),
          why,
        );
      read += 1;
    }
  }
  t.diagnostic(`${read} dictionaries`);
});

test('structured fields: a byte sequence is read exactly when it is spelled canonically', (t) => {
  const [file] = readVectors(t, 'structured-field-tests', /^binary\.json$/) ?? [];
  for (const { name, raw, must_fail, canonical } of file ? (JSON.parse(file.bytes.toString()) as Vector[]) : []) {
    const member = readDictionary(`a=${raw.join(', ')}`)?.get('a');
    const bytes = member && readBytes(member);
    const isCanonical = !must_fail && (canonical === undefined || canonical[0] === raw[0]);
    assert.equal(bytes !== undefined, isCanonical, name);
  }
});

test('structured fields: cutting at commas finds the members that the parser finds', (t) => {
  for (const { bytes } of readVectors(t, 'structured-field-tests', /\.json$/) ?? []) {
    for (const vector of JSON.parse(bytes.toString()) as Vector[]) {
      if (vector.header_type !== 'dictionary' || vector.must_fail || vector.can_fail) continue;
      const labels = new Set(splitMembers(vector.raw.join(', '))?.map(({ label }) => label));
      assert.deepEqual([...labels].sort(), vector.expected?.map(([label]) => label).sort(), vector.name);
    }
  }
});

test('structured fields: the strict text of every field is the canonical one, or there is none', (t) => {
  let texts = 0;
  let read = 0;
  for (const { name: file, bytes } of readVectors(t, 'structured-field-tests', /\.json$/) ?? []) {
    for (const vector of JSON.parse(bytes.toString()) as Vector[]) {
      const raw = vector.raw.join(', ');
      const text = strictText(raw, vector.header_type as FieldType);
      const why = `${file}: ${vector.name}`;
      if (vector.must_fail) assert.equal(text, undefined, why);
      else if (text !== undefined) assert.equal(text, (vector.canonical ?? vector.raw).join(', '), why);
      read += 1;
      if (text !== undefined) texts += 1;
    }
  }
  t.diagnostic(`${texts} of ${read} fields have a strict text`);
  assert.ok(read === 0 || texts > read / 4);
});
