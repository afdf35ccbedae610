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

/** A record with the moment it was appended, monotonic ms. */
type Queued = Waiting & { readonly atMs: number };

type Waiter = { readonly seq: number; readonly resolve: () => void; readonly reject: (reason: Refusal) => void };

type State = GroupCommitOptions & {
  waiting: Queued[];
  waiters: Waiter[];
  /** The commit under way. */
  busy: Promise<void> | undefined;
  /** Whether records came while the last commit was under way. */
  loaded: boolean;
  failure: Error | undefined;
  finished: boolean;
  timer: NodeJS.Timeout | undefined;
};

/**
 * Group commit: one write and one sync at a time for everything that waits. When nothing was under way a group begins as
 * soon as somebody waits for it; what was appended during a sync goes on when the oldest of it is groupMsMax old or
 * groupRecordsMax are together. Records nobody waits for are on the disk within groupMsMax.
 */
export function createGroupCommit(options: GroupCommitOptions): GroupCommit {
  const idle = { waiting: [], waiters: [], busy: undefined, loaded: false, failure: undefined, finished: false, timer: undefined };
  const state: State = { ...options, ...idle };
  return {
    add: (record) => {
      state.waiting.push({ ...record, atMs: options.clock.monotonicMs() });
      schedule(state);
    },
    synced: (seq) => synced(state, seq),
    isHealthy: () => state.failure === undefined,
    waiting: () => state.waiting,
    finish: () => finish(state),
  };
}

function synced(state: State, seq: number): Promise<void> {
  if (seq <= state.writer.head().seq) return Promise.resolve();
  if (state.failure || state.finished) return Promise.reject(new Refusal('JOURNAL_UNAVAILABLE'));
  return new Promise((resolve, reject) => {
    state.waiters.push({ seq, resolve, reject });
    schedule(state);
  });
}

function schedule(state: State): void {
  const { waiting, groupMsMax } = state;
  const [oldest] = waiting;
  if (state.busy || state.failure || state.finished || !oldest) return;
  const ageMs = state.clock.monotonicMs() - oldest.atMs;
  const isAwaited = state.waiters.length > 0 && !state.loaded;
  if (isAwaited || waiting.length >= state.groupRecordsMax || ageMs >= groupMsMax) begin(state);
  else beginAfter(state, groupMsMax - ageMs);
}

function beginAfter(state: State, ms: number): void {
  state.timer ??= setTimeout(() => begin(state), ms);
}

/** The commit itself starts in a microtask, so that records appended in one go form one group. */
function begin(state: State): void {
  clearTimeout(state.timer);
  state.timer = undefined;
  state.busy ??= Promise.resolve().then(() => commit(state));
}

async function commit(state: State): Promise<void> {
  const group = state.waiting.slice();
  try {
    await state.writer.commit(group, state.clock.nowMs());
    state.waiting = state.waiting.slice(group.length);
    succeed(state);
  } catch (error) {
    fail(state, error as Error);
  }
  state.loaded = state.waiting.length > 0;
  state.busy = undefined;
  schedule(state);
}

function succeed(state: State): void {
  if (state.failure) state.onAlarm('the journal can be written again; money operations go on');
  state.failure = undefined;
  const { seq } = state.writer.head();
  const due = state.waiters.filter((waiter) => waiter.seq <= seq);
  state.waiters = state.waiters.filter((waiter) => waiter.seq > seq);
  for (const waiter of due) waiter.resolve();
  state.onSynced();
}

/** Everybody who waits is refused; the records themselves stay and are tried again, on another file at once where a sync failed. */
function fail(state: State, error: Error): void {
  const isFirst = state.failure === undefined;
  state.failure = error;
  if (isFirst) state.onAlarm(`the journal cannot be written (${error.message}); money operations are refused until it can`);
  const refused = state.waiters;
  state.waiters = [];
  for (const waiter of refused) waiter.reject(new Refusal('JOURNAL_UNAVAILABLE', { cause: error }));
  if (!state.finished) beginAfter(state, isFirst && state.writer.isSpoiled() ? 0 : state.retryMs);
}

async function finish(state: State): Promise<void> {
  state.finished = true;
  clearTimeout(state.timer);
  await state.busy;
  if (state.waiting.length > 0) await commit(state);
  if (state.failure) throw state.failure;
}
