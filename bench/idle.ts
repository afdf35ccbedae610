// How many idle mutual-TLS connections one gateway holds, and what they and slow senders cost a merchant who works.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ask, type clientOf, handshake } from '../test/listeners/door.ts';
import type { Orders, Standing } from '../test/support/many-clients.ts';

type Ready = { readonly port: number; readonly client: ReturnType<typeof clientOf> };

/** Of one process of clients; a system gives each at most so many files as `ulimit -n` says. */
const PER_PROCESS = 5_000;
const ASKED = 500;

/** Resident memory of a process in MiB, as Linux tells it. */
const residentMiB = (pid: number): number => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

const tell = async (client: ChildProcess): Promise<Standing> => ((await once(client, 'message')) as [Standing])[0];

async function timesOf(port: number, client: Ready['client']): Promise<string> {
  const worker = await handshake({ ...client, port });
  const times: number[] = [];
  for (let i = 0; i < ASKED; i += 1) {
    const sentMs = performance.now();
    await ask(worker);
    times.push(performance.now() - sentMs);
  }
  worker.destroy();
  times.sort((a, b) => a - b);
  const at = (share: number): string => (times[Math.floor(ASKED * share)] as number).toFixed(2);
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(0.999)} ms`;
}

/** Opens the connections from processes of their own, then measures answers on one more connection. */
export async function run({ connections = 0, slow = 0 }: Readonly<Record<string, number>>): Promise<void> {
  const door = fork(join(import.meta.dirname, 'idle-door.ts'), [String(connections + slow)]);
  const [{ port, client }] = (await once(door, 'message')) as [Ready];
  const pid = door.pid as number;
  const before = residentMiB(pid);
  console.log(`alone: ${await timesOf(port, client)}`);
  const count = Math.ceil(connections / PER_PROCESS);
  const shareOf = (total: number, i: number): number => Math.floor(total / count) + (i < total % count ? 1 : 0);
  const startedMs = performance.now();
  const clients = Array.from({ length: count }, () => fork(join(import.meta.dirname, '..', 'test', 'support', 'many-clients.ts')));
  const options = { ...client, port };
  await Promise.all(
    clients.map((one, i) => {
      one.send({ options, idle: shareOf(connections, i), slow: shareOf(slow, i) } satisfies Orders);
      return tell(one);
    }),
  );
  console.log(`opened ${connections} in ${((performance.now() - startedMs) / 1000).toFixed(1)} s; ${slow} slow senders`);
  console.log(`beside them: ${await timesOf(port, client)}`);
  for (const one of clients) one.send('how many?');
  const standings = await Promise.all(clients.map(tell));
  console.log(`held ${standings.reduce((sum, { held }) => sum + held, 0)} of ${connections}`);
  console.log(`resident ${before.toFixed(0)} -> ${residentMiB(pid).toFixed(0)} MiB`);
  for (const child of [...clients, door]) child.disconnect();
}
