import type { Store } from '../../ports/store.ts';
import { admit } from './admit.ts';
import { expireLease, findClaim, putClaim, viewOf } from './claims.ts';
import { arrivalOf, findTotal, runningIn } from './counters.ts';
import { beginEpoch, isPresent, openEpoch, openSlot, report } from './epoch.ts';
import type { Identity } from './file.ts';
import { replayFact } from './replay.ts';
import { hold, settle, voidAdmission } from './settle.ts';
import type { Statements } from './statements.ts';
import type { Sweeper } from './sweep.ts';
import type { Transactions } from './transactions.ts';

type Work = Transactions<{ readonly statements: Statements; readonly sweeper: Sweeper; readonly identity: Identity }>;

const isOpen = (s: Statements, { merchantNumber, epoch }: { merchantNumber: string; epoch: string }): boolean =>
  s.findSlot.get(merchantNumber, epoch) !== undefined;

/** Admission and what follows it. Settle and hold run before they return, so that an answer's first byte comes after them. */
export const decisions = ({ write, writeNow }: Work): Pick<Store, 'admit' | 'void' | 'hold' | 'release' | 'settle'> => ({
  admit: (command) =>
    write(({ statements, sweeper }) => {
      sweeper.admitted(command.nowMs);
      return admit(statements, command);
    }),
  void: (command) =>
    write(({ statements: s }) => {
      if (!isOpen(s, command)) return false;
      voidAdmission(s, command);
      return true;
    }),
  hold: (command) =>
    writeNow(({ statements: s }) => {
      if (!isOpen(s, command)) return false;
      hold(s, command);
      return true;
    }),
  release: (command) =>
    write(({ statements: s }) => {
      if (!isOpen(s, command)) return false;
      s.freeConcurrency.run(command.merchantNumber, command.admissionId);
      return true;
    }),
  settle: (command) => writeNow(({ statements: s }) => (isOpen(s, command) ? settle(s, command) : 'rebuilding')),
});

export const questions = ({
  write,
  read,
}: Work): Pick<Store, 'findDue' | 'lease' | 'postpone' | 'findClaim' | 'usage' | 'levels' | 'merchants'> => ({
  findDue: ({ merchantNumber, nowMs, limit }) =>
    read(({ statements: s }) => s.findDue.all(merchantNumber, nowMs, limit).map((row) => row.keyHash as string)),
  lease: ({ merchantNumber, keyHash, epoch, nowMs, untilMs }) =>
    write(({ statements: s }) => {
      const claim = isOpen(s, { merchantNumber, epoch }) ? findClaim(s, merchantNumber, keyHash) : undefined;
      if (!claim) return undefined;
      expireLease(s, merchantNumber, claim, nowMs);
      if (claim.state !== 'unknown' || claim.leaseUntilMs > nowMs) return undefined;
      claim.fence += 1;
      claim.leaseUntilMs = untilMs;
      putClaim(s, merchantNumber, claim);
      return viewOf(s, merchantNumber, claim);
    }),
  postpone: ({ merchantNumber, keyHash, fence, nextAskMs }) =>
    write(({ statements: s }) => {
      const claim = findClaim(s, merchantNumber, keyHash);
      if (claim?.state !== 'unknown' || claim.fence !== fence) return;
      putClaim(s, merchantNumber, { ...claim, nextAskMs, leaseUntilMs: 0 });
    }),
  findClaim: ({ merchantNumber, keyHash }) =>
    read(({ statements: s }) => {
      const claim = findClaim(s, merchantNumber, keyHash);
      return claim && viewOf(s, merchantNumber, claim);
    }),
  usage: ({ merchantNumber, counters }) => read(({ statements: s }) => counters.map((counter) => findTotal(s, merchantNumber, counter))),
  levels: ({ merchantNumber, rates, concurrency, nowMs }) =>
    read(({ statements: s }) => ({
      arrivalsUs: rates.map((counter) => arrivalOf(s, merchantNumber, counter)),
      running: concurrency.map((counter) => runningIn(s, merchantNumber, counter, nowMs)),
    })),
  merchants: () => read(({ statements: s }) => s.allSlots.all().map((row) => row.merchant as string)),
});

export const epochs = ({ write }: Work): Pick<Store, 'beginEpoch' | 'replay' | 'report' | 'openEpoch' | 'openSlot'> => ({
  beginEpoch: (command) => write(({ statements, identity }) => beginEpoch(statements, identity.text, command)),
  replay: ({ merchantNumber, epoch, nowMs, facts }) =>
    write(({ statements: s }) => {
      if (!isPresent(s, epoch)) return;
      s.makeSlot.run(merchantNumber);
      for (const fact of facts) replayFact(s, fact, nowMs);
    }),
  report: (command) => write(({ statements }) => report(statements, command)),
  openEpoch: (command) => write(({ statements }) => openEpoch(statements, command)),
  openSlot: (command) => write(({ statements }) => openSlot(statements, command)),
});
