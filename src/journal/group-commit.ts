import type { Clock } from '../lib/clock.ts';
import { Refusal } from '../protocol/errors.ts';
import type { SegmentWriter, Waiting } from './segment-writer.ts';

export type GroupCommitOptions = {
  readonly writer: SegmentWriter;
  readonly clock: Clock;
  readonly groupMsMax: number;
  readonly groupRecordsMax: number;
  /** Between two tries while the disk refuses, ms. */
  readonly retryMs: number;
  readonly onAlarm: (line: string) => void;
  /** After each group that is on the disk. */
  readonly onSynced: () => void;
};

export type GroupCommit = {
  readonly add: (record: Waiting) => void;
  readonly synced: (seq: number) => Promise<void>;
  /** False while the disk refuses. */
  readonly isHealthy: () => boolean;
  /** Records that are not acknowledged yet, oldest first. */
  readonly waiting: () => readonly Waiting[];
  /** Writes what waits, once, and stops. Rejects when the disk refuses. */
  readonly finish: () => Promise<void>;
};

type Waiter = { readonly seq: number; readonly resolve: () => void; readonly reject: (reason: Refusal) => void };

/**
 * Group commit: one write and one sync at a time for everything that waits. When nothing was under way a group begins as
 * soon as somebody waits for it; what was appended during a sync goes on when the oldest of it is groupMsMax old or
 * groupRecordsMax are together. Records nobody waits for are on the disk within groupMsMax.
 */
export function createGroupCommit(options: GroupCommitOptions): GroupCommit {
  const { writer, clock } = options;
  let waiting: Waiting[] = [];
  let waiters: Waiter[] = [];
  let oldestAtMs = 0;
  let busy: Promise<void> | undefined;
  let loaded = false;
  let failure: Error | undefined;
  let finished = false;
  let timer: NodeJS.Timeout | undefined;

  const wait = (ms: number): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      begin();
    }, ms);
  };

  const schedule = (): void => {
    if (busy || failure || finished || waiting.length === 0) return;
    const ageMs = clock.monotonicMs() - oldestAtMs;
    const atOnce = (waiters.length > 0 && !loaded) || waiting.length >= options.groupRecordsMax || ageMs >= options.groupMsMax;
    if (atOnce) begin();
    else wait(options.groupMsMax - ageMs);
  };

  /** The commit itself starts in a microtask, so that records appended in one go form one group. */
  const begin = (): void => {
    if (busy) return;
    clearTimeout(timer);
    timer = undefined;
    busy = Promise.resolve().then(run);
  };

  const run = async (): Promise<void> => {
    const group = waiting.slice();
    try {
      await writer.commit(group, clock.nowMs());
      waiting = waiting.slice(group.length);
      recovered();
      settle(writer.head().seq);
      options.onSynced();
    } catch (error) {
      fail(error);
    }
    loaded = waiting.length > 0;
    busy = undefined;
    schedule();
  };

  const settle = (seq: number): void => {
    oldestAtMs = clock.monotonicMs();
    const due = waiters.filter((waiter) => waiter.seq <= seq);
    waiters = waiters.filter((waiter) => waiter.seq > seq);
    for (const waiter of due) waiter.resolve();
  };

  const recovered = (): void => {
    if (failure) options.onAlarm('the journal can be written again; money operations go on');
    failure = undefined;
  };

  const fail = (error: unknown): void => {
    const first = failure === undefined;
    failure = error as Error;
    if (first) options.onAlarm(`the journal cannot be written (${failure.message}); money operations are refused until it can`);
    const refused = waiters;
    waiters = [];
    for (const waiter of refused) waiter.reject(new Refusal('JOURNAL_UNAVAILABLE', { cause: error }));
    if (!finished) wait(first && writer.isSpoiled() ? 0 : options.retryMs);
  };

  const add = (record: Waiting): void => {
    if (waiting.length === 0) oldestAtMs = clock.monotonicMs();
    waiting.push(record);
    schedule();
  };

  const synced = (seq: number): Promise<void> => {
    if (seq <= writer.head().seq) return Promise.resolve();
    if (failure || finished) return Promise.reject(new Refusal('JOURNAL_UNAVAILABLE'));
    return new Promise((resolve, reject) => {
      waiters.push({ seq, resolve, reject });
      schedule();
    });
  };

  const finish = async (): Promise<void> => {
    finished = true;
    clearTimeout(timer);
    await busy;
    if (waiting.length > 0) await run();
    if (failure) throw failure;
  };

  return { add, synced, isHealthy: () => failure === undefined, waiting: () => waiting, finish };
}
