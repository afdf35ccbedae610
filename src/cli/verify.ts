import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { styleText } from 'node:util';
import { Command } from 'commander';
import { printable } from '../lib/table.ts';
import type { AlgorithmName } from '../protocol/algorithms.ts';
import { describeBase } from '../protocol/mistakes/describe-base.ts';
import type { OtherKey } from '../protocol/mistakes/suspect.ts';
import type { WireRequest } from '../sdk/answer.ts';
import { type Explanation, explainAnswer, explainRequest } from '../sdk/explain.ts';
import { readPlatformKeys } from '../sdk/platform-list.ts';
import { readPinnedKeys, type TrustedKey, thumbprintOf } from '../sdk/trust.ts';
import { EXIT, WrongUse } from './exit.ts';
import { explainScheme, isOtherScheme } from './explain-scheme.ts';
import { findCertificatesDirectory, readTextFile, readTrust } from './merchant-files.ts';
import { readAnswerFiles, readRequestFiles } from './message-files.ts';
import { readSigningOptions, withReadableKeys } from './request-options.ts';

type VerifyOptions = {
  readonly method?: string;
  readonly url?: string;
  readonly headers: string;
  readonly body?: string;
  readonly answerStatus?: string;
  readonly answerHeaders?: string;
  readonly answerBody?: string;
  readonly certificate?: string;
  readonly merchant?: string;
  readonly algorithm?: string;
  readonly otherKeys?: readonly string[];
  readonly hosts?: readonly string[];
  readonly platformCertificates?: string;
  readonly certs?: string;
  readonly at?: string;
  readonly explain?: boolean;
  readonly json?: boolean;
};

const EXAMPLES = `
Examples:
  hufu verify --explain --headers request.txt --body order.json --merchant 800000000000001
  hufu verify --explain --method POST --url https://localhost:8443/v1/orders --headers request.txt --body order.json --certificate my.crt
  hufu verify --explain --headers request.txt --body order.json --merchant 800000000000001 --answer-headers answer.txt --answer-body answer.json

Header files hold "Name: value" lines as \`curl -D\` writes them; they may begin with the request or status line.
An answer is verified against the request it belongs to, so both are needed. Works offline; --at judges as of a time gone by.
Exit status: 0 everything verifies, 1 something is wrong, 2 wrong use.`;

export function createCommand(): Command {
  return new Command('verify')
    .description('Verify a signed request, or the answer to it; with --explain show the exact signature base and what is wrong.')
    .requiredOption('--headers <file>', 'headers of the request')
    .option('--method <method>', 'method of the request, unless the headers begin with it')
    .option('--url <address>', 'full address of the request, unless the headers begin with the path and hold Host')
    .option('--body <file>', 'body of the request')
    .option('--answer-headers <file>', 'headers of the answer: verify the answer instead')
    .option('--answer-status <status>', 'status of the answer, unless its headers begin with it')
    .option('--answer-body <file>', 'body of the answer')
    .option('--merchant <number>', 'the merchant: CERTS/merchants/NUMBER.crt')
    .option('--certificate <file>', "the merchant's certificate, or the public key that verifies the request")
    .option('--algorithm <name>', 'algorithm of that key, when it is not the default')
    .option('--other-keys <files...>', 'further certificates or public keys of the merchant: tells when one of them signed instead')
    .option('--hosts <names...>', 'names of the gateway: tells when one of them was signed instead of the Host that was sent')
    .option('--platform-certificates <file>', 'a body of GET /v1/platform-certificates: more keys for answers')
    .option('--certs <directory>', 'certificates (default: HUFU_CERTS, else ./certs)')
    .option('--at <time>', 'judge as of this time, RFC 3339 (default: now)')
    .option('--explain', 'show the signature base, each component and the digest')
    .option('--json', 'print JSON')
    .addHelpText('after', EXAMPLES)
    .action(run);
}

function readCertificateOption(options: VerifyOptions, directory: string): string | undefined {
  const { certificate, merchant } = options;
  const file = certificate ?? (merchant === undefined ? undefined : join(directory, 'merchants', `${merchant}.crt`));
  return file === undefined ? undefined : readTextFile(file, 'name it with --certificate, or its folder with --certs');
}

/** The key that verifies the request, under whatever keyid the request names: its record is the caller's word. */
function readRequestKey(pem: string, algorithm: AlgorithmName | undefined): TrustedKey | undefined {
  return readPinnedKeys([{ keyid: 'request', pem, ...(algorithm && { algorithm }) }]).get('request');
}

