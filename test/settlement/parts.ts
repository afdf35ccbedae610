import assert from 'node:assert/strict';
import { createModelStore } from '../../src/admission/model.ts';
import type { Fact, Journal, JournalEntry } from '../../src/ports/journal.ts';
import type { Store } from '../../src/ports/store.ts';
import { Refusal } from '../../src/protocol/errors.ts';
import { createStoredAnswers } from '../../src/settlement/stored-answer.ts';
import type { UntilConfirmed } from '../../src/settlement/until-confirmed.ts';
import { FIRST, openEpoch, SECOND } from '../store/world.ts';
import { onlyKey } from '../support/secret-keys.ts';

/** A model store with the epoch `e1` open for two merchants; what is called on it is noted in `log`. */
export async function openParts(
  log: string[] = [],
): Promise<{ readonly store: Store; readonly journal: TestJournal; readonly log: string[] }> {
  const store = createModelStore();
  await openEpoch(store, 'e1', [FIRST, SECOND]);
  const noted = Object.entries(store).map(([name, method]) => [
    name,
    typeof method !== 'function'
      ? method
      : (command: never) => {
          log.push(`store.${name}`);
          return (method as (command: never) => unknown)(command);
        },
  ]);
  return { store: Object.fromEntries(noted) as Store, journal: createTestJournal(log), log };
}

export type TestJournal = Journal & {
  readonly entries: JournalEntry[];
  /** Whether it can be written; whether syncs succeed. */
  writable: boolean;
  syncs: boolean;
};

/** A journal in memory. Endings are taken also while it cannot be written, as the real one does. */
export function createTestJournal(log: string[] = []): TestJournal {
  const journal: TestJournal = {
    entries: [],
    writable: true,
    syncs: true,
    append: (entry) => {
      if (!journal.writable && entry.type !== 'outcome' && entry.type !== 'voided') throw new Refusal('JOURNAL_UNAVAILABLE');
      log.push(`append ${entry.type}`);
      return journal.entries.push(entry);
    },
    synced: async () => {
      await Promise.resolve();
      if (!journal.syncs) throw new Refusal('JOURNAL_UNAVAILABLE');
      log.push('synced');
    },
    isWritable: () => journal.writable,
    facts: async function* () {
      for (const entry of [...journal.entries]) if (entry.type !== 'request' && entry.type !== 'answer') yield entry as Fact;
    },
    noncesLostAtMs: undefined,
    close: async () => {},
  };
  return journal;
}

/** Runs each command until it is confirmed, without pauses; `settled` waits for all of them. */
export function createTestUntil(): UntilConfirmed & { readonly settled: () => Promise<void>; readonly failures: unknown[] } {
  const running: Promise<void>[] = [];
  const failures: unknown[] = [];
  const attempt = async (command: () => Promise<boolean>) => {
    for (let i = 0; i < 20; i += 1) {
      try {
        if (await command()) return;
      } catch (error) {
        failures.push(error);
      }
      await new Promise(setImmediate);
    }
    assert.fail('never confirmed');
  };
  return {
    run: (_what, command) => void running.push(attempt(command)),
    drain: async () => 0,
    settled: async () => {
      await Promise.all(running);
    },
    failures,
  };
}

export const answers = createStoredAnswers(onlyKey({ id: '0123456789abcdef', key: Buffer.alloc(32, 3) }), Date.now);
export const PAID = { status: 201, contentType: 'application/json', body: Buffer.from('{"status":"SUCCEEDED"}') };
