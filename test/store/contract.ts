import { admitContract } from './contract-admit.ts';
import { epochContract } from './contract-epoch.ts';
import { rateContract } from './contract-rates.ts';
import { replayContract } from './contract-replay.ts';
import { resolveContract } from './contract-resolve.ts';
import { settleContract } from './contract-settle.ts';
import { trialContract } from './contract-trial.ts';
import type { OpenStore } from './world.ts';

/** What every store must do (contract.md sections 5, 6 and 8), run for the model, SQLite and Redis. `shared`: whether it counts over all merchants. */
export function storeContract(name: string, open: OpenStore, shared = true): void {
  admitContract(name, open);
  rateContract(name, open);
  trialContract(name, open, shared);
  settleContract(name, open);
  resolveContract(name, open);
  replayContract(name, open);
  epochContract(name, open);
}
