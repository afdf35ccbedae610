import { JsonProblem, parseStrictJson } from '../lib/json.ts';
import { allHeaders } from '../protocol/headers.ts';
import { CoreRefusal } from './answers.ts';
import type { ReceivedRequest } from './assertion.ts';

const JSON_TYPE = /^application\/json(?:[ \t]*;[ \t]*charset=utf-8)?$/i;

/** Reads a body as strict JSON, also behind a gateway that did so: the core trusts bytes that it read itself. Throws CoreRefusal. */
export function readJsonBody(request: ReceivedRequest): unknown {
  const types = allHeaders(request.rawHeaders, 'content-type');
  if (types.length !== 1 || !JSON_TYPE.test(types[0] as string)) throw new CoreRefusal('MEDIA_TYPE_UNSUPPORTED');
  try {
    return parseStrictJson(request.body, { depthMax: 8, keysMax: 100 });
  } catch (error) {
    if (error instanceof JsonProblem) throw new CoreRefusal('BODY_INVALID', `The body is not strict JSON: ${error.message}.`);
    throw error;
  }
}
