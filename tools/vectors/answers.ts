import { createHash, createPublicKey } from 'node:crypto';
import { FORMS } from './forms.ts';
import { privateKey, publicPem, signPlainly, verifyPlainly } from './keys.ts';
import { type Form, type HeaderPair, latin1, type Message, NOW_SECONDS } from './message.ts';
import { storedRequest } from './stored.ts';

/** An answer on the wire; the body is text whose bytes are latin1. */
export type AnswerMessage = { readonly status: number; readonly headers: readonly HeaderPair[]; readonly body: string };

type AnswerForm = { readonly name: string; readonly about: string; readonly status: number; readonly body: string; readonly request: Form };

/** x5t#S256 of the certificate that the caller connected with, in all answers of the vectors. */
export const THUMBPRINT = 'q7Ld-4BpgD4sTyVZg6Wg4EwS7bK3i0SZxvG6J8K0b1c';
export const PLATFORM_KEYID = 'platform-ec';

const requestForm = (name: string): Form => FORMS.find((form) => form.scheme === 'rfc9421' && form.name === name) as Form;

export const ANSWERS: readonly AnswerForm[] = [
  {
    ...{ name: 'answer-to-post', about: 'The answer to an order, bound to its request, its status and the certificate that was seen.' },
    ...{ status: 201, body: '{"orderNo":"A-1","status":"CREATED"}', request: requestForm('post-ed25519') },
  },
  {
    ...{ name: 'answer-to-get', about: 'The answer to a query without a body.' },
    ...{ status: 200, body: '{"orderNo":"A-1","status":"PAID"}', request: requestForm('get-ecdsa-p256-sha256') },
  },
];

const digestOf = (body: string): string => `sha-256=:${createHash('sha256').update(latin1(body)).digest('base64')}:`;
const findValue = (headers: readonly HeaderPair[], name: string): string | undefined =>
  headers.find(([each]) => each.toLowerCase() === name)?.[1];

type Facts = {
  readonly status: number;
  readonly body: string;
  readonly createdAtSeconds?: number;
  readonly thumbprint?: string;
  readonly tag?: string;
};
type SignedAnswer = { readonly message: AnswerMessage; readonly base: Buffer; readonly signature: Buffer };

/** Signs an answer to a request as contract and RFC 9421 section 2.4 say, in plain text. */
export function makeAnswer(request: Message, facts: Facts, sign: (base: Buffer) => Buffer): SignedAnswer {
  const { status, body, createdAtSeconds = NOW_SECONDS, thumbprint = THUMBPRINT, tag = 'hufu-response' } = facts;
  const headers: readonly HeaderPair[] = [
    ['Content-Type', 'application/json'],
    ['Hufu-Request-Id', '6b8b4567-327b-43c6-a4b1-643c98694873'],
    ['Hufu-Certificate', thumbprint],
    ['Hufu-Verified', '?1'],
  ];
  const digest = findValue(request.headers, 'content-digest');
  const member = (name: string): string => (findValue(request.headers, name) ?? '').replace(/^hufu=/, '');
  const lines = [
    `"@status": ${status}`,
    `"content-digest": ${digestOf(body)}`,
    ...headers.map(([name, value]) => `"${name.toLowerCase()}": ${value}`),
    `"@method";req: ${request.method}`,
    `"@target-uri";req: https://${findValue(request.headers, 'host')}${request.target}`,
    ...(digest === undefined ? [] : [`"content-digest";req: ${digest}`]),
    `"signature";req;key="hufu": ${member('signature')}`,
    `"signature-input";req;key="hufu": ${member('signature-input')}`,
  ];
  const components = lines.map((line) => line.slice(0, line.indexOf(': '))).join(' ');
  const input = `(${components});created=${createdAtSeconds};keyid="${PLATFORM_KEYID}";tag="${tag}"`;
  const base = latin1([...lines, `"@signature-params": ${input}`].join('\n'));
  const signature = sign(base);
  const added: readonly HeaderPair[] = [
    ['Content-Digest', digestOf(body)],
    ['Signature-Input', `hufu=${input}`],
    ['Signature', `hufu=:${signature.toString('base64')}:`],
    ['Cache-Control', 'no-store'],
  ];
  return { message: { status, headers: [...headers, ...added], body }, base, signature };
}

export const signAsPlatform = (base: Buffer): Buffer => signPlainly('ecdsa-p256-sha256', privateKey('platform'), base);
const change = (answer: AnswerMessage, name: string, to: (value: string) => string | undefined): AnswerMessage => ({
  ...answer,
  headers: answer.headers.flatMap(([each, value]): HeaderPair[] => {
    const changed = each === name ? to(value) : value;
    return changed === undefined ? [] : [[each, changed]];
  }),
});

type WrongAnswer = readonly [name: string, make: (good: SignedAnswer, facts: Facts, request: Message) => AnswerMessage];
const anew = (facts: Facts, changes: Partial<Facts>, request: Message): AnswerMessage =>
  makeAnswer(request, { ...facts, ...changes }, signAsPlatform).message;

