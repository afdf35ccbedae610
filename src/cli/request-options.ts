import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { UserError } from '../lib/user-error.ts';
import { ALGORITHM_NAMES, isAlgorithmName } from '../protocol/algorithms.ts';
import type { CallRequest } from '../sdk/answer.ts';
import { createNonce } from '../sdk/merchant.ts';
import { WrongUse } from './exit.ts';
import { readTextFile } from './merchant-files.ts';

/** What `hufu call` and `hufu sign` take alike. */
export type RequestOptions = {
  readonly merchant: string;
  readonly data?: string;
  readonly key?: string;
  readonly header: readonly string[];
  readonly url?: string;
  readonly certs?: string;
  readonly certificate?: string;
  readonly signingKey?: string;
  readonly keyid?: string;
  readonly algorithm?: string;
  readonly json?: boolean;
};

const collect = (value: string, before: readonly string[]): string[] => [...before, value];

/** Adds the options that make a request. */
export function addRequestOptions(command: Command): Command {
  return command
    .argument('<method>', 'GET, POST, ...')
    .argument('<path>', 'path and query, exactly as they are signed: /v1/orders')
    .requiredOption('--merchant <number>', 'merchant number; its certificate is CERTS/merchants/NUMBER.crt and .key')
    .option('--data <text|@file|@->', 'body; {{uuid}} becomes 32 fresh hexadecimal digits, {{now}} the time (RFC 3339)')
    .option('--key <idempotency-key>', 'Idempotency-Key; a fresh one when left out, except for GET')
    .option('--header <name:value>', 'further header, signed too; may be repeated', collect, [])
    .option('--url <https://host:port>', 'the gateway (default: https://localhost:8443, or HUFU_PORT_INTERNET)')
    .option('--certs <directory>', 'certificates (default: HUFU_CERTS, else ./certs)')
    .option('--certificate <file.crt>', 'present this certificate; its key is FILE.key')
    .option('--signing-key <file>', 'sign with this private key (default: that of the certificate)')
    .option('--keyid <keyid>', 'keyid as registered (default: SHA-256 of the public key)')
    .option('--algorithm <name>', `one of ${ALGORITHM_NAMES.join(', ')}`)
    .option('--json', 'print JSON');
}

function readData(data: string): string {
  if (!data.startsWith('@')) return data;
  return data === '@-' ? readFileSync(0, 'utf8') : readTextFile(data.slice(1), 'name the body with --data @FILE');
}

/** Fills `{{uuid}}` (one value for the whole body) and `{{now}}`. */
export function fillTemplate(text: string, uuid: string, nowMs: number): string {
  return text.replaceAll('{{uuid}}', uuid.replaceAll('-', '')).replaceAll('{{now}}', new Date(nowMs).toISOString());
}

function readHeader(line: string): [string, string] {
  const at = line.indexOf(':');
  if (at < 1) throw new WrongUse(`--header takes "Name: value", found ${JSON.stringify(line)}`);
  return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
}

/** The request that a command line asks for. Writes get a fresh Idempotency-Key when none is named. */
export function readCallRequest(method: string, path: string, options: RequestOptions, nowMs: number): CallRequest {
  if (!path.startsWith('/')) throw new WrongUse(`PATH begins with "/", like /v1/orders; found ${JSON.stringify(path)}`);
  const verb = method.toUpperCase();
  const idempotencyKey = options.key ?? (['GET', 'HEAD'].includes(verb) ? undefined : createNonce());
  return {
    method: verb,
    path,
    headers: Object.fromEntries(options.header.map(readHeader)),
    ...(options.data !== undefined && { body: fillTemplate(readData(options.data), randomUUID(), nowMs) }),
    ...(idempotencyKey !== undefined && { idempotencyKey }),
  };
}

/** What signs: options for createMerchant and readSigningKey. */
export function readSigningOptions(options: Pick<RequestOptions, 'signingKey' | 'keyid' | 'algorithm'>) {
  const { signingKey, keyid, algorithm } = options;
  if (algorithm !== undefined && !isAlgorithmName(algorithm)) throw new WrongUse(`--algorithm is one of ${ALGORITHM_NAMES.join(', ')}`);
  return {
    ...(signingKey !== undefined && { signingKey: readTextFile(signingKey, 'name the private key with --signing-key') }),
    ...(keyid !== undefined && { keyid }),
    ...(algorithm !== undefined && { algorithm }),
  };
}

/** Runs what reads keys, and turns the errors of the crypto library into a sentence. */
export function withReadableKeys<Result>(make: () => Result): Result {
  try {
    return make();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!code?.startsWith('ERR_OSSL')) throw error;
    throw new UserError('a certificate or key cannot be read: give PEM files, keys without a passphrase', { cause: error });
  }
}
