import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { writeFileAtomic } from '../lib/files.ts';
import type { Signer } from '../ports/signer.ts';

/**
 * The newest record that is known to be on the disk. A journal that ends before its anchor was cut; without an anchor
 * kept elsewhere, somebody who can write this folder can cut both.
 */
export type Anchor = {
  readonly journal: string;
  readonly sequence: number;
  readonly hash: string;
  /** Wall-clock ms. */
  readonly at: number;
};

export type SignedAnchor = { readonly anchor: Anchor; readonly json: Buffer; readonly signature: Buffer };

const anchorPath = (directory: string): string => join(directory, 'anchor');

/** Writes the anchor of a journal folder: JSON, a tab, its signature. The record it names must be synced before. */
export async function writeAnchor(directory: string, anchor: Anchor, signer: Signer): Promise<void> {
  const json = JSON.stringify(anchor);
  const signature = await signer.sign(Buffer.from(json));
  await writeFileAtomic(anchorPath(directory), `${json}\t${signature.toString('base64url')}\n`);
}

/** The anchor of a journal folder; undefined when there is none, 'unreadable' when it is damaged. */
export async function findAnchor(directory: string): Promise<SignedAnchor | 'unreadable' | undefined> {
  let text: string;
  try {
    text = await readFile(anchorPath(directory), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const [json = '', signature = ''] = text.trimEnd().split('\t');
  const anchor = readAnchor(json);
  return anchor ? { anchor, json: Buffer.from(json), signature: Buffer.from(signature, 'base64url') } : 'unreadable';
}

function readAnchor(json: string): Anchor | undefined {
  try {
    const { journal, sequence, hash, at } = JSON.parse(json) as Partial<Anchor>;
    if (typeof journal !== 'string' || typeof hash !== 'string' || typeof at !== 'number' || !Number.isSafeInteger(sequence))
      return undefined;
    return { journal, sequence: sequence as number, hash, at };
  } catch {
    return undefined;
  }
}

export type AnchorKeeper = {
  /** Call after every synced group: writes the anchor when it is due, beside the next group. */
  readonly keep: () => void;
  /** Writes the anchor now. */
  readonly write: () => Promise<void>;
  /** Resolves when nothing is being written. */
  readonly idle: () => Promise<void>;
};

type Where = Omit<Anchor, 'at'> & { readonly segment: number };

const EVERY_MS = 10_000;

/** Writes the anchor after each new segment and every 10 s in which something was synced. Failing to do so raises an alarm and stops nothing. */
export function createAnchorKeeper(
  options: { readonly clock: Clock; readonly signer: Signer; readonly onAlarm: (line: string) => void },
  directory: string,
  where: () => Where,
): AnchorKeeper {
  const { clock } = options;
  let segment = 0;
  let atMs = 0;
  let last: Promise<void> = Promise.resolve();

  const store = async (): Promise<void> => {
    const { journal, sequence, hash } = where();
    try {
      await writeAnchor(directory, { journal, sequence, hash, at: clock.nowMs() }, options.signer);
    } catch (error) {
      options.onAlarm(`${directory}/anchor: cannot be written (${(error as Error).message})`);
    }
  };
  const write = (): Promise<void> => {
    segment = where().segment;
    atMs = clock.monotonicMs();
    last = last.then(store);
    return last;
  };
  const keep = (): void => {
    if (where().segment !== segment || clock.monotonicMs() - atMs >= EVERY_MS) void write();
  };
  return { keep, write, idle: () => last };
}
