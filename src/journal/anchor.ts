import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import type { Signer } from '../ports/signer.ts';
import { findSigned, type Signed, writeSigned } from './signed-file.ts';

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

const anchorPath = (directory: string): string => join(directory, 'anchor');

/** Writes the anchor of a journal folder. The record it names must be synced before. */
export const writeAnchor = (directory: string, anchor: Anchor, signer: Signer): Promise<void> =>
  writeSigned(anchorPath(directory), anchor, signer);

/** The anchor of a journal folder; undefined when there is none, 'unreadable' when it is damaged. */
export const findAnchor = (directory: string): Promise<Signed<Anchor> | 'unreadable' | undefined> =>
  findSigned(anchorPath(directory), readAnchor);

/** The members of an anchor, whatever else is beside them. Throws for what is no object. */
export function readAnchor(value: unknown): Anchor | undefined {
  const { journal, sequence, hash, at } = value as Partial<Anchor>;
  if (typeof journal !== 'string' || typeof hash !== 'string' || typeof at !== 'number' || !Number.isSafeInteger(sequence))
    return undefined;
  return { journal, sequence: sequence as number, hash, at };
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
