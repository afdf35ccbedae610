import { spawn } from 'node:child_process';
import { createHash, generateKeyPairSync, sign, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { readChildren, readElement, TAG } from '../../src/certificates/der.ts';
import { readPem } from '../../src/certificates/pem.ts';
import type { DistinguishedName } from '../../src/protocol/distinguished-name.ts';
import {
  CLIENT_AUTH,
  extendedKeyUsage,
  extension,
  type HostileCertificate,
  hostilePem,
  name,
  oid,
  sequence,
  tlv,
} from './hostile-certificate.ts';
import type { Leaf } from './pki.ts';

export const OCSP_SIGNING = '1.3.6.1.5.5.7.3.9';

/** A name as hostile certificates take it, with the string types that issuing uses. */
const nameOf = (dn: DistinguishedName): Buffer =>
  name(dn.map((relative) => relative.map(({ oid: type, value }) => [type, value, type === '2.5.4.6' ? 0x13 : 0x0c] as const)));

/** authorityInfoAccess with one OCSP responder. */
export const responderExtension = (url: string): Buffer =>
  extension('1.3.6.1.5.5.7.1.1', sequence(sequence(oid('1.3.6.1.5.5.7.48.1'), tlv(0x86, url))));

export type Signed = {
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly privateKey: Leaf['privateKey'];
  readonly serialNumber: string;
};

/** A certificate of an authority with extensions of the test's choice; by default a client's. */
export function issueBy(authority: Leaf, changes: Partial<HostileCertificate> & { readonly usage?: string } = {}): Signed {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { usage = CLIENT_AUTH, ...rest } = changes;
  const certificatePem = hostilePem({
    issuer: nameOf(authority.name),
    subject: name([['CN', 'responder']]),
    publicKey,
    signer: authority.privateKey,
    extensions: [extendedKeyUsage(usage)],
    ...rest,
  });
  const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { certificatePem, keyPem, privateKey, serialNumber: new X509Certificate(certificatePem).serialNumber };
}

export type OcspResponse = {
  readonly serial: string;
  readonly status?: 'good' | 'revoked' | 'unknown';
  readonly thisUpdateMs?: number;
  /** Default: an hour after thisUpdate; null leaves it out. */
  readonly nextUpdateMs?: number | null;
  readonly producedAtMs?: number;
  /** Whose certificate it speaks of; default: the authority's. */
  readonly about?: Leaf;
  /** Whose key the id names; default: that of `about`. */
  readonly aboutKey?: Leaf;
  readonly signer?: { readonly privateKey: Leaf['privateKey'] };
  readonly certificates?: readonly { readonly certificatePem: string }[];
  readonly digest?: 'sha256' | 'sha1';
  readonly idHash?: 'sha1' | 'sha256';
  /** Object identifier of a critical extension: of the statement. */
  readonly critical?: string;
};

const HASH_OIDS = { sha1: '1.3.14.3.2.26', sha256: '2.16.840.1.101.3.4.2.1' };
const SIGNATURE_OIDS = { sha256: '1.2.840.10045.4.3.2', sha1: '1.2.840.10045.4.1' };
const STATUS = { good: tlv(0x80), revoked: Buffer.alloc(0), unknown: tlv(0x82) };
const der = (pem: string): Uint8Array => readPem(pem, 'a certificate')[0];
const time = (ms: number): Buffer =>
  tlv(
    0x18,
    new Date(ms)
      .toISOString()
      .replace(/\.\d+Z$/, 'Z')
      .replace(/[-:T]/g, ''),
  );

function idOf(named: Leaf, keyed: Leaf, serial: string, hash: 'sha1' | 'sha256'): Buffer {
  const fieldsOf = ({ certificatePem }: Leaf) => {
    const [body] = readChildren(readElement(der(certificatePem), TAG.sequence));
    return readChildren(body as NonNullable<typeof body>);
  };
  const fields = fieldsOf(named);
  const key = readChildren(fieldsOf(keyed)[6] as (typeof fields)[number])[1];
  const digest = (bytes: Uint8Array | undefined): Buffer =>
    createHash(hash)
      .update(bytes ?? '')
      .digest();
  const number = Buffer.from(serial, 'hex');
  const positive = (number[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), number]) : number;
  return sequence(
    sequence(oid(HASH_OIDS[hash]), tlv(0x05)),
    tlv(0x04, digest(fields[5]?.whole)),
    tlv(0x04, digest(key?.content.subarray(1))),
    tlv(0x02, positive),
  );
}

