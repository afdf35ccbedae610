import { spawnSync } from 'node:child_process';

export type OpensslRan = { readonly status: number | null; readonly output: string };

/** Runs the openssl command of this machine: an oracle that shares no code with us. `output` is both its streams. */
export function openssl(args: readonly string[], environment: NodeJS.ProcessEnv = {}): OpensslRan {
  const { status, stdout, stderr, error } = spawnSync('openssl', args, { encoding: 'utf8', env: { ...process.env, ...environment } });
  if (error) throw error;
  return { status, output: stdout + stderr };
}

/** As openssl, for what has to work. */
export function opensslOk(args: readonly string[], environment: NodeJS.ProcessEnv = {}): string {
  const { status, output } = openssl(args, environment);
  if (status !== 0) throw new Error(`openssl ${args.join(' ')}: status ${status}\n${output}`);
  return output;
}
