import type { AlgorithmName } from '../protocol/algorithms.ts';
import { contentDigestOf } from '../protocol/content-digest.ts';
import { HEADER } from '../protocol/headers.ts';
import type { CoreAnswer, Verified } from '../protocol/messages.ts';
import type { AnswerSigner } from '../signature/scheme.ts';
import { schemeOf } from '../signature/schemes.ts';

/** An answer in the form of the request's scheme: what our own signature then covers, and headers that stand beside it. */
export type SchemeForm = Pick<CoreAnswer, 'contentType' | 'body'> & {
  readonly covered: readonly string[];
  readonly beside: readonly string[];
};

/**
 * Puts an answer into the form of the scheme that its request verified under. Whatever the form, our own signature is made over the
 * result and binds it to status and request; where the request's signature stands in its body, that is by the body's digest.
 */
export async function answerInScheme(
  verified: Verified,
  answer: CoreAnswer,
  findSigner: (algorithm: AlgorithmName) => AnswerSigner | undefined,
  nowMs: number,
): Promise<SchemeForm> {
  const { bound, signAnswer, wrapAnswer } = schemeOf(verified.scheme);
  const { operation, dialect, bodyDigest, requestId, nonce, merchant } = verified;
  const { signatureOptions, answerAlgorithm } = merchant;
  const facts = {
    ...{ status: answer.status, contentType: answer.contentType, nowMs, findSigner },
    ...{ operationId: operation.id, requestId, nonce, signatureOptions, answerAlgorithm },
    ...(dialect !== undefined && { dialect }),
  };
  const wrapped = await wrapAnswer?.({ ...facts, body: answer.body });
  const body = wrapped ?? answer.body;
  return {
    contentType: wrapped ? 'application/json' : answer.contentType,
    body,
    covered: bound === 'body' ? [HEADER.hufuRequestDigest, contentDigestOf(bodyDigest)] : [],
    beside: (await signAnswer?.({ ...facts, body })) ?? [],
  };
}
