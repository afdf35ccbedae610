import type { Signer } from '../ports/signer.ts';
import type { AlgorithmName } from '../protocol/algorithms.ts';
import type { Merchant } from '../protocol/merchant.ts';
import type { Operation } from '../protocol/operation.ts';
import type { SchemeName } from '../protocol/scheme-names.ts';
import type { SignedMessage } from './coverage.ts';
import type { Presented } from './presented.ts';

/** A request as a scheme reads it: its bytes, the merchant that its certificate proved, and the operation that method and path name. */
export type SchemeRequest = SignedMessage & {
  readonly body: Buffer;
  readonly merchant: Pick<Merchant, 'number' | 'signatureOptions'>;
  readonly operation: Pick<Operation, 'id' | 'amount'>;
  readonly pathParameters: Readonly<Record<string, string>>;
};

/** One of our keys with what schemes say about it in an answer. */
export type AnswerSigner = {
  readonly signer: Signer;
  /** Serial number of its certificate, upper-case hexadecimal, and the same as Alipay computes it. */
  readonly serialNumber: string;
  readonly alipaySerial: string;
  /** The certificate itself. */
  readonly der: Uint8Array;
};

/** An answer as a scheme signs it. */
export type SchemeAnswer = {
  readonly status: number;
  readonly contentType: string;
  readonly body: Buffer;
  readonly nowMs: number;
  readonly operationId: string;
  /** Which of the scheme's forms the request had, where it has several. */
  readonly dialect?: string;
  readonly requestId: string;
  /** Of the request, as it is remembered (see nonceOf). */
  readonly nonce: string;
  /** What is agreed with the merchant that is answered. */
  readonly signatureOptions: Merchant['signatureOptions'];
  readonly answerAlgorithm: AlgorithmName;
  /** The first of our keys for an algorithm; `hufu check` has made sure of those in SCHEME_ANSWERS. */
  readonly findSigner: (algorithm: AlgorithmName) => AnswerSigner | undefined;
};

/**
 * What of a request our own signature of the answer covers, so that it is an answer to this request only: the member of RFC 9421 fields,
 * the header that holds the signature, or the body, whose digest the answer then tells in Hufu-Request-Digest.
 */
export type Bound = 'member' | 'body' | { readonly header: string };

/**
 * A way of signing requests, one file each in schemes/. `present` reads and verify.ts decides: key, owner, algorithm, time window,
 * signature. What a scheme does not cover must not decide anything, so verify.ts refuses such headers for schemes that leave them open.
 */
export type Scheme = {
  readonly name: SchemeName;
  /** The algorithms it can carry. The key's record says which of them it is. */
  readonly algorithms: readonly AlgorithmName[];
  /** Whether the signature covers Merchant-Number, Idempotency-Key, Range and Content-Type when they are sent. */
  readonly coversHeaders: boolean;
  /** Whether what is signed always names the merchant. Else a key of several merchants needs a Merchant-Number that the signature covers. */
  readonly coversMerchant: boolean;
  readonly bound: Bound;
  /** Whether a request brings a signature of this kind, good or bad: by its headers, or the first look at a form. Cheap, reads nothing. */
  readonly isPresent: (request: Pick<SignedMessage, 'rawHeaders' | 'body'>) => boolean;
  /** Reads what the request presents. Throws SIGNATURE_MISSING, SIGNATURE_INVALID, SIGNATURE_COVERAGE, KEY_UNKNOWN, MERCHANT_MISMATCH or HTTP_INVALID. */
  readonly present: (request: SchemeRequest, hosts: ReadonlySet<string>) => Presented;
  /** Headers, flat, that sign an answer the way this scheme does, beside our own signature; for requests that verified. */
  readonly signAnswer?: (answer: SchemeAnswer) => string[] | Promise<string[]>;
  /** The JSON in which the scheme puts answer and signature, where it has no headers for them; undefined leaves the answer as it is. */
  readonly wrapAnswer?: (answer: SchemeAnswer) => Promise<Buffer | undefined>;
};
