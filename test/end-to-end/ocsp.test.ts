import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { extendedKeyUsage, extension, name, sequence, tlv } from '../support/hostile-certificate.ts';
import { issueBy, OCSP_SIGNING, type Responder, responderExtension, startResponder } from '../support/ocsp.ts';
import { openssl } from '../support/openssl.ts';
import type { Leaf, Pki } from '../support/pki.ts';
import { freePorts } from '../support/process.ts';
import { connectRaw } from '../support/raw-client.ts';
import { type Gateway, MERCHANT_1, MERCHANT_2, type System, startSystem } from '../support/system.ts';

const serialOf = ({ certificatePem }: Leaf): string => new X509Certificate(certificatePem).serialNumber;
/** Answers count for a second, and a gateway that got none asks again after five. */
const WITHIN_MS = 15_000;

describe('a gateway that asks `openssl ocsp` about its merchants', { timeout: 120_000 }, () => {
  let responder: Responder;
  let serversResponder: Responder;
  let balancer: Leaf;
  let balanced = 0;
  let system: System;
  let gateway: Gateway;
  let leaf: Leaf;
  let other: Leaf;

  before(async () => {
    system = await startSystem({ configure });
    gateway = system.gateways[0] as Gateway;
    [leaf, other] = [MERCHANT_1, MERCHANT_2].map((number) => system.pki.read(`merchants/${number}`)) as [Leaf, Leaf];
  });
  after(async () => {
    await system?.dispose();
    await responder?.stop();
    await serversResponder?.stop();
  });

  async function configure(folder: string, pki: Pki): Promise<void> {
    const authority = pki.read('merchants-authority');
    responder = await startResponder(authority, issueBy(authority, { usage: OCSP_SIGNING }));
    responder.say(serialOf(pki.read(`merchants/${MERCHANT_2}`)), 'good');
    const file = join(folder, 'gateway.yaml');
    await nameServersResponder(pki);
    const ocsp = `ocsp: { mode: strict, url: '${responder.url}/' }`;
    balancer = await pki.issueMerchant({ authority: 'server-authority', subject: 'CN=lb-1,O=Bank' });
    serversResponder.say(serialOf(balancer), 'good');
    const ofServers = `ocsp: { mode: strict, url: '${serversResponder.url}/' }`;
    const authorities = `authorities:
  - { name: merchants, certificates: [merchants-authority.crt], ${ocsp} }
  - { name: infrastructure, certificates: [server-authority.crt], ${ofServers} }\n`;
    for (const number of [MERCHANT_1, MERCHANT_2]) {
      const merchant = join(folder, 'merchants', `${number}.yaml`);
      writeFileSync(merchant, readFileSync(merchant, 'utf8').replace('names:\n  - ', 'names:\n  - authority: merchants\n    '));
    }
    [balanced = 0] = await freePorts(1);
    const pins = 'balancerAuthorities: [infrastructure], balancers: [{ subject: "CN=lb-1,O=Bank" }]';
    const listener = readFileSync(file, 'utf8')
      .replace('listeners:\n', `listeners:\n  balancer: { address: 127.0.0.1, port: ${balanced}, ${pins} }\n`)
      .replace('port: 8443', 'port: 8443\n    certificate: stapled.crt\n    key: stapled.key');
    writeFileSync(file, `${listener}\n${authorities}revocation: { ocspSecondsMax: 1 }\n`);
  }
  /** A server certificate that says where its authority answers. */
  async function nameServersResponder(pki: Pki): Promise<void> {
    const authority = pki.read('server-authority');
    serversResponder = await startResponder(authority);
    const hosts = extension('2.5.29.17', sequence(tlv(0x82, 'localhost')));
    const extensions = [extendedKeyUsage('1.3.6.1.5.5.7.3.1'), hosts, responderExtension(`${serversResponder.url}/server`)];
    const made = issueBy(authority, { subject: name([['CN', 'localhost']]), extensions });
    serversResponder.say(made.serialNumber, 'good');
    writeFileSync(join(pki.directory, 'stapled.crt'), made.certificatePem + authority.certificatePem);
    writeFileSync(join(pki.directory, 'stapled.key'), made.keyPem, { mode: 0o600 });
  }
  const codeOf = async (identity: Leaf) => {
    const client = await connectRaw(system.pki, gateway.url, identity);
    const { status, problem } = await client.ask();
    client.close();
    return [status, problem.code];
  };
  const metrics = async () => (await fetch(`${gateway.statusUrl}/metrics`)).text();

  const statusShown = (version: string): string => {
    const { port } = new URL(gateway.url);
    const trust = ['-CAfile', system.pki.read('authority').certificate, '-servername', 'localhost'];
    const identity = ['-cert', other.certificate, '-cert_chain', other.certificate, '-key', other.key];
    return openssl(['s_client', '-connect', `127.0.0.1:${port}`, '-status', version, ...trust, ...identity]).output;
  };

  test('a balancer is asked about too: revoked, its open connection is closed and it gets no other', async () => {
    const url = `https://localhost:${balanced}`;
    const client = await connectRaw(system.pki, url, balancer);
    await eventually(async () => assert.match(await metrics(), /hufu_connections\{listener="balancer"\} 1/));
    serversResponder.say(serialOf(balancer), 'revoked');
    await client.closed;
    const again = await connectRaw(system.pki, url, balancer);
    await again.closed;
    assert.match(await metrics(), /hufu_refused_connections_total\{listener="balancer",reason="certificate"\} 1/);
  });

  test('the own certificate names a responder: what it said is stapled, to TLS 1.2 and 1.3, and outlives it', async () => {
    for (const version of ['-tls1_2', '-tls1_3'])
      await eventually(() => assert.match(statusShown(version), /OCSP Response Status: successful[\s\S]*Cert Status: good/), WITHIN_MS);
    await serversResponder.stop();
    assert.match(statusShown('-tls1_3'), /Cert Status: good/, 'nobody is asked in a handshake');
  });

  test('a certificate that the responder does not know is not accepted; once it does, it is', async () => {
    assert.deepEqual(await codeOf(leaf), [503, 'REVOCATION_UNKNOWN']);
    assert.deepEqual(await codeOf(other), [401, 'SIGNATURE_MISSING'], 'an identity that is accepted');
    responder.say(serialOf(leaf), 'good');
    await eventually(async () => assert.deepEqual(await codeOf(leaf), [401, 'SIGNATURE_MISSING']), WITHIN_MS);
  });

  test('revoked while its connections are open: refused on the next request after the cache ended, idle ones closed, others not', async () => {
    const bystander = await connectRaw(system.pki, gateway.url, other);
    const busy = await connectRaw(system.pki, gateway.url, leaf);
    const idle = await connectRaw(system.pki, gateway.url, leaf);
    assert.equal((await busy.ask()).problem.code, 'SIGNATURE_MISSING');
    responder.say(serialOf(leaf), 'revoked');
    await Promise.all([busy.closed, idle.closed]);
    assert.deepEqual(await codeOf(leaf), [403, 'CERTIFICATE_REVOKED']);
    const resumed = await connectRaw(system.pki, gateway.url, leaf, busy.session());
    assert.deepEqual([resumed.isResumed, (await resumed.ask()).problem.code], [true, 'CERTIFICATE_REVOKED']);
    resumed.close();
    assert.equal((await bystander.ask()).problem.code, 'SIGNATURE_MISSING');
    bystander.close();
    assert.match(await metrics(), /hufu_ocsp_answers_total\{authority="merchants",result="revoked"\} [1-9]/);
  });

  test('a responder that is gone: strict refuses with an alarm and when to come again, what was revoked stays so, no connection is closed', async () => {
    const held = await connectRaw(system.pki, gateway.url, other);
    assert.equal((await held.ask()).problem.code, 'SIGNATURE_MISSING');
    await responder.stop();
    await eventually(async () => assert.equal((await held.ask()).problem.code, 'REVOCATION_UNKNOWN'), WITHIN_MS);
    assert.equal(held.isClosed(), false);
    held.close();
    assert.deepEqual(await codeOf(leaf), [403, 'CERTIFICATE_REVOKED']);
    assert.match(gateway.running().stderr(), /OCSP of authority merchants \(strict\): the responder could not be asked/);
    assert.match(await metrics(), /hufu_ocsp_answers_total\{authority="merchants",result="failed"\} [1-9]/);
  });
});
