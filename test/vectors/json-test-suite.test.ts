import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JsonProblem, parseStrictJson } from '../../src/lib/json.ts';
import { readVectors } from './outside.ts';

/** github nst/JSONTestSuite 1ef36fa0: y_ is JSON, n_ is not, i_ is left to the implementation; we refuse all of i_. */
const SPELLING = 'the number is not spelled as JavaScript writes it';
const REPEATED = 'a name repeats';
/** JSON that we refuse all the same, with the rule. */
const REFUSED_Y: Readonly<Record<string, string>> = {
  'y_number.json': SPELLING,
  'y_number_0e+1.json': SPELLING,
  'y_number_0e1.json': SPELLING,
  'y_number_double_close_to_zero.json': SPELLING,
  'y_number_int_with_exp.json': SPELLING,
  'y_number_minus_zero.json': SPELLING,
  'y_number_negative_zero.json': SPELLING,
  'y_number_real_capital_e.json': SPELLING,
  'y_number_real_capital_e_neg_exp.json': SPELLING,
  'y_number_real_capital_e_pos_exp.json': SPELLING,
  'y_number_real_exponent.json': SPELLING,
  'y_number_real_fraction_exponent.json': SPELLING,
  'y_number_real_neg_exp.json': SPELLING,
  'y_number_real_pos_exponent.json': SPELLING,
  'y_object_duplicated_key.json': REPEATED,
  'y_object_duplicated_key_and_value.json': REPEATED,
  'y_object_extreme_numbers.json': SPELLING,
};
const REASON: Readonly<Record<string, RegExp>> = { [SPELLING]: /shortest plain form/, [REPEATED]: /repeats/ };

test('JSONTestSuite: y_ is read as JSON.parse reads it, n_ and i_ are refused', (t) => {
  const files = readVectors(t, 'json-test-suite/test_parsing', /^[yni]_.*\.json$/);
  for (const { name, bytes } of files ?? []) {
    const rule = REFUSED_Y[name];
    if (name.startsWith('y_') && rule === undefined) {
      assert.deepEqual(parseStrictJson(bytes), JSON.parse(bytes.toString()), name);
      continue;
    }
    assert.throws(
      () => parseStrictJson(bytes),
      (error) => error instanceof JsonProblem && (rule === undefined || (REASON[rule] as RegExp).test(error.reason)),
      name,
    );
  }
});

test('JSONTestSuite transformations: what is read, is read as JSON.parse reads it', (t) => {
  for (const { name, bytes } of readVectors(t, 'json-test-suite/test_transform', /\.json$/) ?? []) {
    try {
      assert.deepEqual(parseStrictJson(bytes), JSON.parse(bytes.toString()), name);
    } catch (error) {
      assert.ok(error instanceof JsonProblem, `${name}: ${error}`);
    }
  }
});
