import { once } from 'node:events';
import { createServer, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { ReceivedAnswer, WireRequest } from '../../src/sdk/answer.ts';
import type { Pki } from './pki.ts';

/** Brings a request to the gateway, byte by byte as it came, over a connection with a merchant's certificate, and gives the answer. */
export type Deliver = (request: WireRequest, merchant?: string) => Promise<ReceivedAnswer>;

/** What the middlebox gives the client: an answer, a cut connection, or nothing for as long as the client waits. */
export type Handed = ReceivedAnswer | 'cut' | 'silence';

/** What a middlebox does with one request. */
export type Deed = (request: WireRequest, deliver: Deliver) => Promise<Handed>;

export type Middlebox = { readonly url: string; readonly close: () => Promise<void> };

async function readAll(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/**
 * Somebody in the middle who ends TLS on both sides, as a company's inspecting proxy does: it has a server certificate that the client
 * trusts, and the merchant's key for the gateway. It cannot sign; everything else it may do.
 */
export async function startMiddlebox(pki: Pki, upstream: string, merchant: string, deed: Deed): Promise<Middlebox> {
  const { port, hostname } = new URL(upstream);
  const deliver: Deliver = async ({ method, target, rawHeaders, body }, number = merchant) => {
    const { certificatePem: cert, keyPem: key } = pki.read(`merchants/${number}`);
    const headers = rawHeaders as string[];
    const outgoing = httpsRequest({
      ...{ host: hostname, port, method, path: target, headers, cert, key, agent: false },
      ca: pki.read('authority').certificatePem,
    });
    outgoing.end(body);
    const [incoming] = (await once(outgoing, 'response')) as [import('node:http').IncomingMessage];
    return { status: incoming.statusCode as number, rawHeaders: incoming.rawHeaders, body: await readAll(incoming) };
  };
  const own = pki.read('server');
  const server = createServer({ cert: own.certificatePem, key: own.keyPem, requestCert: true, rejectUnauthorized: false });
  server.on('request', async (incoming, outgoing) => {
    const body = await readAll(incoming);
    const request = { method: incoming.method as string, target: incoming.url as string, rawHeaders: incoming.rawHeaders, body };
    const handed = await deed(request, deliver);
    if (handed === 'cut') incoming.socket.destroy();
    if (typeof handed === 'string') return;
    outgoing.sendDate = false;
    outgoing.writeHead(handed.status, withLength(handed) as string[]).end(handed.body);
  });
  server.on('tlsClientError', () => undefined); // clients that give up
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** The headers of an answer that fit the connection and the body it is now sent with. */
function withLength({ rawHeaders, body }: ReceivedAnswer): string[] {
  const kept = rawHeaders.filter((_, i) => !/^(connection|keep-alive|content-length)$/i.test(rawHeaders[i - (i % 2)] as string));
  return [...kept, 'Content-Length', String(body.length)];
}

/** The headers with every value of one name replaced, or without them. */
export function withHeader(rawHeaders: readonly string[], name: string, value?: string): string[] {
  const kept = rawHeaders.filter((_, i) => (rawHeaders[i - (i % 2)] as string).toLowerCase() !== name);
  return value === undefined ? kept : [...kept, name, value];
}
