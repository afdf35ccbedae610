import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, X509Certificate } from 'node:crypto';
import { UserError } from '../lib/user-error.ts';
import { type AlgorithmName, defaultAlgorithm, findKeyProblem } from '../protocol/algorithms.ts';
import { type JweKey, jweAlgorithmOf } from '../protocol/jwe/key-management.ts';
import { keyidOf } from '../protocol/keyid.ts';
import { MAC_ALGORITHM, wrappingKeyOf } from '../protocol/working-key.ts';
import type { Answer, CallRequest, WireRequest } from './answer.ts';
import { createExchange, NoAnswer } from './exchange.ts';
import { createGatewayKeys } from './gateway-keys.ts';
import { type DecryptionKey, openAnswer, readDecryptionKey } from './open-answer.ts';
import { checkOptions } from './options.ts';
import { answerOf, answerOfSilence, type OpenBody } from './outcome.ts';
import type { PlatformList } from './platform-list.ts';
import { createTrust, type Naming, PLATFORM_CERTIFICATES, type TrustOptions } from './platform-trust.ts';
import { createRequestBuilder } from './request.ts';
import { sealRequest } from './seal-request.ts';
import { type SigningKey, signRequest } from './sign-request.ts';
import { type PinnedKey, thumbprintOf } from './trust.ts';
import { callUntilFinal, type UntilFinalOptions } from './until-final.ts';
import { verifyAnswer } from './verify-answer.ts';
import { createHeldKeys, NotSignedIn } from './working-keys.ts';

/** Who we are, where the gateway is, and whom we trust. All certificates and keys are PEM texts. */
export type MerchantOptions = TrustOptions & {
  /** `https://host` or `https://host:port`. */
  readonly url: string;
  /** May be left out when the certificate is bound to exactly one. */
  readonly merchantNumber?: string;
  /** TLS client certificate, its chain behind it, and its private key. */
  readonly certificate: string;
  readonly key: string;
  /** Of `key`, when it is encrypted. */
  readonly passphrase?: string;
  /** Signs requests; the TLS key when left out. */
  readonly signingKey?: string | KeyObject;
  /** As registered with the operator; SHA-256 of the public key when left out (see keyidOf). */
  readonly keyid?: string;
  readonly algorithm?: AlgorithmName;
  /** The authority of the gateway's TLS certificate. */
  readonly authority: string;
  /** Opens answers that are encrypted to us; the TLS key when left out, if it can. */
  readonly decryptionKeys?: readonly DecryptionKey[];
  /** The gateway's key to encrypt to; when left out, the current one that it publishes. */
  readonly encryptTo?: PinnedKey;
  /** For one delivery, connecting included; 30,000 when left out. */
  readonly timeoutMs?: number;
  /** Longest answer body; 8 MiB when left out. */
  readonly answerBytesMax?: number;
  /** Wall clock, ms since 1970. */
  readonly now?: () => number;
  /** Changes a signed request before it is sent: to rehearse refusals, in tests and with `hufu call`. */
  readonly rehearse?: (signed: WireRequest) => WireRequest;
};

/** A connection to the gateway as one merchant. */
export type MerchantClient = {
  /** Delivers a request once. Never throws for what the network or the gateway does: that is in the Answer. */
  readonly call: (request: CallRequest) => Promise<Answer>;
  /** Delivers the same request under the same key until its outcome is final; see callUntilFinal. */
  readonly callUntilFinal: (request: CallRequest, options?: UntilFinalOptions) => Promise<Answer>;
  /** Fetches the gateway's list of answer keys now; undefined when nobody we trust signed it. What is listed must still be pinned or vouched for. */
  readonly platformKeys: () => Promise<PlatformList | undefined>;
  /** Ends all connections. */
  readonly close: () => void;
};

const TIMEOUT_MS = 30_000;
const ANSWER_BYTES_MAX = 8 * 1024 * 1024;
const NONCE_BYTES = 16;

/** A fresh nonce: 22 characters of base64url. */
export const createNonce = (): string => randomBytes(NONCE_BYTES).toString('base64url');

/** The key that signs requests, with its keyid and algorithm. Throws a UserError when they do not fit together. */
export function readSigningKey(options: Pick<MerchantOptions, 'key' | 'passphrase' | 'signingKey' | 'keyid' | 'algorithm'>): SigningKey {
  const { passphrase, signingKey = createPrivateKey({ key: options.key, ...(passphrase !== undefined && { passphrase }) }) } = options;
  const key = typeof signingKey === 'string' ? createPrivateKey(signingKey) : signingKey;
  const algorithm = options.algorithm ?? defaultAlgorithm(key);
  const problem = findKeyProblem(algorithm, key);
  if (problem) throw new UserError(`the signing key does not fit: ${problem}`);
  return { key, algorithm, keyid: options.keyid ?? keyidOf(createPublicKey(key)) };
}

