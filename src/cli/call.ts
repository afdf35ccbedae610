import { styleText } from 'node:util';
import { Command } from 'commander';
import { printable } from '../lib/table.ts';
import type { Answer, WireRequest } from '../sdk/answer.ts';
import { createMerchant } from '../sdk/merchant.ts';
import { EXIT, WrongUse } from './exit.ts';
import { defaultUrl, findCertificatesDirectory, readMerchantPair, readTrust } from './merchant-files.ts';
import { addRequestOptions, type RequestOptions, readCallRequest, readSigningOptions, withReadableKeys } from './request-options.ts';

type CallOptions = RequestOptions & {
  readonly timeoutMs: string;
  readonly untilFinal?: boolean;
  readonly tamperBodyAfterSigning?: boolean;
  readonly replay?: boolean;
};

const EXAMPLES = `
Examples:
  hufu call GET /v1/orders/A-1 --merchant 800000000000001
  hufu call POST /v1/orders --merchant 800000000000001 --data @examples/order.json
  hufu call POST /v1/orders/A-1/payments --merchant 800000000000001 --data @examples/payment.json --key my-key-1 --until-final
  hufu call POST /v1/orders --merchant 800000000000001 --data @examples/order.json --tamper-body-after-signing

The Idempotency-Key is printed: send the same one again after a timeout, never a new one.
Exit status: 0 verified answer 2xx, 1 refused, not verified or no answer, 2 wrong use.`;

export function createCommand(): Command {
  const command = new Command('call').description('Send a signed request as a merchant, verify the signed answer, print it.');
  return addRequestOptions(command)
    .option('--timeout-ms <ms>', 'for one delivery', '30000')
    .option('--until-final', 'deliver the same request under the same key until its outcome is final')
    .option('--tamper-body-after-signing', 'change one byte of the body after signing: the gateway must refuse it')
    .option('--replay', 'send the very same signed bytes twice and print the second answer: the gateway must refuse it')
    .addHelpText('after', EXAMPLES)
    .action(run);
}

async function run(method: string, path: string, options: CallOptions): Promise<void> {
  const timeoutMs = Number(options.timeoutMs);
  if (!Number.isInteger(timeoutMs) || timeoutMs < 1) throw new WrongUse('--timeout-ms is a whole number of milliseconds');
  const request = readCallRequest(method, path, options, Date.now());
  const directory = findCertificatesDirectory(options.certs, process.env);
  const client = withReadableKeys(() =>
    createMerchant({
      url: options.url ?? defaultUrl(process.env),
      merchantNumber: options.merchant,
      ...readMerchantPair(directory, options.merchant, options.certificate),
      ...readTrust(directory, Date.now()),
      ...readSigningOptions(options),
      timeoutMs,
      rehearse: rehearsalOf(options),
    }),
  );
  try {
    const { idempotencyKey } = request;
    if (idempotencyKey !== undefined && options.key === undefined) process.stderr.write(`Idempotency-Key: ${idempotencyKey}\n`);
    if (options.replay) await client.call(request);
    const answer = await (options.untilFinal ? client.callUntilFinal(request, { onWait: tellWait }) : client.call(request));
    process.stdout.write(options.json ? `${JSON.stringify(jsonOf(answer), null, 2)}\n` : textOf(answer));
    process.exitCode = answer.accepted && answer.status >= 200 && answer.status < 300 ? EXIT.ok : EXIT.refused;
  } finally {
    client.close();
  }
}

const tellWait = (answer: Answer, waitMs: number): void => {
  const reason = answer.code ?? answer.why ?? `status ${answer.status}`;
  process.stderr.write(`not final yet (${printable(reason)}); the same key again in ${(waitMs / 1000).toFixed(1)} s\n`);
};

/** Spoils the signed request in the way the options ask for. */
function rehearsalOf({ tamperBodyAfterSigning, replay }: CallOptions): (signed: WireRequest) => WireRequest {
  let first: WireRequest | undefined;
  return (signed) => {
    first ??= signed;
    const sent = replay ? first : signed;
    return tamperBodyAfterSigning ? { ...sent, body: withOneByteChanged(sent.body) } : sent;
  };
}

/** Changes the last digit or letter, so that JSON stays JSON and only the signature can tell. */
function withOneByteChanged(body: Buffer): Buffer {
  const changed = Buffer.from(body);
  const at = changed.findLastIndex((byte) => /[0-9A-Za-z]/.test(String.fromCharCode(byte)));
  if (at < 0) throw new WrongUse('--tamper-body-after-signing needs a body with a digit or a letter');
  changed[at] = changed[at] === 0x31 ? 0x32 : 0x31;
  return changed;
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return body.toString('utf8');
  }
}

/** What `--json` prints (contract.md section 1). The body of an unverified answer is shown, but nothing acts on it. */
function jsonOf({ status, verified, why, headers, body }: Answer): object {
  return { status, verified, why: why ?? null, headers, body: body.length === 0 ? null : parsed(body) };
}

function textOf(answer: Answer): string {
  const state = answer.verified ? styleText('green', 'verified') : styleText('red', 'NOT VERIFIED');
  const facts = [
    ['why', answer.why],
    ['request id', answer.requestId],
    ['code', answer.code],
    ['outcome', answer.outcome],
    ['retry', answer.retry],
    ['replayed', answer.headers['idempotency-replayed']],
  ] as const;
  const lines = facts.flatMap(([name, value]) => (value === undefined ? [] : [`${name.padEnd(11)}${printable(value)}`]));
  const content = answer.body.length === 0 ? '' : parsed(answer.body);
  const body = typeof content === 'string' ? printable(content) : printableJson(content);
  return `${[`HTTP ${answer.status || '-'}  ${state}`, ...lines].join('\n')}\n${body === '' ? '' : `\n${body}\n`}`;
}

/** JSON escapes control characters below U+0020 by itself; those above are for us. */
const printableJson = (value: unknown): string => JSON.stringify(value, null, 2).split('\n').map(printable).join('\n');
