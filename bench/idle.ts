// How many idle mutual-TLS connections one gateway holds, and what they and slow senders cost a merchant who works.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Orders, Standing } from '../test/support/many-clients.ts';
import { createOrder, GENEROUS, MERCHANT_1, MERCHANT_2, payOrder, type System, startSystem } from '../test/support/system.ts';

/** Of one process of clients; a system gives each at most so many files as `ulimit -n` says. */
const PER_PROCESS = 5_000;
const PAYMENTS = 200;

/** Resident memory of a process in MiB, as Linux tells it. */
const residentMiB = (pid: number): number => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

const tell = async (client: ChildProcess): Promise<Standing> => ((await once(client, 'message')) as [Standing])[0];

/** A whole gateway with a core and SQLite, each in a process of its own, and room for so many connections. */
const startRoomy = (room: number): Promise<System> =>
  startSystem({
    rules: GENEROUS,
    settings: 'answers: { budgetPerSecond: 10000, budgetBurst: 100000 }',
    configure: (folder) => {
      const file = join(folder, 'gateway.yaml');
      const counts = ['connectionsMax', 'connectionsPerAddressMax', 'connectionsPerCertificateMax'].map((key) => `${key}: ${room}`);
      const rates = ['handshakesPerSecond: 10000', 'handshakesBurst: 100000'];
      const times = ['idleTimeoutMs: 600000', 'handshakeTimeoutMs: 5000', 'headersTimeoutMs: 5000'];
      const rows = ['port: 8443', ...counts, ...rates, ...times].join('\n    ');
      writeFileSync(file, readFileSync(file, 'utf8').replace('port: 8443', rows));
    },
  });

/** Payments one after the other, each with a signature, an order, the core and a signed answer. */
async function timesOf(system: System): Promise<string> {
  const merchant = system.merchant(MERCHANT_1);
  const times: number[] = [];
  for (let i = 0; i < PAYMENTS; i += 1) {
    const order = await createOrder(merchant, 1);
    const sentMs = performance.now();
    const { outcome, body } = await payOrder(merchant, order, 1);
    if (outcome !== 'succeeded') throw new Error(`a payment did not succeed: ${body}`);
    times.push(performance.now() - sentMs);
  }
  times.sort((a, b) => a - b);
  const at = (share: number): string => (times[Math.floor(PAYMENTS * share)] as number).toFixed(1);
  return `${PAYMENTS} payments: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(0.999)} ms`;
}

/** Opens the connections from processes of their own, then measures payments of another merchant beside them. */
export async function run({ connections = 0, slow = 0 }: Readonly<Record<string, number>>): Promise<void> {
  const system = await startRoomy(2 * (connections + slow) + 1_000);
  const clients: ChildProcess[] = [];
  try {
    await measure(system, { connections, slow }, clients);
  } finally {
    for (const client of clients) client.disconnect();
    await system.dispose();
  }
}

async function measure(
  system: System,
  { connections, slow }: { connections: number; slow: number },
  clients: ChildProcess[],
): Promise<void> {
  const gateway = system.gateways[0] as System['gateways'][number];
  const { certificatePem: cert, keyPem: key } = system.pki.read(`merchants/${MERCHANT_2}`);
  const ca = system.pki.read('authority').certificatePem;
  const options = { cert, key, ca, host: '127.0.0.1', port: Number(new URL(gateway.url).port), servername: 'localhost' };
  console.log(`alone: ${await timesOf(system)}`);
  const pid = gateway.running().process.pid as number;
  const before = residentMiB(pid);
  const count = Math.ceil(connections / PER_PROCESS);
  const shareOf = (total: number, i: number): number => Math.floor(total / count) + (i < total % count ? 1 : 0);
  for (let i = 0; i < count; i += 1) clients.push(fork(join(import.meta.dirname, '..', 'test', 'support', 'many-clients.ts')));
  const startedMs = performance.now();
  await Promise.all(
    clients.map((one, i) => {
      one.send({ options, idle: shareOf(connections, i), slow: shareOf(slow, i) } satisfies Orders);
      return tell(one);
    }),
  );
  console.log(`opened ${connections} in ${((performance.now() - startedMs) / 1000).toFixed(1)} s; ${slow} slow senders`);
  console.log(`beside them: ${await timesOf(system)}`);
  for (const one of clients) one.send('how many?');
  const standings = await Promise.all(clients.map(tell));
  console.log(`held ${standings.reduce((sum, { held }) => sum + held, 0)} of ${connections}`);
  const after = residentMiB(pid);
  const each = connections > 0 ? `, ${(((after - before) * 1024) / connections).toFixed(0)} KiB for each` : '';
  console.log(`resident memory of the gateway ${before.toFixed(0)} -> ${after.toFixed(0)} MiB${each}`);
}
