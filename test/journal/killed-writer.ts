import { openJournal } from '../../src/journal/journal.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { admitted, journalSigner, outcome } from './support.ts';

/** Run as a process of its own that is killed: appends for ever and prints the number of each admission that is on the disk. */
const journal = await openJournal({
  directory: process.argv[2] as string,
  instance: 'gateway-1',
  signer: journalSigner,
  clock: systemClock,
  groupMsMax: 2,
  groupRecordsMax: 64,
  segmentBytesMax: 20_000,
  onAlarm: () => undefined,
});

async function work(first: number): Promise<void> {
  for (let n = first; ; n += 8) {
    await journal.synced(journal.append(admitted(n)));
    process.stdout.write(`${n}\n`);
    journal.append(outcome(n));
  }
}
await Promise.all(Array.from({ length: 8 }, (_, n) => work(n)));
