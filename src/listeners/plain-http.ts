import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Express } from 'express';

export type PlainListener = { readonly port: number; readonly close: () => Promise<void> };

/** Plain HTTP beside the listeners for merchants: for operators and for the core, never for the internet. `onFault` is told of errors of the socket. */
export function listenPlain(
  app: Express,
  { address, port, onFault }: { readonly address: string; readonly port: number; readonly onFault: (error: Error) => void },
): Promise<PlainListener> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, app);
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, () => {
      // Without a listener an error of the socket, such as too many open files, would end the whole process.
      server.removeListener('error', reject).on('error', onFault);
      resolve({ port: (server.address() as AddressInfo).port, close });
    });
  });
}
