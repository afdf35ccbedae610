import { readFile } from 'node:fs/promises';
import { writeFileAtomic } from '../lib/files.ts';
import type { Signer } from '../ports/signer.ts';

/** A small file beside the segments that the journal's key vouches for: JSON, a tab, its signature in base64url. */
export type Signed<T> = { readonly value: T; readonly json: Buffer; readonly signature: Buffer };

export async function writeSigned(path: string, value: object, signer: Signer): Promise<void> {
  const json = JSON.stringify(value);
  const signature = await signer.sign(Buffer.from(json));
  await writeFileAtomic(path, `${json}\t${signature.toString('base64url')}\n`);
}

/** Undefined when there is no such file, 'unreadable' when it is damaged. The signature is for the caller to check. */
export async function findSigned<T>(path: string, read: (value: unknown) => T | undefined): Promise<Signed<T> | 'unreadable' | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const [json = '', signature = ''] = text.trimEnd().split('\t');
  const value = readJson(json, read);
  return value === undefined ? 'unreadable' : { value, json: Buffer.from(json), signature: Buffer.from(signature, 'base64url') };
}

function readJson<T>(json: string, read: (value: unknown) => T | undefined): T | undefined {
  try {
    return read(JSON.parse(json));
  } catch {
    return undefined;
  }
}
