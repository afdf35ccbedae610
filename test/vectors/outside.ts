import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';

/** Test data from outside lies beside the project when it is there at all; see each test for its source. */
const ROOT = new URL('../../../shared/vectors/', import.meta.url);

/** The folder's files with their bytes; undefined, and said so, when the data is absent. */
export function readVectors(t: TestContext, folder: string, pattern: RegExp): readonly { name: string; bytes: Buffer }[] | undefined {
  const url = new URL(`${folder}/`, ROOT);
  if (!existsSync(url)) {
    t.diagnostic(`not run: the outside vectors of ${folder} are not on this machine`);
    return undefined;
  }
  const names = readdirSync(url).filter((name) => pattern.test(name));
  return names.map((name) => ({ name, bytes: readFileSync(new URL(encodeURIComponent(name), url)) }));
}
