import { createSecretKey, randomUUID } from 'node:crypto';
import { keyCheckValueOf, WORKING_KEY_BYTES, type WorkingKey, type WorkingKeyPurpose } from '../protocol/working-key.ts';
import type { Answer, CallRequest } from './answer.ts';

/** The gateway gave no working key; `answer` says why. */
export class NotSignedIn extends Error {
  readonly answer: Answer;
  constructor(answer: Answer) {
    super(`no working key: ${answer.code ?? answer.why ?? `status ${answer.status}`}`);
    this.name = 'NotSignedIn';
    this.answer = answer;
  }
}

/** The working keys of one merchant, held in memory only. */
export type HeldKeys = {
  /** The present key of a purpose; signs in when there is none or it ends soon. Throws NotSignedIn. */
  readonly current: (purpose: WorkingKeyPurpose) => Promise<WorkingKey>;
  /** A key that was given to us, also the one before the present one: answers may still be under it. */
  readonly find: (keyid: string) => WorkingKey | undefined;
  /**
   * The same call, repeated once under new keys when the gateway no longer knows ours: it was refused before anything ran, so the
   * very request may go out again.
   */
  readonly retrying: (call: (request: CallRequest) => Promise<Answer>) => (request: CallRequest) => Promise<Answer>;
};

/** A key is renewed so long before its end, ms. */
const RENEW_MS = 3_600_000;
/** Keys kept of each purpose: the present one and the one before. */
const KEPT = 2;

const SIGN_IN = '/v1/working-keys';

type Given = {
  readonly keyid?: unknown;
  readonly wrappedKey?: { readonly k?: unknown } | undefined;
  readonly keyCheckValue?: unknown;
  readonly notBefore?: unknown;
  readonly notAfter?: unknown;
};

function readKey(answer: Answer, purpose: WorkingKeyPurpose): WorkingKey {
  const { keyid, wrappedKey, keyCheckValue, notBefore, notAfter } = (answer.value ?? {}) as Given;
  const bytes = Buffer.from(typeof wrappedKey?.k === 'string' ? wrappedKey.k : '', 'base64url');
  if (!answer.accepted || answer.status !== 201) throw new NotSignedIn(answer);
  if (typeof keyid !== 'string' || bytes.length !== WORKING_KEY_BYTES)
    throw new NotSignedIn({ ...answer, why: 'none of decryptionKeys opens the working key' });
  const key = createSecretKey(bytes);
  if (keyCheckValueOf(purpose, key) !== keyCheckValue)
    throw new NotSignedIn({ ...answer, why: 'the key check value is not that of the key' });
  return { keyid, purpose, key, notBeforeMs: Date.parse(String(notBefore)), notAfterMs: Date.parse(String(notAfter)) };
}

/** Keeps working keys and gets new ones; several calls at once share one sign-in, and a lost answer is asked for again under its own number. */
export function createHeldKeys(call: (request: CallRequest) => Promise<Answer>, nowMs: () => number): HeldKeys {
  const held = new Map<WorkingKeyPurpose, readonly WorkingKey[]>();
  const lost = new Set<string>();
  const requestNos = new Map<WorkingKeyPurpose, string>();
  const running = new Map<WorkingKeyPurpose, Promise<WorkingKey>>();

  const signIn = async (purpose: WorkingKeyPurpose): Promise<WorkingKey> => {
    const requestNo = requestNos.get(purpose) ?? randomUUID();
    requestNos.set(purpose, requestNo);
    const key = readKey(await call({ method: 'POST', path: SIGN_IN, body: { purpose, requestNo } }), purpose);
    requestNos.delete(purpose);
    held.set(purpose, [...(held.get(purpose) ?? []), key].slice(-KEPT));
    return key;
  };

  return {
    current: async (purpose) => {
      const key = held.get(purpose)?.at(-1);
      if (key && !lost.has(key.keyid) && nowMs() < key.notAfterMs - RENEW_MS) return key;
      const shared = running.get(purpose) ?? signIn(purpose).finally(() => running.delete(purpose));
      running.set(purpose, shared);
      return shared;
    },
    find: (keyid) => [...held.values()].flat().find((key) => key.keyid === keyid),
    retrying: (once) => async (request) => {
      const answer = await once(request);
      if (answer.code !== 'WORKING_KEY_UNKNOWN' || !answer.verified) return answer;
      for (const { keyid } of [...held.values()].flat()) lost.add(keyid);
      return once(request);
    },
  };
}