const WRONG_ANSWERS: readonly WrongAnswer[] = [
  ['another status', ({ message }) => ({ ...message, status: 500 })],
  ['a byte of the body changed', ({ message }) => ({ ...message, body: message.body.replace('A-1', 'A-2') })],
  ['a line feed behind the body', ({ message }) => ({ ...message, body: `${message.body}\n` })],
  ['body and digest changed together', ({ message }) => change({ ...message, body: '{}' }, 'Content-Digest', () => digestOf('{}'))],
  ['said to be refused', ({ message }) => change(message, 'Hufu-Verified', () => '?0')],
  ['given to another certificate', (_good, facts, request) => anew(facts, { thumbprint: 'A'.repeat(43) }, request)],
  ['another request id', ({ message }) => change(message, 'Hufu-Request-Id', () => '00000000-0000-4000-8000-000000000000')],
  ['a header of the contract added', ({ message }) => ({ ...message, headers: [...message.headers, ['Idempotency-Replayed', 'true']] })],
  ['the answer to another request', (_good, facts, request) => anew(facts, {}, { ...request, target: '/v1/orders/A-2' })],
  ['the answer to another method', (_good, facts, request) => anew(facts, {}, { ...request, method: 'PUT' })],
  [
    'the answer to another delivery of the same request',
    (_good, facts, request) =>
      anew(facts, {}, { ...request, headers: request.headers.map(([name, value]) => [name, value.replace('AAECAw', 'BAECAw')]) }),
  ],
  ['signed too long ago', (_good, facts, request) => anew(facts, { createdAtSeconds: NOW_SECONDS - 301 }, request)],
  ['a refusal without binding, for one who signed', (_good, facts, request) => anew(facts, { tag: 'hufu-refusal' }, request)],
  ['a key that is not trusted', ({ message }) => change(message, 'Signature-Input', (input) => input.replace(PLATFORM_KEYID, 'unknown'))],
  ['no signature', ({ message }) => change(message, 'Signature', () => undefined)],
  ['a signature of zeros', ({ message }) => change(message, 'Signature', () => `hufu=:${Buffer.alloc(64).toString('base64')}:`)],
  ['the status not covered', ({ message }) => change(message, 'Signature-Input', (input) => input.replace('"@status" ', ''))],
];

type JsonAnswer = { readonly status: number; readonly headers: readonly HeaderPair[]; readonly body: string };
const toJson = ({ body, ...rest }: AnswerMessage): JsonAnswer => ({ ...rest, body: latin1(body).toString('base64') });
export const answerFromJson = ({ body, ...rest }: JsonAnswer): AnswerMessage => ({
  ...rest,
  body: Buffer.from(body, 'base64').toString('latin1'),
});

/** A file of test/vectors/rfc9421 about an answer. The request is that of the vector it names. */
export type AnswerVector = {
  readonly scheme: string;
  readonly name: string;
  readonly about: string;
  readonly nowSeconds: number;
  readonly certificate: string;
  readonly key: {
    readonly keyid: string;
    readonly algorithm: 'ecdsa-p256-sha256';
    readonly publicKey: string;
    readonly privateKey: string;
  };
  readonly requestOf: string;
  readonly answer: JsonAnswer;
  readonly stringToSign: string;
  readonly signature: string;
  readonly mutations: readonly { readonly name: string; readonly answer: JsonAnswer }[];
};

/** Makes the vector of an answer to the stored request, keeping stored signatures, which are random. */
export function answerVectorOf(
  { name, about, status, body, request }: AnswerForm,
  stored: AnswerVector | undefined,
  message = storedRequest(request.scheme, request.name),
): AnswerVector {
  const sign = (base: Buffer): Buffer => {
    const before = stored && Buffer.from(stored.signature, 'base64');
    return before && verifyPlainly('ecdsa-p256-sha256', createPublicKey(publicPem('platform')), base, before)
      ? before
      : signAsPlatform(base);
  };
  const good = makeAnswer(message, { status, body }, sign);
  const mutations = WRONG_ANSWERS.map(([wrong, make]) => {
    const before =
      stored?.signature === good.signature.toString('base64') ? stored.mutations.find((each) => each.name === wrong) : undefined;
    return before ?? { name: wrong, answer: toJson(make(good, { status, body }, message)) };
  });
  return {
    ...{ scheme: 'rfc9421', name, about, nowSeconds: NOW_SECONDS, certificate: THUMBPRINT },
    key: { keyid: PLATFORM_KEYID, algorithm: 'ecdsa-p256-sha256', publicKey: publicPem('platform'), privateKey: 'platform' },
    requestOf: request.name,
    answer: toJson(good.message),
    ...{ stringToSign: good.base.toString('base64'), signature: good.signature.toString('base64') },
    mutations,
  };
}
