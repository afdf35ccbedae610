import type { Arrived, Sealed } from '../protocol/messages.ts';
import { replyTo } from './reply.ts';
import type { Reached, Stages } from './stages.ts';

/**
 * The whole gateway: one request, from well-formed HTTP to signed bytes.
 *
 * Each stage takes what the stage before returned, so another order does not compile. A stage that decides against
 * the request throws a Refusal; anything else that is thrown is a fault of ours. Both are answered signed.
 * Never rejects.
 */
export async function handle(arrived: Arrived, stages: Stages): Promise<Sealed> {
  let reached: Reached = arrived;
  try {
    const identified = stages.identify(arrived); // certificate -> merchant number
    reached = identified;
    const routed = stages.route(identified); // method and path -> operation; channel, hours, contract
    reached = routed;
    stages.bound(routed); // a flood of forged signatures must not burn CPU
    const verified = await stages.verify(routed); // signature over the exact bytes
    reached = verified;
    const opened = await stages.open(verified); // decrypt if encrypted; strict JSON, schema, one merchant everywhere
    reached = opened;
    const admitted = await stages.admit(opened); // ONE store step: nonce, rates, idempotency, limits
    reached = admitted;
    if ('known' in admitted) return await stages.seal(admitted, await stages.recall(admitted));
    const screened = await stages.screen(admitted); // the risk service, where there is one; what it rejects is given back
    const journalled = await stages.journal(screened); // on the disk before money can move
    const forwarded = await stages.forward(journalled); // core: succeeded, failed or unknown
    const settled = stages.settle(forwarded); // commit, release or hold: sent before the answer, not awaited
    return await stages.seal(settled, replyTo(settled));
  } catch (error) {
    return await stages.refuse(reached, error); // refusals are signed too
  }
}
