import type { Socket } from 'node:net';

const LOOK_EVERY_MS = 1_000;

/**
 * Cuts connections on which bytes of ours have waited for `takeMsMax` without a moment in which all were taken: a peer that reads
 * nothing, or a drop at a time, would hold its connection for ever (Node has no timeout for this). Returns a function that ends it.
 */
export function cutStalled(sockets: { readonly keys: () => Iterable<Socket> }, takeMsMax: number): () => void {
  const waitingSinceMs = new WeakMap<Socket, number>();
  const timer = setInterval(() => {
    const nowMs = performance.now();
    for (const socket of sockets.keys()) {
      const sinceMs = waitingSinceMs.get(socket);
      if (socket.writableLength === 0) waitingSinceMs.delete(socket);
      else if (sinceMs === undefined) waitingSinceMs.set(socket, nowMs);
      else if (nowMs - sinceMs > takeMsMax) socket.destroy();
    }
  }, LOOK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
