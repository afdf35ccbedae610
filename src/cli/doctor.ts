import { styleText } from 'node:util';
import { Command } from 'commander';
import { readOpinion } from './doctor/answer.ts';
import type { Finding } from './doctor/finding.ts';
import { connectPort, resolveName, shakeHands, type Target } from './doctor/network.ts';
import { inspectOwnFiles } from './doctor/own-files.ts';
import { EXIT, WrongUse } from './exit.ts';
import { readTextFile } from './merchant-files.ts';

const EXAMPLES = `
Examples:
  hufu doctor --url https://pay.bank.example --certificate our.crt --key our.key --authority bank-root.crt

Looks at our own files, then at name, connection, TLS, the server's certificate, what the gateway says to ours, and the clocks.
It sends one request without a signature, which can change nothing. Answers are not verified here: hufu call does that.
Exit status: 0 nothing wrong, 1 something is, 2 wrong use.`;

type Options = {
  readonly url: string;
  readonly certificate: string;
  readonly key: string;
  readonly authority: string;
  readonly json?: boolean;
};

/** `hufu doctor`: why a merchant cannot connect, in words. */
export function createCommand(): Command {
  return new Command('doctor')
    .description('Explain why a merchant cannot connect.')
    .requiredOption('--url <https://host:port>', 'the gateway')
    .requiredOption('--certificate <file>', 'our certificate, with those above it behind it, PEM')
    .requiredOption('--key <file>', 'its private key, PEM')
    .requiredOption('--authority <file>', "the root of the gateway's own certificate, PEM")
    .option('--json', 'print [{check, state, text}]')
    .addHelpText('after', EXAMPLES)
    .action(run);
}

function readTarget(text: string): Target {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'https:') throw new WrongUse('--url is https://HOST:PORT');
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 443) };
}

/** Step by step; the first that fails ends it, since the next could only repeat it. */
async function examine(target: Target, options: Options): Promise<Finding[]> {
  const { certificate, key } = options;
  const ca = readTextFile(options.authority, 'name the root certificate of the gateway with --authority');
  const findings = inspectOwnFiles(certificate, key, Date.now());
  const isUsable = !findings.some(({ check, state }) => state === 'bad' && (check === 'our certificate' || check === 'our key'));
  const name = await resolveName(target.host);
  findings.push(...name.findings);
  if (!name.next) return findings;
  const port = await connectPort(target);
  findings.push(...port.findings);
  if (!port.next || !isUsable) return findings;
  const identity = { ca, cert: readTextFile(certificate, 'check the path'), key: readTextFile(key, 'check the path') };
  const tls = await shakeHands(target, identity);
  findings.push(...tls.findings);
  if (tls.next) findings.push(...(await readOpinion(tls.next, target, Date.now)));
  return findings;
}

const MARKS = { ok: styleText('green', 'ok  '), note: styleText('yellow', 'note'), bad: styleText('red', 'BAD ') } as const;

async function run(options: Options): Promise<void> {
  const findings = await examine(readTarget(options.url), options);
  const lines = findings.map(({ check, state, text }) => `${MARKS[state]}  ${check.padEnd(16)}${text}`);
  process.stdout.write(options.json ? `${JSON.stringify(findings, null, 2)}\n` : `${lines.join('\n')}\n`);
  if (findings.some(({ state }) => state === 'bad')) process.exitCode = EXIT.refused;
}
