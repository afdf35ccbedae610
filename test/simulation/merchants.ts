import { keyHashOf } from '../../src/admission/key-hash.ts';
import type { Merchant } from '../../src/protocol/merchant.ts';
import type { Arrived } from '../../src/protocol/messages.ts';
import { arrivedPayment, type Told, toldBy } from '../support/front.ts';
import { derivedKeyFor, type SimulatedGateway } from './gateway.ts';
import type { Random } from './random.ts';
import { PAYERS } from './rules.ts';
import type { Scheduler } from './scheduler.ts';
import type { Said, Witness } from './witness.ts';

export type MerchantWorld = {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly witness: Witness;
  readonly merchants: readonly Merchant[];
  readonly instances: number;
  /** The process that runs as this instance now, if any. */
  readonly running: (instance: number) => SimulatedGateway | undefined;
  /** How to send once more what was seen on the wire, newest last. */
  readonly captured: (() => void)[];
  readonly serial: Serial;
};

export type Traffic = {
  readonly orders: number;
  /** Most deliveries of one order. */
  readonly deliveriesMax: number;
  readonly amountsFen: readonly number[];
  /** From one delivery of an order to the next. */
  readonly pausesMs: readonly number[];
  /** Chances per delivery: that it is sent twice at once, has another body, is replayed later, or nobody waits for its answer. */
  readonly twice: number;
  readonly otherBody: number;
  readonly replayed: number;
  readonly abandoned: number;
};

/** Codes that say that nothing was decided: the merchant tries again without counting it. */
const UNDECIDED: ReadonlySet<string> = new Set(['REBUILDING', 'STORE_UNAVAILABLE', 'JOURNAL_UNAVAILABLE']);
const UNDECIDED_MAX = 30;

type Order = { readonly merchantNumber: string; readonly orderNo: string; readonly amountFen: number; readonly payer: string };
type Outcome = Said | undefined;
/** How many there were so far. */
export type Serial = { orders: number; requests: number };

/** Sends every order until it is settled or its deliveries are used up; keeps to the advice of the answers. Resolves when all are done. */
export async function runMerchants(world: MerchantWorld, traffic: Traffic): Promise<void> {
  const { random, merchants, serial } = world;
  const orders = Array.from({ length: traffic.orders }, (_, i): Order => {
    const merchant = random.pick(merchants);
    return {
      merchantNumber: merchant.number,
      orderNo: `O${serial.orders + i + 1}`,
      amountFen: random.pick(traffic.amountsFen),
      payer: random.pick(PAYERS),
    };
  });
  serial.orders += traffic.orders;
  await Promise.all(orders.map((order) => runOrder(world, traffic, order)));
}

async function runOrder(world: MerchantWorld, traffic: Traffic, order: Order): Promise<void> {
  const { scheduler, random } = world;
  await scheduler.turn('', undefined, random.between(0, 5_000));
  let generation = 0;
  let key = freshKey(world, order, generation);
  let undecided = 0;
  for (let sent = 0; sent < traffic.deliveriesMax; ) {
    const body = random.chance(traffic.otherBody) ? order.amountFen + 1 : order.amountFen;
    const once = () => deliver(world, traffic, order, key, body);
    const [outcome] = await Promise.all(random.chance(traffic.twice) ? [once(), once()] : [once()]);
    if (outcome?.kind === 'unknown' && UNDECIDED.has(outcome.code) && undecided < UNDECIDED_MAX) undecided += 1;
    else sent += 1;
    if (outcome?.kind === 'succeeded' && random.chance(0.7)) return;
    // A new key only after the old one has a final failure.
    if (outcome?.kind === 'failed' && random.chance(0.6)) {
      generation += 1;
      key = freshKey(world, order, generation);
    }
    await scheduler.turn('', undefined, random.pick(traffic.pausesMs));
  }
}

function freshKey({ witness }: MerchantWorld, { merchantNumber, orderNo }: Order, generation: number): string {
  const key = `${orderNo}-${generation}`;
  witness.registerKey(derivedKeyFor(merchantNumber, key), { name: key, merchantNumber, orderNo, keyHash: keyHashOf(merchantNumber, key) });
  return key;
}

/** One signed request: sent, perhaps captured and sent again by somebody else, perhaps never waited for. */
async function deliver(world: MerchantWorld, traffic: Traffic, order: Order, key: string, amountFen: number): Promise<Outcome> {
  const { scheduler, random, witness, serial } = world;
  serial.requests += 1;
  const number = serial.requests;
  const send = (suffix: string): Promise<Outcome> => {
    const requestId = `r${number}${suffix}`;
    witness.registerRequest(requestId, `${requestId} of ${key}${amountFen === order.amountFen ? '' : ', other body'}`);
    return transmit(
      world,
      random.between(0, world.instances - 1),
      order,
      key,
      arrivedPayment({ ...order, requestId, key, nonce: `n${number}`, amountFen, createdMs }),
    );
  };
  const createdMs = scheduler.nowMs();
  const answer = send('');
  let replays = 0;
  const replay = () => {
    replays += 1;
    void send("'".repeat(replays));
  };
  world.captured.push(replay);
  if (random.chance(traffic.replayed))
    scheduler.later(`somebody replays r${number}`, replay, { delayMs: random.pick([0, 500, 5_000, 60_000, 250_000]) });
  return random.chance(traffic.abandoned) ? undefined : answer;
}

/** To a process and back. Undefined when the process is not there, or dies before it answers. */
async function transmit(world: MerchantWorld, instance: number, order: Order, key: string, arrived: Arrived): Promise<Outcome> {
  const { scheduler, witness } = world;
  await scheduler.turn(`merchant: sends ${witness.requestName(arrived.requestId)} to instance ${instance + 1}`);
  const gateway = world.running(instance);
  if (!gateway) return undefined;
  // A merchant sees a dead process as a reset connection.
  const dead = Promise.withResolvers<undefined>();
  const mourn = () => void scheduler.later('', () => dead.resolve(undefined));
  gateway.life.mourners.add(mourn);
  const sealed = await Promise.race([gateway.handle(arrived), dead.promise]);
  gateway.life.mourners.delete(mourn);
  if (!sealed || !gateway.life.alive) return undefined;
  const told = toldBy(sealed);
  const said = readAnswer(told);
  const name = witness.requestName(arrived.requestId);
  scheduler.note(`${gateway.life.name}: answers ${name}: ${told.status} ${told.code ?? ''} ${said.kind}`);
  witness.said(derivedKeyFor(order.merchantNumber, key), arrived.requestId, said);
  return said;
}

/** What an answer says about the outcome of its key: by our problem documents, else by the core's own answer. */
function readAnswer({ status, means, code, outcome, retry, paymentNo, isProblem }: Told): Said {
  if (!isProblem) {
    if (means === 'SUCCEEDED') return { kind: 'succeeded', paymentNo: paymentNo as string };
    return status === 422 || means === 'FAILED' ? { kind: 'failed' } : { kind: 'unknown', code: 'pending' };
  }
  if (retry === 'new_key') return { kind: 'failed' };
  return outcome === 'not_executed' ? { kind: 'notExecuted' } : { kind: 'unknown', code: code as string };
}
