// `npm run bench -- NAME [options]`: one door for all measurements. Each says what it measured on what machine.
import { availableParallelism, cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';

/** A measurement: a file of this folder that exports `run`. */
type Bench = {
  readonly name: string;
  readonly description: string;
  /** Options with their defaults, all numbers. */
  readonly options: Readonly<Record<string, { readonly standard: number; readonly description: string }>>;
  readonly load: () => Promise<{ readonly run: (options: Readonly<Record<string, number>>) => Promise<void> }>;
};

const BENCHES: readonly Bench[] = [
  {
    name: 'idle',
    description: 'idle mutual-TLS connections on a whole gateway, clients in processes of their own; memory, and payments beside them',
    options: {
      connections: { standard: 9_500, description: 'idle connections' },
      slow: { standard: 500, description: 'slow senders beside them' },
    },
    load: () => import('./idle.ts'),
  },
  {
    name: 'registry',
    description: 'loading merchants, their bindings and keys from YAML and JSON, and looking one up',
    options: {
      merchants: { standard: 10_000, description: 'merchants, each with one binding and one key; lookups also at 100 and 100000' },
      rules: { standard: 0, description: "rules of each merchant's own" },
    },
    load: () => import('./registry.ts'),
  },
];

function help(): string {
  const rows = BENCHES.flatMap(({ name, description, options }) => [
    `  ${name.padEnd(12)}${description}`,
    ...Object.entries(options).map(
      ([option, { standard, description: what }]) => `      --${option.padEnd(14)}${what} (default ${standard})`,
    ),
  ]);
  return ['Usage: npm run bench -- NAME [options]', '', ...rows].join('\n');
}

const machine = (): string =>
  `machine: ${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB; ${process.platform} ${process.arch}, Node ${process.version}`;

async function main([name, ...rest]: string[]): Promise<number> {
  const bench = BENCHES.find((one) => one.name === name);
  if (!bench || rest.includes('--help')) {
    const asked = name === undefined || name === '--help' || bench !== undefined;
    (asked ? console.log : console.error)(asked ? help() : `there is no bench ${JSON.stringify(name)}\n\n${help()}`);
    return asked ? 0 : 2;
  }
  const options = Object.fromEntries(Object.keys(bench.options).map((option) => [option, { type: 'string' as const }]));
  const { values } = parseArgs({ args: rest, options });
  const numbers = Object.entries(bench.options).map(([option, { standard }]) => [option, Number(values[option] ?? standard)] as const);
  const odd = numbers.find(([, value]) => !Number.isSafeInteger(value) || value < 0);
  if (odd) {
    console.error(`--${odd[0]} is a whole number`);
    return 2;
  }
  console.log(machine());
  await (await bench.load()).run(Object.fromEntries(numbers));
  return 0;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
