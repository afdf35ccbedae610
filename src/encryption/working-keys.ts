import { createSecretKey, randomBytes } from 'node:crypto';
import { openWithAny, sealAnswer } from '../keys/answer-seal.ts';
import type { SecretKeys } from '../keys/secret-keys.ts';
import { lengthPrefixed } from '../lib/bytes.ts';
import { StoreUnavailable } from '../ports/store.ts';
import type { WorkingKeyShelf } from '../ports/working-keys.ts';
import { Refusal } from '../protocol/errors.ts';
import { WORKING_KEY_BYTES, type WorkingKey, type WorkingKeyPurpose } from '../protocol/working-key.ts';
import { createKeyCache } from './key-cache.ts';
import { findGiven, type KeyRow, LIFE_MS, readRows, withNewKey } from './key-rows.ts';

export type WorkingKeysOptions = {
  readonly shelf: WorkingKeyShelf;
  /** Seal keys for the store: by the present one, opened with any. */
  readonly sealKeys: SecretKeys;
  readonly nowMs: () => number;
  readonly monotonicMs: () => number;
};

/** The working keys of all merchants. Every method rejects with a Refusal STORE_UNAVAILABLE when the store cannot be asked. */
export type WorkingKeys = {
  /** Gives a key, or the one that was given for the same `requestNo` as long as that lives. */
  readonly issue: (merchantNumber: string, purpose: WorkingKeyPurpose, requestNo: string) => Promise<WorkingKey>;
  /** The live key of an id, if it is of this merchant and for this purpose; else rejects with a Refusal WORKING_KEY_UNKNOWN. */
  readonly find: (merchantNumber: string, keyid: string, purpose: WorkingKeyPurpose) => Promise<WorkingKey>;
};

/** Several processes may give the same merchant keys at one moment. */
const ATTEMPTS_MAX = 8;
const KEYID_BYTES = 16;

export function createWorkingKeys(options: WorkingKeysOptions): WorkingKeys {
  const { shelf, nowMs, monotonicMs } = options;
  const { seal, open } = createSealer(options);
  const lookUp = createKeyCache({ read: shelf.read, open, monotonicMs });

  const issueOnce = async (merchantNumber: string, purpose: WorkingKeyPurpose, requestNo: string): Promise<WorkingKey | undefined> => {
    const now = nowMs();
    const before = await shelf.read(merchantNumber);
    const rows = readRows(before);
    const given = findGiven(rows, purpose, requestNo, now);
    const again = given && open(merchantNumber, given);
    if (again) return again;
    const key = {
      keyid: `wk-${randomBytes(KEYID_BYTES).toString('base64url')}`,
      purpose,
      key: createSecretKey(randomBytes(WORKING_KEY_BYTES)),
      notBeforeMs: now,
      notAfterMs: now + LIFE_MS,
    };
    const { key: _, ...facts } = key;
    const after = JSON.stringify(withNewKey(rows, { ...facts, requestNo, sealed: seal(merchantNumber, key) }, now));
    const isPut = await shelf.replace({ merchantNumber, before, after, untilMs: key.notAfterMs, nowMs: now });
    return isPut ? key : undefined;
  };

  return {
    issue: (merchantNumber, purpose, requestNo) =>
      told(async () => {
        for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
          const key = await issueOnce(merchantNumber, purpose, requestNo);
          if (key) return key;
        }
        throw new Refusal('STORE_UNAVAILABLE', { retryAfterSeconds: 1, cause: 'other processes kept giving this merchant keys' });
      }),
    find: (merchantNumber, keyid, purpose) =>
      told(async () => {
        const key = await lookUp(merchantNumber, keyid);
        if (!key || key.purpose !== purpose || nowMs() >= key.notAfterMs) throw new Refusal('WORKING_KEY_UNKNOWN');
        return key;
      }),
  };
}

/** Keys as the store has them: encrypted, and bound to merchant, purpose and id, so that none can be put in another's place. */
function createSealer({ sealKeys, nowMs }: WorkingKeysOptions) {
  const aadOf = (merchantNumber: string, { purpose, keyid }: Pick<KeyRow, 'purpose' | 'keyid'>): Buffer =>
    lengthPrefixed(['working-key', merchantNumber, purpose, keyid]);
  return {
    seal: (merchantNumber: string, key: WorkingKey): string =>
      sealAnswer(sealKeys.writing(nowMs()), key.key.export(), aadOf(merchantNumber, key)).toString('base64'),
    open: (merchantNumber: string, row: KeyRow): WorkingKey | undefined => {
      const { keyid, purpose, notBeforeMs, notAfterMs } = row;
      const bytes = openWithAny(sealKeys, Buffer.from(row.sealed, 'base64'), aadOf(merchantNumber, row));
      return bytes && { keyid, purpose, key: createSecretKey(bytes), notBeforeMs, notAfterMs };
    },
  };
}

/** A store that cannot be asked is told as such. */
async function told<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof StoreUnavailable) throw new Refusal('STORE_UNAVAILABLE', { retryAfterSeconds: 1, cause: error });
    throw error;
  }
}