function checkPair(options: MerchantOptions): void {
  const { key, passphrase } = options;
  const privateKey = createPrivateKey({ key, ...(passphrase !== undefined && { passphrase }) });
  if (new X509Certificate(options.certificate).checkPrivateKey(privateKey)) return;
  throw new UserError('`key` is not the private key of `certificate` (the first one, when it holds a chain)');
}

/** By keyid. The TLS key is one of them unless others are given, since many merchants have no other. */
function readOwnKeys({ decryptionKeys, key, passphrase }: MerchantOptions): ReadonlyMap<string, JweKey> {
  const tls = createPrivateKey({ key, ...(passphrase !== undefined && { passphrase }) });
  const given = decryptionKeys ?? (jweAlgorithmOf(tls) ? [{ key: tls }] : []);
  return new Map(given.map(readDecryptionKey).map((own) => [own.keyid, own]));
}

/** Opens the way to the gateway. Throws a UserError when the options do not fit together; nothing is sent yet. */
export function createMerchant(options: MerchantOptions): MerchantClient {
  checkOptions(options);
  const { timeoutMs = TIMEOUT_MS, answerBytesMax = ANSWER_BYTES_MAX, now = Date.now, rehearse = (signed) => signed } = options;
  checkPair(options);
  const build = {
    named: createRequestBuilder(options.url, options.merchantNumber),
    unnamed: createRequestBuilder(options.url, undefined),
  };
  const exchange = createExchange({ ...options, url: new URL(options.url), timeoutMs, answerBytesMax });
  const signing = readSigningKey(options);
  const thumbprint = thumbprintOf(options.certificate);

  const sign = (request: CallRequest, naming: Naming = 'named', nonce = createNonce(), by = signing): WireRequest => {
    const unsigned = build[naming](request);
    const { rawHeaders } = signRequest(unsigned, by, { createdAtSeconds: Math.floor(now() / 1000), nonce });
    return { ...unsigned, rawHeaders };
  };
  /** Signs with a fresh nonce and sends; what comes back is not verified yet. */
  const deliver = async (request: CallRequest, naming: Naming) => {
    const sent = sign(request, naming);
    return { sent, received: await exchange.send(sent) };
  };
  const trust = createTrust(options, { deliver, thumbprint, now });

  const { merchantNumber } = options;
  const ownKeys = readOwnKeys(options);
  const gatewayKeys = createGatewayKeys(options, () => call(PLATFORM_CERTIFICATES), now);
  const held = createHeldKeys((request) => callOnce(request), now);
  const sealingKey = async ({ encryptUnder }: CallRequest): Promise<JweKey> =>
    encryptUnder === 'workingKey' ? wrappingKeyOf(await held.current('encryption')) : gatewayKeys.current();
  const seal = async (request: CallRequest, nonce: string): Promise<CallRequest> =>
    request?.encrypt === undefined ? request : sealRequest(request, await sealingKey(request), { merchantNumber, nonce });
  const signer = async (request: CallRequest): Promise<SigningKey> =>
    request?.signWith === 'workingKey' ? { ...(await held.current('mac')), algorithm: MAC_ALGORITHM } : signing;
  const findOwnKey = (keyid: string): JweKey | undefined => {
    const working = held.find(keyid);
    return working?.purpose === 'encryption' ? wrappingKeyOf(working) : ownKeys.get(keyid);
  };
  const opening = ({ method, path, idempotencyKey }: CallRequest, nonce: string): OpenBody => {
    const asked = { merchant: merchantNumber ?? '', method, target: path, request: idempotencyKey ?? nonce };
    return (body, isJose) => openAnswer(body, isJose, asked, findOwnKey);
  };

  const callOnce = async (request: CallRequest): Promise<Answer> => {
    try {
      const nonce = createNonce();
      const sent = rehearse(sign(await seal(request, nonce), 'named', nonce, await signer(request)));
      const received = await exchange.send(sent);
      const findKey = await trust.keysFor(received);
      const verdict = verifyAnswer(received, { request: sent, findKey, thumbprint, nowMs: now() });
      return answerOf(received, verdict, request.idempotencyKey !== undefined, opening(request, nonce));
    } catch (error) {
      if (error instanceof NoAnswer) return answerOfSilence(error.message, error.sent);
      if (error instanceof NotSignedIn)
        return { ...answerOfSilence(error.message, false), ...(error.answer.code && { code: error.answer.code }) };
      throw error;
    }
  };
  const call = gatewayKeys.following(held.retrying(callOnce));
  return {
    call,
    platformKeys: trust.fetch,
    callUntilFinal: (request, bounds) => callUntilFinal(call, request, bounds),
    close: exchange.close,
  };
}
