import { type Answer, CoreRefusal, type Reply, replyOf } from './answers.ts';
import type { Assertion } from './assertion.ts';
import { hasSettlement } from './ledger/accounts.ts';
import type { Database } from './ledger/database.ts';
import type { Scope } from './orders.ts';

/** A write that was read and is ready to run. */
export type Work = {
  /** What the request is about, for the query and the audit. */
  readonly subject: { readonly orderNo: string; readonly amountFen?: number; readonly currency?: string };
  readonly run: (scope: Scope) => Answer;
};

/** The assertion of a write: it has a key. */
export type KeyedAssertion = Assertion & { readonly derivedKey: string };

type Kept = {
  readonly method: string;
  readonly target: string;
  readonly bodyDigest: string;
  readonly httpStatus: number;
  readonly body: Uint8Array;
};

/** The stored answer of the same request; a refusal for another one under the same key. */
function findKept(database: Database, assertion: KeyedAssertion): Reply | undefined {
  const kept = database.find<Kept>(
    `SELECT method, target, body_digest AS bodyDigest, http_status AS httpStatus, body FROM executions
     WHERE merchant_number = ? AND derived_key = ?`,
    assertion.merchantNumber,
    assertion.derivedKey,
  );
  if (!kept) return undefined;
  const isSame = kept.method === assertion.method && kept.target === assertion.target && kept.bodyDigest === assertion.bodyDigest;
  if (!isSame) throw new CoreRefusal('IDEMPOTENCY_KEY_REUSED');
  return { status: kept.httpStatus, body: Buffer.from(kept.body), replayed: true };
}

function keep(database: Database, assertion: KeyedAssertion, work: Work, answer: Answer, reply: Reply, nowMs: number): void {
  const { merchantNumber, derivedKey } = assertion;
  const { orderNo, amountFen, currency } = work.subject;
  database.run(
    `INSERT INTO runs (merchant_number, derived_key, operation, order_no, request_id, certificate, begun_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)`,
    merchantNumber,
    derivedKey,
    assertion.operationId,
    orderNo,
    assertion.requestId,
    assertion.certificate,
    nowMs,
  );
  database.run(
    `INSERT INTO executions (merchant_number, derived_key, method, target, body_digest, status, http_status, body, order_no, amount_fen,
       currency, executed_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    merchantNumber,
    derivedKey,
    assertion.method,
    assertion.target,
    assertion.bodyDigest,
    answer.means,
    reply.status,
    reply.body,
    orderNo,
    amountFen ?? null,
    currency ?? null,
    nowMs,
  );
}

/**
 * Does a request once for each (merchant, derived key): a repeat gets the stored bytes, marked as replayed, whether the
 * first succeeded or failed; another body or path under the key is refused.
 *
 * ONE transaction that holds the write lock checks the expiry, claims the key, runs the work and stores the answer that
 * the query reads: nothing begins after the expiry, and from its beginning on no query says "not found". The clock is read
 * after the lock was won, since waiting for it takes time.
 */
export function executeOnce(database: Database, assertion: KeyedAssertion, work: Work, clock: () => number): Promise<Reply> {
  return database.writeLocked(() => {
    const nowMs = clock();
    if (nowMs >= assertion.expiresAtMs) throw new CoreRefusal('ASSERTION_EXPIRED');
    const kept = findKept(database, assertion);
    if (kept) return kept;
    const { merchantNumber, derivedKey } = assertion;
    if (!hasSettlement(database, merchantNumber)) throw new CoreRefusal('MERCHANT_UNKNOWN');
    const answer = work.run({ database, merchantNumber, nowMs, journalKey: `${merchantNumber}:${derivedKey}` });
    const reply = replyOf(answer);
    keep(database, assertion, work, answer, reply, nowMs);
    return reply;
  });
}
