/** Header names of the contract, lower case. */
export const HEADER = {
  merchantNumber: 'merchant-number',
  idempotencyKey: 'idempotency-key',
  idempotencyReplayed: 'idempotency-replayed',
  contentDigest: 'content-digest',
  contentType: 'content-type',
  signature: 'signature',
  signatureInput: 'signature-input',
  retryAfter: 'retry-after',
  rateLimit: 'ratelimit',
  rateLimitPolicy: 'ratelimit-policy',
  hufuRequestId: 'hufu-request-id',
  hufuCertificate: 'hufu-certificate',
  hufuVerified: 'hufu-verified',
  hufuResolved: 'hufu-resolved',
  hufuOutcome: 'hufu-outcome',
  hufuRequestDigest: 'hufu-request-digest',
  hufuMerchantNumber: 'hufu-merchant-number',
  hufuChannel: 'hufu-channel',
  hufuAssertion: 'hufu-assertion',
  traceparent: 'traceparent',
} as const;

/** Request headers that a signature must cover whenever they are sent (contract.md section 3). */
export const COVERED_WHEN_SENT: readonly string[] = [HEADER.merchantNumber, HEADER.idempotencyKey, 'range'];

/** Answer headers that a signature covers whenever they are present, beside every `hufu-*` (contract.md section 4). */
export const ANSWER_COVERED: readonly string[] = [
  HEADER.contentType,
  HEADER.idempotencyReplayed,
  HEADER.retryAfter,
  HEADER.rateLimit,
  HEADER.rateLimitPolicy,
  'location',
  'content-range',
];

export const isCoveredAnswerHeader = (name: string): boolean => name.startsWith('hufu-') || ANSWER_COVERED.includes(name);

/** Label and tags of our signatures (contract.md sections 3 and 4). */
export const SIGNATURE_LABEL = 'hufu';
export const TAG = { request: 'hufu-request', response: 'hufu-response', refusal: 'hufu-refusal' } as const;

/** All values sent under a name, in order. `rawHeaders` alternates name and value, as Node gives it. */
export function allHeaders(rawHeaders: readonly string[], name: string): string[] {
  const values: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    if ((rawHeaders[i] as string).toLowerCase() === name) values.push(rawHeaders[i + 1] as string);
  }
  return values;
}

/** The value of a header that may be sent once; undefined when absent. The caller refuses duplicates first (see listeners/bounds). */
export function findHeader(rawHeaders: readonly string[], name: string): string | undefined {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    if ((rawHeaders[i] as string).toLowerCase() === name) return rawHeaders[i + 1] as string;
  }
  return undefined;
}
