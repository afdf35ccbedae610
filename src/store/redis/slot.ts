import type { Store } from '../../ports/store.ts';
import type { EpochWatch } from './epoch.ts';
import type { Names } from './names.ts';
import { readClaim, readDecision, readLevels, readTexts, readUsage } from './replies.ts';
import { admitArguments, holdArguments, replayArguments, settleArguments, voidArguments } from './requests.ts';
import { runScript, type ScriptArgument, type ScriptName } from './scripts.ts';
import { type Send, type Servers, sendTo } from './servers.ts';

/** A script with more facts would hold up every other command of the server for long. */
const REPLAY_FACTS_MAX = 200;

type Run = (name: ScriptName, merchantNumber: string, args: readonly ScriptArgument[]) => Promise<unknown>;
type InEpoch = <T>(
  command: { readonly epoch: string; readonly merchantNumber: string },
  step: () => Promise<T>,
  otherwise: T,
) => Promise<T>;

/** The part of Store that is about one merchant: one script each, in one round trip. */
export function slotCommands(servers: Servers, names: Names, watch: EpochWatch): SlotCommands {
  const send = sendTo(servers);
  const run: Run = (name, merchantNumber, args) => {
    const key = names.slot(merchantNumber);
    return send(key, (client) => runScript(client, name, key, args));
  };
  // The scripts compare the slot's epoch. Before them stands what they cannot see: that the server is another run than the
  // epoch was written for. It costs nothing while all is well, and one look at the record when something differs.
  const inEpoch: InEpoch = async ({ epoch, merchantNumber }, step, otherwise) => {
    const key = names.slot(merchantNumber);
    if (watch.isCurrent(epoch, key)) return step();
    await watch.read();
    return watch.isCurrent(epoch, key) ? step() : otherwise;
  };
  return { ...decisions(run, inEpoch), ...questions(run, inEpoch), replay: replayWith(run, send, names, watch) };
}

type Decisions = Pick<Store, 'admit' | 'void' | 'hold' | 'release' | 'settle'>;
type Questions = Pick<Store, 'findDue' | 'lease' | 'postpone' | 'findClaim' | 'usage' | 'levels'>;
type SlotCommands = Decisions & Questions & Pick<Store, 'replay'>;

function decisions(run: Run, inEpoch: InEpoch): Decisions {
  return {
    admit: (command) =>
      inEpoch(command, async () => readDecision(command, await run('admit', command.merchantNumber, admitArguments(command))), {
        kind: 'rebuilding',
      }),
    void: (command) => inEpoch(command, async () => (await run('void', command.merchantNumber, voidArguments(command))) === 1, false),
    hold: (command) => inEpoch(command, async () => (await run('hold', command.merchantNumber, holdArguments(command))) === 1, false),
    release: (command) =>
      inEpoch(command, async () => (await run('release', command.merchantNumber, [command.epoch, command.admissionId])) === 1, false),
    settle: (command) =>
      inEpoch(
        command,
        async () => String(await run('settle', command.merchantNumber, settleArguments(command))) as Awaited<ReturnType<Store['settle']>>,
        'rebuilding',
      ),
  };
}

function questions(run: Run, inEpoch: InEpoch): Questions {
  return {
    findDue: async ({ merchantNumber, nowMs, limit }) => readTexts(await run('find-due', merchantNumber, [nowMs, limit])),
    lease: (command) =>
      inEpoch(
        command,
        async () => {
          const { merchantNumber, keyHash, epoch, nowMs, untilMs } = command;
          const reply = await run('lease', merchantNumber, [epoch, keyHash, nowMs, untilMs]);
          return reply === null ? undefined : readClaim(keyHash, reply);
        },
        undefined,
      ),
    postpone: async ({ merchantNumber, keyHash, fence, nextAskMs }) => {
      await run('postpone', merchantNumber, [keyHash, fence, nextAskMs]);
    },
    findClaim: async ({ merchantNumber, keyHash }) => {
      const reply = await run('find-claim', merchantNumber, [keyHash]);
      return reply === null ? undefined : readClaim(keyHash, reply);
    },
    usage: async ({ merchantNumber, counters }) => readUsage(counters, await run('usage', merchantNumber, counters)),
    levels: async ({ merchantNumber, rates, concurrency, nowMs }) =>
      readLevels(rates.length, await run('levels', merchantNumber, [nowMs, rates.length, ...rates, ...concurrency])),
  };
}

/**
 * In order and in parts: each fact is idempotent, so a replay that broke off is simply made again. The script cannot see
 * the record of the epoch, which is in no merchant's slot, so it is read anew before the first part.
 */
function replayWith(run: Run, send: Send, names: Names, watch: EpochWatch): Store['replay'] {
  return async ({ merchantNumber, epoch, nowMs, facts }) => {
    await watch.read();
    if (!watch.isCurrent(epoch, names.slot(merchantNumber))) return;
    await send(names.merchants, (client) => client.sadd(names.merchants, merchantNumber));
    for (let from = 0; from < facts.length; from += REPLAY_FACTS_MAX) {
      await run('replay', merchantNumber, replayArguments(nowMs, facts.slice(from, from + REPLAY_FACTS_MAX)));
    }
  };
}
