import type { TLSSocket } from 'node:tls';
import { printable } from '../../lib/table.ts';
import { ERROR_CODES, errorRow } from '../../protocol/errors.ts';
import { bad, type Finding, note, ok } from './finding.ts';
import type { Target } from './network.ts';

const TIMEOUT_MS = 10_000;
const ANSWER_BYTES_MAX = 65_536;
/** contract.md section 3: how far `created` may be from the gateway's clock. */
const WINDOW_SECONDS = 300;
const NEAR_SECONDS = 30;

/** Asks without a signature: the gateway then tells whether it accepts the certificate, and nothing can happen. */
function askUnsigned(socket: TLSSocket, { host, port }: Target): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const end = () => {
      socket.destroy();
      resolve(text);
    };
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (text.length > ANSWER_BYTES_MAX) end();
    });
    socket.once('close', end).setTimeout(TIMEOUT_MS, end);
    const name = host.includes(':') ? `[${host}]` : host;
    socket.write(`GET /v1/platform-certificates HTTP/1.1\r\nHost: ${name}:${port}\r\nConnection: close\r\n\r\n`);
  });
}

/** What the gateway makes of our certificate, and how far apart the clocks are. */
export async function readOpinion(socket: TLSSocket, target: Target, nowMs: () => number): Promise<Finding[]> {
  const text = await askUnsigned(socket, target);
  const [head = '', body = ''] = text.split('\r\n\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
  if (!status)
    return [
      bad(
        'our standing',
        'the gateway closed the connection without an answer: our certificate is of no authority it knows for this listener, was not presented, or has too many connections; close other connections, check the port, else send the operator the certificate above ours',
      ),
    ];
  return [standingOf(status, codeOf(body)), ...clockOf(head, nowMs())];
}

function codeOf(body: string): string | undefined {
  const code = /"code":"([A-Z_]{1,64})"/.exec(body)?.[1];
  return code;
}

function standingOf(status: number, code: string | undefined): Finding {
  const known = ERROR_CODES.find((each) => each === code);
  if (known === undefined)
    return note('our standing', `an answer ${status} that is not Hufu's${code ? ` (${printable(code)})` : ''}: is this the gateway?`);
  const { stage, title, advice } = errorRow(known);
  if (stage === 'identify' || stage === 'http') return bad('our standing', `${status} ${known}: ${title}. ${advice}`);
  return ok('our standing', `the gateway accepts our certificate (it answered ${known} to a request without signature)`);
}

function clockOf(head: string, nowMs: number): Finding[] {
  const theirs = Date.parse(/^date: (.+)$/im.exec(head)?.[1] ?? '');
  if (Number.isNaN(theirs)) return [note('clocks', 'the answer has no Date to compare with')];
  const seconds = Math.round((nowMs - theirs) / 1000);
  const text = seconds === 0 ? 'equal' : `ours is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead' : 'behind'}`;
  if (Math.abs(seconds) > WINDOW_SECONDS)
    return [bad('clocks', `${text}: every signature is refused (TIMESTAMP_SKEW); synchronise this machine`)];
  return [Math.abs(seconds) > NEAR_SECONDS ? note('clocks', `${text}: synchronise this machine`) : ok('clocks', text)];
}
