// `npm run testssl`: testssl.sh (Debian) against both merchant listeners of a real gateway. Fails on any finding above INFO that is not listed below.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts } from '../test/support/process.ts';
import { startSystem } from '../test/support/system.ts';
import { ensureTools, findProgram, type Tool } from './installed.ts';

const TESTSSL: Tool = {
  programs: ['testssl', 'testssl.sh'],
  ask: ['--version'],
  fits: /testssl(\.sh)?\s+3\./,
  wanted: 'testssl.sh 3',
  debian: ['testssl.sh', 'bsdextrautils', 'dnsutils', 'procps'],
  homebrew: ['testssl'],
};

/** Protocols, cipher categories, forward secrecy, server preference, vulnerabilities. */
const CHECKS = ['-p', '-s', '-f', '-P', '-U'];

/** Findings that may stand, by testssl's id, and why. */
const ACCEPTED: Readonly<Record<string, string>> = {
  // What testssl says of trust: our authorities are private.
  cert_trust: 'a private authority: merchants are given its root',
  cert_chain_of_trust: 'a private authority: merchants are given its root',
  cipher_order: "Mozilla's guideline 6.0 leaves the choice among suites that are all good to the client",
  secure_client_renego: 'out of its reach behind mutual TLS; test/listeners/tls-policy.test.ts asks openssl s_client',
  BREACH: 'out of its reach behind mutual TLS; answers are never compressed, which the same file asks too',
  engine_problem: 'about the openssl that testssl itself runs with, not about the gateway',
};

type Finding = { readonly id: string; readonly severity: string; readonly finding: string; readonly cve?: string };

const FINE = new Set(['OK', 'INFO', 'DEBUG']);

/** Room for hundreds of handshakes within seconds, most of which are meant to fail. */
const ROOM = 'handshakesPerSecond: 10000\n    handshakesBurst: 1000000';

async function examine(program: string, port: number, directory: string): Promise<readonly Finding[]> {
  const file = join(directory, `testssl-${port}.json`);
  const where = ['--ip', '127.0.0.1', '--jsonfile', file, `localhost:${port}`];
  const child = spawn(program, ['--quiet', '--color', '0', '--warnings', 'batch', '--nodns', 'none', ...CHECKS, ...where], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  const findings = JSON.parse(readFileSync(file, 'utf8')) as Finding[];
  // A run that saw nothing finds nothing either.
  if (!findings.some(({ id, finding }) => id === 'TLS1_3' && finding.startsWith('offered')))
    throw new Error(`testssl did not reach port ${port} (exit status ${code})\n${said}`);
  return findings;
}

async function main(): Promise<number> {
  ensureTools('npm run testssl', [TESTSSL]);
  const [dedicated] = (await freePorts(1)) as [number];
  const system = await startSystem({
    configure: (folder) => {
      const file = join(folder, 'gateway.yaml');
      const row = `  dedicated:\n    address: 127.0.0.1\n    port: ${dedicated}\n    networks: [127.0.0.0/8]\n    ${ROOM}\n`;
      const text = readFileSync(file, 'utf8').replace('port: 8443', `port: 8443\n    ${ROOM}`);
      writeFileSync(file, text.replace('listeners:\n', `listeners:\n${row}`));
    },
  });
  let failed = 0;
  try {
    const doors = { internet: Number(new URL(system.gateways[0]?.url ?? '').port), dedicated };
    for (const [name, port] of Object.entries(doors)) {
      const startedMs = performance.now();
      const findings = await examine(findProgram(TESTSSL) as string, port, system.directory);
      const above = findings.filter(({ severity }) => !FINE.has(severity));
      for (const { id, severity, finding } of above)
        console.log(`${name}: ${severity} ${id}: ${finding}${ACCEPTED[id] ? ` (accepted: ${ACCEPTED[id]})` : ''}`);
      const open = above.filter(({ id }) => ACCEPTED[id] === undefined);
      failed += open.length;
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
      console.log(`${name}: ${findings.length} findings, ${open.length} above INFO that are not accepted, ${seconds} s`);
    }
  } finally {
    await system.dispose();
  }
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
