import type { Profile } from '../config/schema.ts';
import { UserError } from '../lib/user-error.ts';
import { WrongUse } from './exit.ts';

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

/** Who wanted to listen where, for the message. */
export type Listening = { readonly name: string; readonly address: string; readonly port: number; readonly variable: string };

const LISTEN_ERRORS: Readonly<Record<string, (where: Listening) => string>> = {
  EADDRINUSE: ({ name, address, port, variable }) =>
    `${name}: port ${port} on ${address} is in use; stop what uses it or choose another with ${variable}=PORT`,
  EACCES: ({ name, port, variable }) => `${name}: this user may not listen on port ${port}; choose one above 1023 with ${variable}=PORT`,
  EADDRNOTAVAIL: ({ name, address }) => `${name}: this machine has no address ${address}`,
};

/** Turns what the system says about a port into one line for people. */
export async function wrapListenErrors<T>(where: Listening, start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    const say = LISTEN_ERRORS[(error as NodeJS.ErrnoException).code ?? ''];
    throw say ? new UserError(say(where), { cause: error }) : error;
  }
}

/** Resolves on Ctrl-C, SIGTERM, or when the parent that started us with a message channel is gone. A second signal ends the process at once. */
export function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    let stopping = false;
    const stop = () => {
      if (stopping) process.exit(1);
      stopping = true;
      // Listening for 'disconnect' keeps the channel open, and with it us and the parent that waits for our end.
      process.off('disconnect', stop);
      resolve();
    };
    process.on('SIGINT', stop).on('SIGTERM', stop);
    process.on('disconnect', stop);
  });
}
