import { randomInt } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Answer } from '../../src/sdk/answer.ts';
import { eventually } from '../../test/support/eventually.ts';
import type { TestRedis } from '../../test/support/redis.ts';
import { freshOrderNo, MERCHANT_2, orderBody, payOrder, type System } from '../../test/support/system.ts';

/** One fault, from its beginning to the moment from which everything is there again. Returns how long the system then took to serve money, ms. */
export type Fault = { readonly name: string; readonly strike: (system: System, redis: TestRedis | undefined) => Promise<number> };

const SERVED_MS = 120_000;

/** From now until every gateway has served a payment of its own. */
async function recovered(system: System): Promise<number> {
  const startedMs = performance.now();
  await Promise.all(system.gateways.map((_, gateway) => served(system, gateway)));
  return performance.now() - startedMs;
}

async function served(system: System, gateway: number): Promise<void> {
  const client = system.merchant(MERCHANT_2, { gateway });
  const orderNo = freshOrderNo();
  const until = (call: () => Promise<Answer>) =>
    eventually(async () => {
      const answer = await call();
      if (answer.outcome !== 'succeeded')
        throw new Error(`gateway ${gateway + 1} does not serve: ${answer.status} ${answer.code} ${answer.why}`);
    }, SERVED_MS);
  const order = orderBody(orderNo, 1);
  await until(() => client.call({ method: 'POST', path: '/v1/orders', idempotencyKey: `order-${orderNo}`, body: order }));
  await until(() => payOrder(client, orderNo, 1));
  client.close();
}

const pick = <T>(list: readonly T[]): T => list[randomInt(list.length)] as T;

/** One gateway of two, or now and then both at once. */
async function killGateways(system: System): Promise<number> {
  const dying = randomInt(4) === 0 ? system.gateways : [pick(system.gateways)];
  await Promise.all(dying.map((gateway) => gateway.kill('SIGKILL')));
  const startedMs = performance.now();
  await Promise.all(dying.map((gateway) => gateway.start()));
  await recovered(system);
  return performance.now() - startedMs;
}

async function restartRedis(system: System, redis: TestRedis): Promise<number> {
  await redis.kill();
  await wait(randomInt(200));
  await redis.start();
  return recovered(system);
}

async function flush(system: System, redis: TestRedis): Promise<number> {
  await redis.client.call('FLUSHALL');
  return recovered(system);
}

const PAUSE_MS = 2_000;

async function pauseClients(system: System, redis: TestRedis): Promise<number> {
  await redis.client.call('CLIENT', 'PAUSE', String(PAUSE_MS), 'ALL');
  await wait(PAUSE_MS);
  return recovered(system);
}

async function hang(system: System, redis: TestRedis): Promise<number> {
  redis.pause();
  await wait(500 + randomInt(1_500));
  redis.resume();
  return recovered(system);
}

const ofRedis = (name: string, strike: (system: System, redis: TestRedis) => Promise<number>): Fault => ({
  name,
  strike: (system, redis) => strike(system, redis as TestRedis),
});

export const KILLS: readonly Fault[] = [{ name: 'kill -9 of gateways', strike: killGateways }];

export const REDIS_FAULTS: readonly Fault[] = [
  ofRedis('Redis killed, back empty', restartRedis),
  ofRedis('FLUSHALL', flush),
  ofRedis('CLIENT PAUSE 2 s', pauseClients),
  ofRedis('Redis hangs', hang),
];
