import { generateKeyPairSync } from 'node:crypto';
import { problemReply, refusalFrom } from '../../src/pipeline/problem.ts';
import type { Stages } from '../../src/pipeline/stages.ts';
import { Refusal } from '../../src/protocol/errors.ts';
import { allHeaders, HEADER } from '../../src/protocol/headers.ts';
import type { Merchant } from '../../src/protocol/merchant.ts';
import type { Arrived, Identified, Reply, Routed, Sealed, Verified } from '../../src/protocol/messages.ts';
import type { Operation } from '../../src/protocol/operation.ts';
import type { Money } from '../../src/runtime/money.ts';

/** Nothing is signed in a simulation; the journal notes a key all the same. */
const STAND_IN_KEY = generateKeyPairSync('ed25519').publicKey;

/** Headers of a request that stands in for a signed one. */
const STAND_IN = { nonce: 'x-nonce', created: 'x-created' } as const;
/** How far from our clock a request may have been created, ms. */
export const WINDOW_MS = 300_000;

/** A merchant with a daily total and a bound on requests at once. */
export const limitedMerchant = (number: string, limitFen: number): Merchant =>
  ({
    number,
    name: number,
    status: 'active',
    channels: ['internet'],
    rules: [
      { kind: 'total', name: 'day', of: 'amount', per: 'day', scope: 'merchant', operations: [], currency: 'CNY', max: limitFen },
      { kind: 'concurrency', name: 'at once', scope: 'merchant', operations: [], max: 50 },
    ],
  }) as unknown as Merchant;

/** A payment as it would come off the wire, without a certificate and a signature. */
export type Payment = {
  readonly requestId: string;
  readonly merchantNumber: string;
  readonly orderNo: string;
  readonly key: string;
  readonly nonce: string;
  readonly amountFen: number;
  readonly createdMs: number;
  /** Account number. */
  readonly payer?: string;
};

export function arrivedPayment({ requestId, merchantNumber, orderNo, key, nonce, amountFen, createdMs, payer }: Payment): Arrived {
  const rawHeaders = [HEADER.contentType, 'application/json', HEADER.merchantNumber, merchantNumber, HEADER.idempotencyKey, key];
  rawHeaders.push(STAND_IN.nonce, nonce, STAND_IN.created, String(createdMs));
  return {
    requestId,
    receivedAtMs: createdMs,
    times: {},
    peer: { thumbprint: 'T' },
    channel: 'internet',
    address: '',
    method: 'POST',
    target: `/v1/orders/${orderNo}/payments`,
    rawHeaders,
    body: Buffer.from(JSON.stringify({ amountFen, currency: 'CNY', ...(payer ? { payer: { accountNo: payer } } : {}) })),
  } as unknown as Arrived;
}

const only = (arrived: Arrived, name: string): string => allHeaders(arrived.rawHeaders, name)[0] ?? '';

/** All stages: those before admission believe what a request says, but for its time; sealing signs nothing. `onFault` is told of every INTERNAL. */
export function standInStages(options: {
  readonly money: Pick<Money, 'stages' | 'evidence'>;
  readonly operation: Operation;
  readonly merchants: readonly Merchant[];
  readonly nowMs: () => number;
  readonly onFault: (cause: unknown) => void;
}): Stages {
  const { money, operation, merchants, nowMs } = options;
  const seal = ({ status, contentType, headers, body }: Reply): Sealed => ({
    status,
    rawHeaders: ['content-type', contentType, ...headers],
    body,
    connection: 'keep',
  });
  return {
    identify: (arrived) =>
      ({ ...arrived, merchant: merchants.find(({ number }) => number === only(arrived, HEADER.merchantNumber)) }) as Identified,
    route: (identified): Routed => ({
      ...identified,
      operation,
      accessRules: [],
      pathParameters: { orderNo: identified.target.split('/')[3] as string },
    }),
    bound: () => {},
    verify: (routed) => {
      if (Math.abs(nowMs() - Number(only(routed, STAND_IN.created))) > WINDOW_MS) throw new Refusal('TIMESTAMP_SKEW');
      const signed = {
        nonce: only(routed, STAND_IN.nonce),
        key: { keyid: 'stand-in', algorithm: 'ed25519', publicKey: STAND_IN_KEY },
        signature: Buffer.alloc(0),
        signedDigest: Buffer.alloc(0),
        signatureBase: '',
      };
      return { ...routed, ...signed } as unknown as Verified;
    },
    open: async (verified) => {
      const value = JSON.parse(verified.body.toString()) as { amountFen: number; currency: string };
      const access = { rule: 'P6', controls: [] };
      return { ...verified, value, ...value, access, mark: '', idempotencyKey: only(verified, HEADER.idempotencyKey) };
    },
    ...money.stages,
    seal: async (reached, reply) => {
      const sealed = seal(reply);
      money.evidence.appendAnswer(reached.requestId, sealed, '');
      return sealed;
    },
    refuse: async (reached, error) => {
      const refusal = refusalFrom(error);
      if (refusal.code === 'INTERNAL') options.onFault(refusal.options.cause);
      return seal(problemReply(refusal, reached.requestId));
    },
  };
}

/** What an answer says: the core's own, or the members of our problem document. */
export type Told = {
  readonly status: number;
  readonly code?: string;
  readonly outcome?: string;
  readonly retry?: string;
  readonly paymentNo?: string;
  /** The member `status` of the core's answer. */
  readonly means?: string;
  readonly isProblem: boolean;
  readonly replayed: boolean;
};

export function toldBy({ status, rawHeaders, body }: Sealed): Told {
  const { status: means, ...value } = JSON.parse(body.toString()) as Partial<Omit<Told, 'status'>> & { status?: string };
  return {
    ...value,
    ...(means === undefined ? {} : { means }),
    status,
    isProblem: allHeaders(rawHeaders, 'content-type')[0] === 'application/problem+json',
    replayed: allHeaders(rawHeaders, HEADER.idempotencyReplayed).length > 0,
  };
}
