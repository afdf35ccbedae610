import type { Assertion } from './assertion.ts';

/** Tells the gateway that an outcome is known. Returns at once. */
export type Push = (assertion: Assertion, httpStatus: number) => void;

/** Waits between tries, ms. What no try reaches, the gateway finds by asking. */
const WAITS_MS = [0, 1_000, 5_000];
const TIMEOUT_MS = 2_000;

/** Pushes outcomes to the gateway's listener (`POST /outcomes`) behind the answer, so that a lost answer is not waited for. */
export function createPush(url: string, signal: AbortSignal): Push {
  const post = async (body: string): Promise<boolean> => {
    const timeout = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body, signal: timeout });
    await response.arrayBuffer();
    // 202: the gateway still waits for the answer, or could not ask us.
    return response.status !== 202 && response.status < 500;
  };
  const push = async (body: string): Promise<void> => {
    for (const waitMs of WAITS_MS) {
      await new Promise<void>((resolve) => setTimeout(resolve, waitMs).unref());
      if (signal.aborted || (await post(body).catch(() => false))) return;
    }
  };
  return ({ merchantNumber, claim }, httpStatus) => {
    if (claim === undefined) return;
    void push(JSON.stringify({ merchantNumber, claim, outcome: httpStatus < 300 ? 'SUCCEEDED' : 'FAILED' }));
  };
}
