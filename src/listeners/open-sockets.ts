import type { ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Peer } from '../protocol/messages.ts';

type Open = {
  readonly peer: Peer;
  /** As last looked at. One that came when it was not served is left alone: it is told why by signed refusals. */
  served: boolean;
  ending: boolean;
  answering: number;
};

/** The merchants' open connections of one listener. */
export type OpenSockets = {
  /** As they are now. */
  readonly all: ReadonlyMap<TLSSocket, unknown>;
  readonly peerOf: (socket: TLSSocket) => Peer | undefined;
  /** Takes up a connection until it closes. */
  readonly add: (socket: TLSSocket, peer: Peer) => void;
  /** Notes that a request has come on a connection, until its answer is written or given up. */
  readonly begin: (socket: TLSSocket, response: ServerResponse) => void;
  /** Whether the connection ends after the answer that is under way. */
  readonly isEnding: (socket: TLSSocket) => boolean;
  /** Closes the connections whose certificate is no longer served: idle ones at once, others after their answer. Returns how many. */
  readonly closeUnserved: () => number;
  /** As closeUnserved, for the connections of peers that are not trusted, whether they are served or not. */
  readonly closeUntrusted: (isTrusted: (peer: Peer) => boolean) => number;
  /** Closes the connections on which no request is under way; what they have sent of a next one was not accepted yet. */
  readonly closeUnused: () => void;
};

/** @param isServed whether any merchant may be served on a connection of this peer as things stand */
export function createOpenSockets(isServed: (peer: Peer) => boolean, onCount: (count: number) => void): OpenSockets {
  const sockets = new Map<TLSSocket, Open>();
  const closeAll = (isOver: (open: Open) => boolean): number => {
    let closed = 0;
    for (const [socket, open] of sockets) {
      if (!isOver(open)) continue;
      open.served = false;
      open.ending = true;
      closed += 1;
      if (open.answering === 0) socket.destroy();
    }
    return closed;
  };
  return {
    all: sockets,
    peerOf: (socket) => sockets.get(socket)?.peer,
    add: (socket, peer) => {
      sockets.set(socket, { peer, served: isServed(peer), ending: false, answering: 0 });
      onCount(sockets.size);
      socket.on('close', () => {
        sockets.delete(socket);
        onCount(sockets.size);
      });
    },
    begin: (socket, response) => {
      const open = sockets.get(socket);
      if (!open) return;
      open.answering += 1;
      response.on('close', () => {
        open.answering -= 1;
        if (open.ending && open.answering === 0) socket.destroySoon();
      });
    },
    isEnding: (socket) => sockets.get(socket)?.ending ?? false,
    closeUnserved: () => closeAll((open) => open.served && !isServed(open.peer)),
    closeUntrusted: (isTrusted) => closeAll((open) => !open.ending && !isTrusted(open.peer)),
    closeUnused: () => {
      // One that is ended already still writes its last answer.
      for (const [socket, { answering }] of sockets) if (answering === 0 && !socket.writableEnded) socket.destroySoon();
    },
  };
}
