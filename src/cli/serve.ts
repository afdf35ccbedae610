import type { Profile } from '../config/schema.ts';
import { EXIT, WrongUse } from './exit.ts';

/** Reads a TCP port from an option or variable. Throws WrongUse that names where it came from. */
export function readPort(text: string, source: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535)
    throw new WrongUse(`${source}: expected a port 0 to 65535, found ${JSON.stringify(text.slice(0, 20))}`);
  return port;
}

/** Reads the profile of a command that serves. Throws WrongUse. */
export function readProfile(text: string): Profile {
  if (text !== 'development' && text !== 'production')
    throw new WrongUse(`--profile: expected development or production, found ${JSON.stringify(text.slice(0, 40))}`);
  return text;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** For so long after the first signal others are the same wish, ms: the terminal, npm and bin/hufu.js each deliver one Ctrl-C. */
const SAME_WISH_MS = 1_000;

/**
 * Runs a command that serves. `asked` resolves on Ctrl-C, SIGTERM, a closed terminal, or when the parent that started us with a
 * message channel is gone, also if that happens while the command still starts. A later signal ends the process at once.
 * With `onHangup` a SIGHUP, as from a closed terminal, calls that and ends nothing.
 */
export async function serve(work: (asked: Promise<void>) => Promise<void>, onHangup?: () => void): Promise<void> {
  ignoreLostReaders();
  const asked = Promise.withResolvers<void>();
  let askedAtMs: number | undefined;
  const onSignal = () => {
    const nowMs = performance.now();
    if (askedAtMs !== undefined && nowMs - askedAtMs > SAME_WISH_MS) process.exit(EXIT.refused);
    askedAtMs ??= nowMs;
    asked.resolve();
  };
  for (const signal of SIGNALS) process.on(signal, signal === 'SIGHUP' && onHangup ? onHangup : onSignal);
  process.on('disconnect', asked.resolve);
  if (process.connected === false) asked.resolve();
  try {
    await work(asked.promise);
  } finally {
    // Listening for 'disconnect' keeps the channel open, and with it us and the parent that waits for our end.
    process.off('disconnect', asked.resolve);
    if (process.connected) process.disconnect?.();
  }
}

/** A terminal that was closed or a log collector that restarts is no reason to end, least of all without closing the journal. */
function ignoreLostReaders(): void {
  for (const stream of [process.stdout, process.stderr]) stream.removeAllListeners('error').on('error', () => undefined);
}
