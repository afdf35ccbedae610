import { type Answer, failure, success } from './answers.ts';
import type { Database } from './ledger/database.ts';

type Execution = {
  readonly status: string;
  readonly httpStatus: number;
  readonly body: Uint8Array;
  readonly orderNo: string;
  readonly amountFen: number | null;
  readonly currency: string | null;
};

/**
 * executions.get: what became of a derived key of this merchant.
 *
 * Takes the write lock: while an execution is under way the query waits for it, so that "not found" means that nothing
 * under the key has begun before the question. Asked after the expiry of every assertion of the key it is final.
 */
export function getExecution(database: Database, merchantNumber: string, derivedKey: string): Promise<Answer> {
  return database.writeLocked(() => {
    const execution = database.find<Execution>(
      `SELECT status, http_status AS httpStatus, body, order_no AS orderNo, amount_fen AS amountFen, currency FROM executions
       WHERE merchant_number = ? AND derived_key = ?`,
      merchantNumber,
      derivedKey,
    );
    if (!execution) return failure('EXECUTION_NOT_FOUND');
    return success(200, {
      status: execution.status,
      httpStatus: execution.httpStatus,
      body: JSON.parse(Buffer.from(execution.body).toString('utf8')),
      merchantNumber,
      orderNo: execution.orderNo,
      ...(execution.amountFen === null ? {} : { amountFen: execution.amountFen }),
      ...(execution.currency === null ? {} : { currency: execution.currency }),
    });
  });
}
