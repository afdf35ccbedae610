import { encryptAnswer } from '../encryption/seal-answer.ts';
import type { AnswerKeys } from '../keys/answer-keys.ts';
import type { Signer } from '../ports/signer.ts';
import type { AlgorithmName } from '../protocol/algorithms.ts';
import { HEADER } from '../protocol/headers.ts';
import { type KeyHint, readKeyHint } from '../protocol/key-hint.ts';
import type { Reply, Sealed, Settled, Verified } from '../protocol/messages.ts';
import type { AnswerSigner } from '../signature/scheme.ts';
import { schemeOf } from '../signature/schemes.ts';
import { signAnswer } from '../signature/sign.ts';
import type { Event } from './event.ts';
import type { Evidence } from './evidence.ts';
import type { KeysSeen } from './keys-seen.ts';
import { problemReply, refusalFrom } from './problem.ts';
import { answerInScheme } from './scheme-answer.ts';
import type { Reached, Stages } from './stages.ts';

export type SealOptions = {
  /** The keys as they stand now. What is answered before a request signature verified gets a cheap one, since refusing must cost less than asking. */
  readonly answerKeys: () => Pick<AnswerKeys, 'choose' | 'forRefusals'>;
  /** Takes one from the signing budget of a certificate; false when it is used up. */
  readonly maySignFor: (thumbprint: string) => boolean;
  /** A merchant has asked for a key by name, in a request that it signed. */
  readonly onAsked: KeysSeen;
  readonly evidence: Evidence;
  readonly event: Event;
  readonly nowMs: () => number;
};

/** The same for every answer; none of them names us or our version. */
const CONSTANT_HEADERS = ['cache-control', 'no-store', 'x-content-type-options', 'nosniff'] as const;

const DESTROYED: Sealed = { status: 0, rawHeaders: [], body: Buffer.alloc(0), connection: 'destroy' };

const isVerified = (reached: Reached | Settled): reached is Verified => 'signatureBase' in reached;
const isAccepted = (reached: Reached | Settled): boolean => 'settled' in reached || 'known' in reached;

/** No body goes out in answer to HEAD (RFC 9110 section 9.3.2), so what is signed is the digest of none. */
const bodyOf = ({ method }: Reached | Settled, { body }: Reply): Buffer => (method === 'HEAD' ? Buffer.alloc(0) : body);

type Keys = ReturnType<SealOptions['answerKeys']>;

function signerFor(keys: Keys, reached: Reached | Settled, hint: KeyHint | undefined, nowMs: number): Signer {
  const merchant = 'merchant' in reached ? reached.merchant : undefined;
  const chosen = merchant && isVerified(reached) ? keys.choose(merchant, hint, nowMs) : undefined;
  return chosen?.signer ?? keys.forRefusals(merchant?.number, nowMs);
}

/** For schemes that sign answers their own way: with one of our keys for their algorithm, and what they say about its certificate. */
const schemeSigners =
  (keys: Keys, number: string, hint: KeyHint | undefined, nowMs: number) =>
  (algorithm: AlgorithmName): AnswerSigner | undefined => {
    const key = keys.choose({ number, answerAlgorithm: algorithm }, hint && { ...hint, algorithm }, nowMs);
    if (!key) return undefined;
    const { serial: serialNumber, alipaySerial } = key.certificate;
    return { signer: key.signer, serialNumber, alipaySerial, der: key.der };
  };

async function sign(options: SealOptions, reached: Reached | Settled, reply: Reply, onBase?: (base: string) => void): Promise<Sealed> {
  const plain = { status: reply.status, contentType: reply.contentType, body: bodyOf(reached, reply) };
  const nowMs = options.nowMs();
  const keys = options.answerKeys();
  const verified = isVerified(reached) ? reached : undefined;
  const hint = verified && readKeyHint(verified, verified.signatureBase);
  const form = verified && (await answerInScheme(verified, plain, schemeSigners(keys, verified.merchant.number, hint, nowMs), nowMs));
  const signer = signerFor(keys, reached, hint, nowMs);
  if (verified && hint?.isCovered && hint.keyid === signer.keyid) options.onAsked(verified.merchant.number, [signer.keyid]);
  const { contentType, body } = form ?? plain;
  const headers = [
    ...[HEADER.contentType, contentType],
    ...reply.headers,
    ...[HEADER.hufuRequestId, reached.requestId],
    ...[HEADER.hufuCertificate, reached.peer.thumbprint],
    ...[HEADER.hufuVerified, verified ? '?1' : '?0'],
    ...(form?.covered ?? []),
  ];
  const signed = await signAnswer({
    request: reached,
    ...(verified && { bound: schemeOf(verified.scheme).bound }),
    status: reply.status,
    headers,
    body,
    signer,
    createdAtSeconds: Math.floor(nowMs / 1000),
    ...(onBase && { onBase }),
  });
  const rawHeaders = [...headers, ...signed, ...(form?.beside ?? []), ...CONSTANT_HEADERS];
  return { status: reply.status, rawHeaders, body, connection: reply.connection };
}

/** Encrypts answers where that is agreed, signs them and refusals, binds them to request, status and certificate, and writes the one event of the request. */
export function createSeal(options: SealOptions): Pick<Stages, 'seal' | 'refuse'> {
  const { event, evidence } = options;
  return {
    seal: async (reached, reply) => {
      let base = '';
      const encrypted = 'value' in reached ? encryptAnswer(reply, reached, options.nowMs()) : reply;
      const sealed = await sign(options, reached, encrypted, (text) => {
        base = text;
      });
      if (isAccepted(reached)) evidence.appendAnswer(reached.requestId, sealed, base);
      event.answered(reached, sealed);
      return sealed;
    },
    refuse: async (reached, error) => {
      const refusal = refusalFrom(error);
      const within = isVerified(reached) || options.maySignFor(reached.peer.thumbprint);
      const sealed = within ? await sign(options, reached, problemReply(refusal, reached.requestId)) : DESTROYED;
      event.refused(reached, sealed, refusal);
      return sealed;
    },
  };
}
