import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Message } from './message.ts';
import { fromJson, type Vector } from './vector.ts';

const FOLDER = resolve(import.meta.dirname, '..', '..', 'test', 'vectors');

/** The signed request of a stored vector. */
export function storedRequest(scheme: string, name: string): Message {
  const vector = JSON.parse(readFileSync(join(FOLDER, scheme, `${name}.json`), 'utf8')) as Vector;
  return fromJson(vector.request);
}