/** An OCSP response of a P-256 authority, DER. Made without the code under test, so that also those can be made that nobody should make. */
export function makeOcsp(authority: Leaf, options: OcspResponse): Buffer {
  const { serial, status = 'good', thisUpdateMs = Date.now(), about = authority, digest = 'sha256', critical } = options;
  const nextUpdateMs = options.nextUpdateMs === undefined ? thisUpdateMs + 3_600_000 : options.nextUpdateMs;
  const statement = sequence(
    idOf(about, options.aboutKey ?? about, serial, options.idHash ?? 'sha1'),
    status === 'revoked' ? tlv(0xa1, time(thisUpdateMs)) : STATUS[status],
    time(thisUpdateMs),
    ...(nextUpdateMs === null ? [] : [tlv(0xa0, time(nextUpdateMs))]),
    ...(critical === undefined ? [] : [tlv(0xa1, sequence(extension(critical, Buffer.alloc(1), true)))]),
  );
  const responder = tlv(0xa2, tlv(0x04, Buffer.alloc(20)));
  const body = sequence(responder, time(options.producedAtMs ?? thisUpdateMs), sequence(statement));
  const signature = sign(digest, body, (options.signer ?? authority).privateKey);
  const chain = options.certificates?.map(({ certificatePem }) => Buffer.from(der(certificatePem)));
  const basic = sequence(
    body,
    sequence(oid(SIGNATURE_OIDS[digest])),
    tlv(0x03, Buffer.from([0]), signature),
    ...(chain ? [tlv(0xa0, sequence(...chain))] : []),
  );
  return sequence(tlv(0x0a, Buffer.from([0])), tlv(0xa0, sequence(oid('1.3.6.1.5.5.7.48.1.1'), tlv(0x04, basic))));
}

/** An answer without anything signed: `3` says "try later". */
export const ocspFailure = (code: number): Buffer => sequence(tlv(0x0a, Buffer.from([code])));

/** An HTTP server on loopback that answers as a test says. */
export async function startHttp(listener: RequestListener): Promise<{ readonly url: string; readonly close: () => Promise<void> }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** `openssl ocsp` behind HTTP on loopback; by itself it would listen on every address of the machine. */
export type Responder = {
  readonly url: string;
  /** What it says of a serial number from now on; those that were never named are unknown to it. */
  readonly say: (serial: string, status: 'good' | 'revoked') => void;
  readonly stop: () => Promise<void>;
};

/** Starts a real responder for an authority; `signer` is a certificate for OCSP signing, by default the authority itself. */
export async function startResponder(authority: Leaf, signer: Signed | Leaf = authority): Promise<Responder> {
  const directory = mkdtempSync(join(tmpdir(), 'hufu-ocsp-'));
  const file = (fileName: string) => join(directory, fileName);
  const said = new Map<string, 'good' | 'revoked'>();
  const write = () => {
    const rows = [...said].map(([serial, status]) =>
      [status === 'good' ? 'V' : 'R', '400101000000Z', status === 'good' ? '' : '260101000000Z', serial, 'unknown', `/CN=${serial}`].join(
        '\t',
      ),
    );
    writeFileSync(file('index.new'), `${rows.join('\n')}\n`);
    renameSync(file('index.new'), file('index'));
  };
  writeFileSync(file('index'), '');
  writeFileSync(file('signer.crt'), signer.certificatePem);
  writeFileSync(file('signer.key'), signer.keyPem, { mode: 0o600 });
  const options = ['-index', file('index'), '-CA', authority.certificate, '-rsigner', file('signer.crt'), '-rkey', file('signer.key')];
  let questions = 0;
  const answer = async (request: Buffer): Promise<Buffer> => {
    const name = file(`question-${++questions}`);
    writeFileSync(name, request);
    const [code] = await once(spawn('openssl', ['ocsp', '-reqin', name, ...options, '-rmd', 'sha256', '-respout', `${name}.der`]), 'close');
    if (code !== 0) throw new Error(`openssl ocsp ended with ${code}`);
    return readFileSync(`${name}.der`);
  };
  const { url, close } = await startHttp((request, response) => {
    buffer(request)
      .then(answer)
      .then((der) => response.writeHead(200, { 'content-type': 'application/ocsp-response' }).end(der))
      .catch(() => response.destroy());
  });
  return {
    url,
    say: (serial, status) => {
      said.set(serial, status);
      write();
    },
    stop: async () => {
      await close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
