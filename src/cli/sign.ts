import { Command } from 'commander';
import { createNonce, readSigningKey } from '../sdk/merchant.ts';
import { createRequestBuilder } from '../sdk/request.ts';
import { signRequest } from '../sdk/sign-request.ts';
import { WrongUse } from './exit.ts';
import { defaultUrl, findCertificatesDirectory, readMerchantPair } from './merchant-files.ts';
import { addRequestOptions, type RequestOptions, readCallRequest, readSigningOptions, withReadableKeys } from './request-options.ts';

type SignOptions = RequestOptions & { readonly created?: string; readonly nonce?: string };

const EXAMPLES = `
Examples:
  hufu sign GET /v1/orders/A-1 --merchant 800000000000001
  hufu sign POST /v1/orders --merchant 800000000000001 --data '{"orderNo":"A-1"}' --key k-1 --created 1700000000 --nonce AAAAAAAAAAAAAAAAAAAAAA

Works offline. With --created and --nonce the signature base is always the same, to compare it with your own program's.`;

export function createCommand(): Command {
  const command = new Command('sign').description('Sign a request without sending it; print its headers and the exact signature base.');
  return addRequestOptions(command)
    .option('--created <seconds>', 'time of the signature, seconds since 1970 (default: now)')
    .option('--nonce <nonce>', '22 to 64 characters of base64url (default: a fresh one)')
    .addHelpText('after', EXAMPLES)
    .action(run);
}

function readMoment({ created, nonce }: SignOptions) {
  const createdAtSeconds = created === undefined ? Math.floor(Date.now() / 1000) : Number(created);
  if (!Number.isSafeInteger(createdAtSeconds) || createdAtSeconds < 0) throw new WrongUse('--created is whole seconds since 1970');
  if (nonce !== undefined && !/^[A-Za-z0-9_-]{22,64}$/.test(nonce)) throw new WrongUse('--nonce is 22 to 64 characters of base64url');
  return { createdAtSeconds, nonce: nonce ?? createNonce() };
}

function run(method: string, path: string, options: SignOptions): void {
  const moment = readMoment(options);
  const directory = findCertificatesDirectory(options.certs, process.env);
  const { key } = readMerchantPair(directory, options.merchant, options.certificate);
  const signing = withReadableKeys(() => readSigningKey({ key, ...readSigningOptions(options) }));
  const build = createRequestBuilder(options.url ?? defaultUrl(process.env), options.merchant);
  const request = build(readCallRequest(method, path, options, moment.createdAtSeconds * 1000));
  const { rawHeaders, base } = signRequest(request, signing, moment);
  const pairs = rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [[name, rawHeaders[i + 1] as string] as const] : []));
  const body = request.body.toString('utf8');
  if (options.json) {
    const printed = { method: request.method, target: request.target, headers: pairs, body, algorithm: signing.algorithm, base };
    process.stdout.write(`${JSON.stringify(printed, null, 2)}\n`);
    return;
  }
  const headers = pairs.map(([name, value]) => `${name}: ${value}`).join('\n');
  const parts = [
    `${request.method} ${request.target}`,
    headers,
    '',
    body,
    '',
    `Signature base (${signing.algorithm}, no line feed at its end):`,
    base,
  ];
  process.stdout.write(`${parts.join('\n')}\n`);
}