function readOtherKey(file: string): OtherKey {
  const [[keyid, key] = []] = readPinnedKeys([{ keyid: file, pem: readTextFile(file, 'name certificates or public keys in PEM') }]);
  return { keyid, ...key } as OtherKey;
}

function explainOne(options: VerifyOptions, request: WireRequest, nowMs: number): Explanation {
  const directory = findCertificatesDirectory(options.certs, process.env);
  const pem = readCertificateOption(options, directory);
  if (options.answerHeaders === undefined) {
    const key = pem === undefined ? undefined : readRequestKey(pem, readSigningOptions(options).algorithm);
    const { otherKeys = [], hosts = [], merchant } = options;
    const expected = { nowMs, hosts, otherKeys: otherKeys.map(readOtherKey), ...(key && { key }) };
    const named = merchant === undefined ? {} : { merchantNumber: merchant };
    return isOtherScheme(request) ? explainScheme(request, { ...expected, ...named }) : explainRequest(request, expected);
  }
  if (pem === undefined) throw new WrongUse('an answer is bound to the certificate that called: name --merchant or --certificate');
  const { status, body } = { status: options.answerStatus, body: options.answerBody };
  const files = { headers: options.answerHeaders, ...(status !== undefined && { status }), ...(body !== undefined && { body }) };
  const keys = readAnswerKeys(options, directory, nowMs);
  return explainAnswer(readAnswerFiles(files), { request, findKey: (keyid) => keys.get(keyid), thumbprint: thumbprintOf(pem), nowMs });
}

function readAnswerKeys({ platformCertificates }: VerifyOptions, directory: string, nowMs: number): ReadonlyMap<string, TrustedKey> {
  const { platformAuthority, trustedKeys } = readTrust(directory, nowMs);
  const pinned = readPinnedKeys(trustedKeys);
  if (platformCertificates === undefined) return pinned;
  const body = Buffer.from(readTextFile(platformCertificates, 'name a saved answer of GET /v1/platform-certificates'));
  return new Map([...readPlatformKeys(body, new X509Certificate(platformAuthority), nowMs), ...pinned]);
}

function run(options: VerifyOptions): void {
  const nowMs = options.at === undefined ? Date.now() : Date.parse(options.at);
  if (Number.isNaN(nowMs)) throw new WrongUse('--at is a time like 2026-11-23T09:30:00Z');
  const { method, url, body } = options;
  const files = { headers: options.headers, ...(method && { method }), ...(url && { url }), ...(body && { body }) };
  const request = readRequestFiles(files);
  const explanation = withReadableKeys(() => explainOne(options, request, nowMs));
  const text = options.json ? `${JSON.stringify(explanation, null, 2)}\n` : textOf(explanation, options);
  process.stdout.write(text);
  process.exitCode = explanation.problems.length === 0 ? EXIT.ok : EXIT.refused;
}

function explanationLines({ base, components, digest }: Explanation): string[] {
  const record = base ?? '';
  const { length, sha256 } = describeBase({ signed: Buffer.from(record, 'latin1'), record, lines: [] });
  return [
    'Components:',
    ...components.map(({ identifier, value }) => `  ${identifier}: ${value === undefined ? '(absent)' : printable(value)}`),
    `Digest of the body (${digest.bodyBytes} bytes):`,
    `  computed  ${digest.computed}`,
    `  claimed   ${digest.claimed === undefined ? '(none)' : printable(digest.claimed)}`,
    ...(base === undefined ? [] : [`Signature base (${length} bytes, sha-256 ${sha256}):`, ...base.split('\n').map(printable)]),
    '',
  ];
}

function textOf(explanation: Explanation, { explain, answerHeaders, certificate, merchant }: VerifyOptions): string {
  const what = answerHeaders === undefined ? 'request' : 'answer';
  const isProved = what === 'answer' || certificate !== undefined || merchant !== undefined;
  const good = isProved
    ? `the ${what} verifies`
    : 'no mistake found; the signature itself was not checked (name --merchant or --certificate)';
  const { problems, mistakes, changedLines = [] } = explanation;
  const verdict =
    problems.length === 0 ? [styleText('green', good)] : problems.map((problem) => `${styleText('red', 'wrong:')} ${printable(problem)}`);
  const names = [...mistakes.map(({ id }) => `mistake: ${id}`), ...changedLines.map((name) => `changed on the way: ${printable(name)}`)];
  return `${[...(explain ? explanationLines(explanation) : []), ...verdict, ...names].join('\n')}\n`;
}
