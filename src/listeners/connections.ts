import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export type Connections = {
  readonly sockets: ReadonlySet<Socket>;
  /** A connection that may send requests; forgotten when it closes. */
  readonly add: (socket: Socket) => void;
  /** A request has begun on one of them; it is under way until its answer is out or its sender has left. */
  readonly begin: (request: IncomingMessage, response: ServerResponse) => void;
  /** Closes the connections on which nothing is under way; what they have sent of a next request was not accepted yet. */
  readonly closeUnused: () => void;
};

/** The open connections of a listener. `onCount` is told how many whenever that changes. */
export function createConnections(onCount: (count: number) => void): Connections {
  const sockets = new Set<Socket>();
  const underWay = new WeakMap<Socket, number>();
  const count = (socket: Socket, change: number) => underWay.set(socket, (underWay.get(socket) ?? 0) + change);
  return {
    sockets,
    add: (socket) => {
      sockets.add(socket);
      onCount(sockets.size);
      socket.once('close', () => {
        sockets.delete(socket);
        onCount(sockets.size);
      });
    },
    begin: ({ socket }, response) => {
      count(socket, 1);
      response.once('close', () => count(socket, -1));
    },
    closeUnused: () => {
      // One that is ended already still writes its last answer.
      for (const socket of sockets) if ((underWay.get(socket) ?? 0) === 0 && !socket.writableEnded) socket.destroySoon();
    },
  };
}
