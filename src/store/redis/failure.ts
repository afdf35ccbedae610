import { StoreUnavailable } from '../../ports/store.ts';

/**
 * Replies of Redis that mean "not now" and what the operator should read. Only the code word of a reply is used: the
 * rest may quote arguments, and an argument may be a password.
 */
const REPLIES: Readonly<Record<string, string>> = {
  BUSY: 'it is busy running a script',
  CLUSTERDOWN: 'its cluster is down',
  LOADING: 'it is loading its data',
  MASTERDOWN: 'it is a replica whose master is gone',
  MISCONF: 'it cannot save to its disk and refuses writes',
  MOVED: 'the slot lives on another node',
  NOAUTH: 'it asks for a password',
  NOPERM: 'the user may not run a command that the store needs',
  NOREPLICAS: 'too few replicas follow it',
  OOM: 'its memory is full',
  READONLY: 'it is a read-only replica',
  TRYAGAIN: 'the slot is being moved',
  WRONGPASS: 'it refuses the user name or password',
};

/** The code word in front of an error reply, such as `READONLY`; undefined when the error is not a reply. */
export function findReplyCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== 'ReplyError') return undefined;
  return /^[A-Z]+/.exec(error.message)?.[0];
}

/**
 * What a failed command means for the caller. Everything but an `ERR` or `WRONGTYPE` reply is StoreUnavailable: the
 * connection, a timeout, or a state of the server that passes. The original error is never the `cause`: the client
 * library hangs the command with all its arguments on it.
 */
export function storeFailure(error: unknown): Error {
  if (error instanceof StoreUnavailable) return error;
  const code = findReplyCode(error);
  if (code === undefined)
    return new StoreUnavailable(`redis did not answer: ${error instanceof Error ? transportReason(error) : 'no reason given'}`);
  const meaning = REPLIES[code];
  if (meaning !== undefined) return new StoreUnavailable(`redis answered ${code}: ${meaning}`);
  return new Error(`redis refused a script: ${(error as Error).message.slice(0, 200)}`);
}

/** System errors by their code; the library's own by their fixed text. Neither holds a credential. */
function transportReason(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  return code ?? error.message;
}
