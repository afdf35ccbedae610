import { Refusal } from '../protocol/errors.ts';
import type { Forwarded, Journalled } from '../protocol/messages.ts';
import type { Withdraw } from '../settlement/withdraw.ts';

export type ForwardStageOptions = {
  readonly forward: (journalled: Journalled) => Promise<Forwarded>;
  readonly withdraw: Withdraw;
  readonly onAlarm: (alarm: string, facts: Readonly<Record<string, unknown>>) => void;
};

/** Forwards, and gives the admission back when it is proven that not one byte was sent: then, and only then, nothing was executed. */
export function createForwardStage(options: ForwardStageOptions): (journalled: Journalled) => Promise<Forwarded> {
  return async (journalled) => {
    const { merchant, admissionId, claim, requestId } = journalled;
    try {
      const forwarded = await options.forward(journalled);
      if (forwarded.alarm) options.onAlarm(forwarded.alarm, { requestId, merchantNumber: merchant.number, admissionId });
      return forwarded;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      // Said only when it is on the disk: the merchant may send this key with another body next, and this request must not come back.
      await options.withdraw({
        merchantNumber: merchant.number,
        admissionId,
        ...(claim ? { keyHash: claim.keyHash, journalled: true } : {}),
      });
      throw error;
    }
  };
}
