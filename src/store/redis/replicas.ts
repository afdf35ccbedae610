import type { Redis } from 'ioredis';
import { UserError } from '../../lib/user-error.ts';
import { findReplyCode } from './failure.ts';

/** The longest that a replica may be behind and still count as following, s: what a fail-over loses is bounded by it. */
const LAG_SECONDS_MAX = 5;
/** Replies of a server that does not let this user read its configuration, or has no CONFIG at all, as some that are rented. */
const FORBIDDEN: readonly (string | undefined)[] = ['NOPERM', 'ERR'];

const HOW = `set min-replicas-to-write 1 and min-replicas-max-lag 2 (at most ${LAG_SECONDS_MAX}) there, with CONFIG SET and in redis.conf`;

/** Checks a master that has replicas. */
export type ReplicaCheck = (client: Redis, replicas: number) => Promise<void>;

/**
 * A master whose replicas do not follow must stop writing: else a fail-over forgets what was admitted in the meantime, without
 * bound (contract.md section 8). Without replicas there is nothing to check. Where the server does not tell its configuration, says
 * so once through `onWarning`. `expected`: replicas belong to this master, also while none is connected, as behind Sentinels.
 * The check throws a UserError that says what to set.
 */
export function createReplicaCheck(onWarning: (line: string) => void, expected = false): ReplicaCheck {
  let warned = false;
  return async (client, replicas) => {
    if (replicas === 0 && !expected) return;
    const settings = await readSettings(client);
    if (settings) return checkSettings(settings, replicas);
    if (warned) return;
    warned = true;
    onWarning(
      `the store has ${replicas} replicas, and this user may not read min-replicas-to-write and min-replicas-max-lag: allow it +config|get, or make sure that they are 1 and at most ${LAG_SECONDS_MAX}`,
    );
  };
}

type Settings = { readonly toWrite: number; readonly maxLagSeconds: number };

function checkSettings({ toWrite, maxLagSeconds }: Settings, replicas: number): void {
  if (toWrite < 1)
    throw new UserError(
      `the store has ${replicas} replicas and writes also when none of them follows, so a fail-over loses money decisions; ${HOW}`,
    );
  if (maxLagSeconds < 1 || maxLagSeconds > LAG_SECONDS_MAX)
    throw new UserError(
      `the store counts a replica as following at min-replicas-max-lag ${maxLagSeconds} s${maxLagSeconds < 1 ? ', which switches the rule off' : ''}; ${HOW}`,
    );
}

/** One question for both, which also servers before 7.0 understand. Undefined when it is forbidden. */
async function readSettings(client: Redis): Promise<Settings | undefined> {
  try {
    const reply = (await client.config('GET', 'min-replicas-*')) as readonly string[];
    const figureOf = (name: string): number => Number(reply[reply.indexOf(name) + 1]);
    return { toWrite: figureOf('min-replicas-to-write'), maxLagSeconds: figureOf('min-replicas-max-lag') };
  } catch (error) {
    if (FORBIDDEN.includes(findReplyCode(error))) return undefined;
    throw error;
  }
}
