import { randomInt } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Answer, CallRequest } from '../../src/sdk/answer.ts';
import type { MerchantClient } from '../../src/sdk/merchant.ts';
import { callUntilFinal } from '../../src/sdk/until-final.ts';
import { freshOrderNo, MERCHANT_1, MERCHANT_2, orderBody, paymentBody, type System } from '../../test/support/system.ts';

/** What became of one payment, as its merchant was told. */
export type Told = {
  readonly orderNo: string;
  readonly merchantNumber: string;
  readonly outcome: Answer['outcome'];
  readonly code: string | undefined;
};

export type Load = {
  /** Payments with a final answer so far. */
  readonly told: readonly Told[];
  /** Answers whose signature did not verify, and codes of our own faults: there must be none. */
  readonly faults: readonly string[];
  /** Resolves when so many more payments have come to their end. */
  readonly after: (count: number) => Promise<void>;
  /** No new orders; resolves when every payment that was begun has its final answer. */
  readonly end: () => Promise<void>;
};

/** Amounts, fen: the first merchant comes to its limit, the second does not. */
const AMOUNTS_FEN: Readonly<Record<string, number>> = { [MERCHANT_1]: 50_000, [MERCHANT_2]: 100 };
const LOOPS_PER_MERCHANT = 4;
/** Deliveries of one key; with these waits they outlast every fault. */
const ATTEMPTS_MAX = 400;
const WAIT_MS_MAX = 1_000;

/** Merchants that pay, all the time, through the real SDK: each delivery goes to any gateway, as behind a balancer. */
export function startLoad(system: System): Load {
  const told: Told[] = [];
  const faults: string[] = [];
  const waiting: { readonly at: number; readonly resolve: () => void }[] = [];
  let ending = false;
  const note = (one: Told) => {
    told.push(one);
    for (const each of waiting) if (told.length >= each.at) each.resolve();
  };
  const loops = Object.keys(AMOUNTS_FEN).flatMap((merchantNumber) => {
    const clients = system.gateways.map((_, gateway) => system.merchant(merchantNumber, { gateway }));
    return Array.from({ length: LOOPS_PER_MERCHANT }, async () => {
      while (!ending) await payOne(clients, merchantNumber, note, faults);
    });
  });
  return {
    told,
    faults,
    after: (count) => new Promise((resolve) => void waiting.push({ at: told.length + count, resolve })),
    end: async () => {
      ending = true;
      await Promise.all(loops);
    },
  };
}

async function payOne(
  clients: readonly MerchantClient[],
  merchantNumber: string,
  note: (told: Told) => void,
  faults: string[],
): Promise<void> {
  const orderNo = freshOrderNo();
  const amountFen = AMOUNTS_FEN[merchantNumber] as number;
  const send = async (request: CallRequest): Promise<Answer> => {
    const answer = await (clients[randomInt(clients.length)] as MerchantClient).call(request);
    if (answer.status > 0 && !answer.verified) faults.push(`an answer did not verify: ${answer.status} ${answer.why}`);
    if (answer.code === 'INTERNAL') faults.push(`a fault of our own: ${answer.body.toString()}`);
    return answer;
  };
  const untilFinal = (request: CallRequest) => callUntilFinal(send, request, { attemptsMax: ATTEMPTS_MAX, waitMsMax: WAIT_MS_MAX });
  const ordered = await untilFinal({
    method: 'POST',
    path: '/v1/orders',
    idempotencyKey: `order-${orderNo}`,
    body: orderBody(orderNo, amountFen),
  });
  // An order that was never begun, and never will be, is no fault: its merchant takes a new one.
  if (ordered.code === 'NOT_EXECUTED') return;
  if (ordered.outcome !== 'succeeded') {
    faults.push(`no order: ${ordered.status} ${ordered.code} ${ordered.why}`);
    await wait(WAIT_MS_MAX);
    return;
  }
  const path = `/v1/orders/${orderNo}/payments`;
  const paid = await untilFinal({ method: 'POST', path, idempotencyKey: `pay-${orderNo}`, body: paymentBody(amountFen) });
  note({ orderNo, merchantNumber, outcome: paid.outcome, code: paid.code });
}
