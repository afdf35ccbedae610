import { randomUUID } from 'node:crypto';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { sha256 } from '../../src/lib/bytes.ts';
import { defaultAlgorithm, signBytes } from '../../src/protocol/algorithms.ts';
import type { WireRequest } from '../../src/sdk/answer.ts';
import { signAnswer } from '../../src/signature/sign.ts';
import type { Leaf, Pki } from '../support/pki.ts';

/** A request as the test gateway got it; `thumbprint` is that of the certificate it came with. */
export type Got = WireRequest & { readonly thumbprint: string };

/** How the test gateway answers. Everything is as the real one does it, unless a member says otherwise. */
export type Script = {
  readonly status?: number;
  readonly headers?: readonly string[];
  readonly body?: string | Buffer;
  readonly verified?: '?0' | '?1';
  readonly signer?: { readonly keyid: string; readonly leaf: Leaf };
  /** Writes this instead of an answer, then closes; '' only closes. */
  readonly raw?: string;
  /** Leaves out the signature. */
  readonly unsigned?: boolean;
  /** Never answers. */
  readonly silent?: boolean;
};

export type TestGateway = {
  readonly url: string;
  readonly got: readonly Got[];
  /** TLS connections that were made. */
  readonly connections: () => number;
  readonly close: () => Promise<void>;
};

async function sealed(request: Got, script: Script, signing: { keyid: string; leaf: Leaf }) {
  const { status = 200, headers = [], verified = '?1' } = script;
  const body = Buffer.from(script.body ?? '{"ok":true}');
  const own = ['Hufu-Request-Id', randomUUID(), 'Hufu-Certificate', request.thumbprint, 'Hufu-Verified', verified];
  const type = headers.includes('Content-Type') ? [] : ['Content-Type', 'application/json'];
  const plain = [...type, ...own, ...headers];
  const { keyid, leaf } = script.signer ?? signing;
  const algorithm = defaultAlgorithm(leaf.privateKey);
  const signer = { keyid, algorithm, sign: (data: Uint8Array) => signBytes(algorithm, leaf.privateKey, data) };
  const createdAtSeconds = Math.floor(Date.now() / 1000);
  const added = script.unsigned ? [] : await signAnswer({ request, status, headers: plain, body, signer, createdAtSeconds });
  return { status, rawHeaders: [...plain, ...added, 'Content-Length', String(body.length)], body };
}

/** A real TLS server with client certificates that signs its answers as the gateway does. */
export async function startTestGateway(pki: Pki, answer: (request: Got, index: number) => Script): Promise<TestGateway> {
  const server = pki.read('server');
  const signing = { keyid: 'platform-ec', leaf: pki.read('signing/platform-ec') };
  const ca = pki.read('merchants-authority').certificatePem;
  const got: Got[] = [];
  let connections = 0;
  const listener = createServer(
    { cert: server.certificatePem, key: server.keyPem, ca, requestCert: true, rejectUnauthorized: true },
    async (incoming, outgoing) => {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
      const socket = incoming.socket as TLSSocket;
      const thumbprint = sha256(socket.getPeerCertificate().raw).toString('base64url');
      const { method, url, rawHeaders } = incoming;
      const request = { method: method as string, target: url as string, rawHeaders, body: Buffer.concat(chunks), thumbprint };
      got.push(request);
      const script = answer(request, got.length - 1);
      if (script.silent) return;
      if (script.raw !== undefined) return void socket.end(script.raw);
      const { status, rawHeaders: headers, body } = await sealed(request, script, signing);
      outgoing.writeHead(status, headers as string[]).end(body);
    },
  );
  listener.on('secureConnection', () => (connections += 1));
  listener.on('tlsClientError', () => undefined); // strangers are part of the tests
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as AddressInfo;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      listener.close(() => resolve());
      listener.closeAllConnections();
    });
  return { url: `https://localhost:${port}`, got, connections: () => connections, close };
}

/** The body of GET /v1/platform-certificates with these certificates. */
export const platformCertificates = (rows: readonly (readonly [keyid: string, leaf: Leaf])[]): string =>
  JSON.stringify({
    certificates: rows.map(([keyid, leaf]) => ({
      keyid,
      alg: defaultAlgorithm(leaf.privateKey),
      pem: leaf.certificatePem,
      status: 'active',
    })),
  });
