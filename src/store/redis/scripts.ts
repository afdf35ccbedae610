import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';

/** One Lua file beside this one for each script; its opening comment is its contract. */
const NAMES = [
  'admit',
  'void',
  'hold',
  'release',
  'settle',
  'find-due',
  'lease',
  'postpone',
  'find-claim',
  'usage',
  'levels',
  'replay',
  'begin-epoch',
  'report',
  'open-epoch',
  'announce',
  'replace',
] as const;

export type ScriptName = (typeof NAMES)[number];
export type ScriptArgument = string | number | Buffer;

/** The source of a script, with each line `-- @include "FILE"` replaced by that file. */
function readScript(file: string): string {
  const source = readFileSync(new URL(file, import.meta.url), 'utf8');
  return source.replaceAll(/^-- @include "([a-z-]+\.lua)"$/gm, (_line, included: string) => readScript(included));
}

/** Name and source of every script. */
export const SCRIPTS: readonly (readonly [ScriptName, string])[] = NAMES.map((name) => [name, readScript(`./${name}.lua`)]);

type Script = (key: string, ...args: readonly ScriptArgument[]) => Promise<unknown>;

/** Runs a script that `defineCommand` gave to this client. Strings in the reply are Buffers, since answers are opaque bytes. */
export function runScript(client: Redis, name: ScriptName, key: string, args: readonly ScriptArgument[]): Promise<unknown> {
  const script = (client as unknown as Readonly<Record<string, Script>>)[`${name}Buffer`] as Script;
  return script.call(client, key, ...args);
}
