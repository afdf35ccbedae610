import { UserError } from '../lib/user-error.ts';

/** Who wants to listen where, for the message. */
export type Listening = { readonly name: string; readonly address: string; readonly port: number; readonly variable: string };

const PROBLEMS: Readonly<Record<string, (where: Listening) => string>> = {
  EADDRINUSE: ({ name, address, port, variable }) =>
    `${name}: port ${port} on ${address} is in use; stop what uses it or choose another with ${variable}=PORT`,
  EACCES: ({ name, port, variable }) => `${name}: this user may not listen on port ${port}; choose one above 1023 with ${variable}=PORT`,
  EADDRNOTAVAIL: ({ name, address }) => `${name}: this machine has no address ${address}; name one of its own in gateway.yaml`,
};

/** Turns what the system says about a port into one line for people. */
export async function tellListenProblems<T>(where: Listening, listen: () => Promise<T>): Promise<T> {
  try {
    return await listen();
  } catch (error) {
    const say = PROBLEMS[(error as NodeJS.ErrnoException).code ?? ''];
    throw say ? new UserError(say(where), { cause: error }) : error;
  }
}
