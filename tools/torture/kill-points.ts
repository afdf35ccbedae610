import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';

const PROJECT = resolve(import.meta.dirname, '..', '..');

export type PointsResult = { readonly points: number; readonly failed: number; readonly output: string };

/** Every kill point of the settlement tests once, on both stores, in a process of its own. */
export async function runKillPoints(): Promise<PointsResult> {
  const args = ['--test', '--test-reporter=tap', 'test/settlement/kill-points.test.ts'];
  const child = spawn(process.execPath, args, { cwd: PROJECT, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  const figure = (name: string) => Number(new RegExp(`^# ${name} (\\d+)$`, 'm').exec(output)?.[1] ?? 0);
  return { points: figure('pass'), failed: figure('fail') + (code === 0 ? 0 : 1), output: code === 0 ? '' : output };
}
