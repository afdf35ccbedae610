import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { ConfigurationProblems } from '../../src/config/problems.ts';

/** Stands in a text where a problem is expected to point at; it is taken out before the text is read. */
export const MARK = '§';

/** The text without its mark, and the line and column (from 1) where the mark stood; 0:0 when there is none. */
export function unmark(marked: string): { readonly text: string; readonly line: number; readonly column: number } {
  const at = marked.indexOf(MARK);
  if (at < 0) return { text: marked, line: 0, column: 0 };
  const before = marked.slice(0, at).split('\n');
  return { text: marked.replace(MARK, ''), line: before.length, column: (before.at(-1) as string).length + 1 };
}

/** A directory that ends with the test. */
export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'hufu-config-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Writes files below a directory. */
export async function writeFiles(directory: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
}

/** Everything a step tells, as `line:column message` with the file's name in front when it is not `main`. */
export function problemsOf(step: () => unknown, main: string): string[] {
  try {
    step();
  } catch (error) {
    assert.ok(error instanceof ConfigurationProblems, String((error as Error).stack));
    return error.problems.map(({ file, line, column, message }) => `${file === main ? '' : `${file} `}${line}:${column} ${message}`);
  }
  return [];
}

/** A public key in PEM, one for each name, made once. */
export function publicKeyPem(name: string, kind: 'p256' | 'rsa1024' = 'p256'): string {
  const known = KEYS.get(`${kind} ${name}`);
  if (known) return known;
  const pair = kind === 'p256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('rsa', { modulusLength: 1024 });
  const pem = pair.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  KEYS.set(`${kind} ${name}`, pem);
  return pem;
}

const KEYS = new Map<string, string>();
