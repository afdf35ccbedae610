import type { Socket } from 'node:net';

/** What a parser makes of the beginning of a connection: it needs more, is done after so many bytes, or they are not what they must be. */
export type Reading<Value> =
  | { readonly kind: 'more' }
  | { readonly kind: 'invalid' }
  | { readonly kind: 'done'; readonly bytes: number; readonly value: Value };

/** Tells the end of reading the first bytes. */
export type OnRead<Value> = (result: Exclude<Reading<Value>, { readonly kind: 'more' }>) => void;

/**
 * Reads the first bytes of a socket with a parser, once. Afterwards the socket is paused, and what the parser did not take is put
 * back, so that the next reader finds it. `onRead` is called at most once; never, when the socket ends before: its `close` tells.
 */
export function readFirstBytes<Value>(socket: Socket, parse: (bytes: Buffer) => Reading<Value>, onRead: OnRead<Value>): void {
  let bytes: Buffer = Buffer.alloc(0);
  const onData = (chunk: Buffer): void => {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    const reading = parse(bytes);
    if (reading.kind === 'more') return;
    socket.off('data', onData);
    socket.pause();
    const rest = reading.kind === 'done' ? bytes.subarray(reading.bytes) : Buffer.alloc(0);
    if (rest.length > 0) socket.unshift(rest);
    onRead(reading);
  };
  socket.on('data', onData);
  socket.resume();
}
