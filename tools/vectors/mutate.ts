import { createPublicKey } from 'node:crypto';
import { verifyAnswer } from '../../src/sdk/verify-answer.ts';
import { makeAnswer, PLATFORM_KEYID, signAsPlatform, THUMBPRINT } from './answers.ts';
import { FORMS } from './forms.ts';
import { createJudge } from './judge.ts';
import { privateKey, publicPem, signPlainly } from './keys.ts';
import { type Form, latin1, type Message, NOW_SECONDS } from './message.ts';
import { changeOneByte, createRandom, ruleOf, type Wire } from './random-changes.ts';

/** A signed message, the real verification of it, and what it means. */
export type Subject = {
  readonly name: string;
  readonly wire: Wire;
  readonly accepts: (wire: Wire) => boolean;
  readonly covers: (name: string) => boolean;
  readonly meaningOf: (wire: Wire) => string;
};

export type Tally = {
  readonly subject: string;
  readonly count: number;
  readonly refused: number;
  /** Not HTTP any more: no verification sees it. */
  readonly notHttp: number;
  /** Accepted because it means the same, by rule. */
  readonly same: Readonly<Record<string, number>>;
  /** Accepted although it means something else: there must be none. */
  readonly wrong: readonly string[];
};

const ownHeader = (wire: Wire, name: string): string => wire.headers.find(([each]) => each.toLowerCase() === name)?.[1] ?? '';

/** Headers of requests that are signed, or that decide where a scheme signs none. */
const DECIDING: Readonly<Record<string, readonly string[]>> = {
  rfc9421: ['host', 'content-type', 'content-digest', 'idempotency-key', 'merchant-number', 'signature', 'signature-input'],
  'wechatpay-v3': ['host', 'authorization'],
  'alipay-v3': ['host', 'authorization'],
  'sorted-rsa2': ['host'],
  jws: ['host', 'merchant-number', 'idempotency-key', 'x-jws-signature'],
  'jws-obie': ['host', 'x-jws-signature'],
  cms: ['host', 'content-type', 'idempotency-key', 'x-cms-created', 'x-cms-nonce', 'x-cms-signature'],
};
/** Schemes that sign neither method nor address: the operation that they name is compared elsewhere with what was said. */
const WITHOUT_ADDRESS: readonly string[] = ['sorted-rsa2', 'jws-obie'];

/** Equal spellings of values: Host in any letters, a serial number of WeChat Pay in any letters, fields of a form by their meaning. */
function meaningOfRequest({ scheme }: Form): (wire: Wire) => string {
  const names = DECIDING[scheme] as readonly string[];
  return (wire) => {
    const values = names.map((name) => ownHeader(wire, name));
    values[0] = (values[0] as string).toLowerCase();
    if (scheme === 'wechatpay-v3') values[1] = (values[1] as string).replace(/serial_no="[^"]*"/, (serial) => serial.toLowerCase());
    const body = scheme === 'sorted-rsa2' ? JSON.stringify([...new URLSearchParams(latin1(wire.body).toString('utf8'))].sort()) : wire.body;
    return JSON.stringify([WITHOUT_ADDRESS.includes(scheme) ? '' : wire.start, body, ...values]);
  };
}

const toWire = ({ method, target, headers, body }: Message): Wire => ({ start: `${method} ${target}`, headers, body });

function toMessage({ start, headers, body }: Wire): Message {
  const [method = '', target = ''] = start.split(' ');
  return { method, target, headers, body };
}

function requestSubject(form: Form): Subject {
  const judge = createJudge(form);
  const { message } = form.make(form.draft, (base) => signPlainly(form.algorithm, privateKey(form.key), base));
  return {
    name: `${form.scheme}/${form.name}`,
    wire: toWire(message),
    accepts: (wire) => 'verified' in judge(toMessage(wire)),
    covers: (name) => (DECIDING[form.scheme] as readonly string[]).includes(name),
    meaningOf: meaningOfRequest(form),
  };
}

const ANSWER_HEADERS = ['content-type', 'content-digest', 'signature', 'signature-input'];
const decidesInAnswer = (name: string): boolean => name.startsWith('hufu-') || ANSWER_HEADERS.includes(name);

/** Answers as the SDK verifies them, to a request of the first form. */
function answerSubject(name: string): Subject {
  const form = FORMS.find((each) => each.name === name) as Form;
  const request = form.make(form.draft, (base) => signPlainly(form.algorithm, privateKey(form.key), base)).message;
  const { message } = makeAnswer(request, { status: 200, body: '{"orderNo":"A-1","status":"PAID"}' }, signAsPlatform);
  const publicKey = createPublicKey(publicPem('platform'));
  const expected = {
    request: { method: request.method, target: request.target, rawHeaders: request.headers.flat() },
    findKey: (keyid: string) => (keyid === PLATFORM_KEYID ? { publicKey, algorithm: 'ecdsa-p256-sha256' as const } : undefined),
    thumbprint: THUMBPRINT,
    nowMs: NOW_SECONDS * 1000,
  };
  return {
    name: `answer to rfc9421/${name}`,
    wire: { start: `HTTP/1.1 ${message.status}`, headers: message.headers, body: message.body },
    accepts: ({ start, headers, body }) => {
      const [version, status = ''] = start.split(' ');
      if (version !== 'HTTP/1.1' || !/^[1-9][0-9]{2}$/.test(status)) return false;
      return verifyAnswer({ status: Number(status), rawHeaders: headers.flat(), body: latin1(body) }, expected).verified;
    },
    covers: decidesInAnswer,
    meaningOf: (wire) => {
      const values = wire.headers
        .filter(([each]) => decidesInAnswer(each.toLowerCase()))
        .map(([each, value]) => [each.toLowerCase(), value]);
      return JSON.stringify([wire.start, wire.body, values]);
    },
  };
}

/** Every subject: each form of request, and two answers. */
export const subjects = (): Subject[] => [
  ...FORMS.map(requestSubject),
  answerSubject('post-ecdsa-p256-sha256'),
  answerSubject('get-ecdsa-p256-sha256'),
];

/** Changes one byte of a subject, `count` times. */
export function mutate({ name, wire, accepts, covers, meaningOf }: Subject, count: number, seed: number): Tally {
  if (!accepts(wire)) throw new Error(`${name}: the unchanged message is not accepted`);
  const random = createRandom(seed);
  const same: Record<string, number> = {};
  const wrong: string[] = [];
  let [refused, notHttp] = [0, 0];
  for (let i = 0; i < count; i += 1) {
    const { at, changed } = changeOneByte(wire, random);
    if (!changed) notHttp += 1;
    else if (!accepts(changed)) refused += 1;
    else {
      const rule = ruleOf(wire, changed, covers, meaningOf);
      if (rule === undefined) wrong.push(`byte ${at}: ${JSON.stringify(changed)}`);
      else same[rule] = (same[rule] ?? 0) + 1;
    }
  }
  return { subject: name, count, refused, notHttp, same, wrong };
}
