import { findTime } from './accounting-date.ts';
import { CoreRefusal } from './answers.ts';
import { type FieldRule, oneOf, optional, readObject, text, whole, words } from './fields.ts';

/** Bounds of the OpenAPI document; the core checks them itself, whatever stands before it. */
export const AMOUNT_FEN_MAX = 999_999_999_999;
export const CURRENCIES: readonly string[] = ['CNY'];

const merchantNumber = optional(text(/^[0-9]{15}$/, '15 digits'));
const orderNo = text(/^[A-Za-z0-9_-]{1,32}$/, '1 to 32 letters, digits, _ and -');
const accountNo = text(/^[0-9]{8,32}$/, '8 to 32 digits');
const amountFen = whole(1, AMOUNT_FEN_MAX);
const currency = oneOf(...CURRENCIES);
/** Far from the year 10000, which RFC 3339 cannot say: the answer tells the same moment by another zone. */
const dateTime: FieldRule = {
  required: false,
  accepts: (value) => typeof value === 'string' && /^2[0-9]{3}-/.test(value) && findTime(value) !== undefined,
  expected: 'a time of RFC 3339 in the years 2000 to 2999',
};
const anyObject: FieldRule = { required: true, accepts: (value) => typeof value === 'object' && value !== null, expected: 'an object' };

const ORDER = {
  orderNo,
  merchantNumber,
  amountFen,
  currency,
  subject: words(1, 128),
  expiresAt: dateTime,
  scene: optional(oneOf('PC', 'H5', 'APP')),
};
const PAYMENT = { merchantNumber, amountFen, currency, method: oneOf('OWN_BANK'), payer: anyObject };
const PAYER = { accountNo };
const CLOSE = { reason: optional(words(1, 128)) };

export type OrderRequest = {
  readonly orderNo: string;
  readonly amountFen: number;
  readonly currency: string;
  readonly subject: string;
  readonly expiresAtMs?: number;
};
export type PaymentRequest = {
  readonly orderNo: string;
  readonly amountFen: number;
  readonly currency: string;
  readonly method: string;
  readonly payerAccountNo: string;
};
export type CloseRequest = { readonly orderNo: string; readonly reason?: string };

/** A body that repeats the merchant number must name the merchant of the assertion. */
function checkMerchant(fields: Record<string, unknown>, merchantNumber: string): void {
  if (fields.merchantNumber !== undefined && fields.merchantNumber !== merchantNumber) throw new CoreRefusal('MERCHANT_MISMATCH');
}

/** Reads an order number of a path. All readers here throw CoreRefusal SCHEMA_INVALID or MERCHANT_MISMATCH. */
export function readOrderNo(value: string | undefined): string {
  return readObject({ orderNo: value }, 'path', { orderNo }).orderNo as string;
}

export function readAccountNo(value: string | undefined): string {
  return readObject({ accountNo: value }, 'path', { accountNo }).accountNo as string;
}

export function readDerivedKey(value: string | undefined): string {
  return readObject({ derivedKey: value }, 'path', { derivedKey: text(/^[A-Za-z0-9_-]{43}$/, '43 characters of base64url') })
    .derivedKey as string;
}

export function readOrderRequest(body: unknown, merchantNumber: string): OrderRequest {
  const fields = readObject(body, '', ORDER);
  checkMerchant(fields, merchantNumber);
  const expiresAtMs = fields.expiresAt === undefined ? undefined : findTime(fields.expiresAt as string);
  return {
    orderNo: fields.orderNo as string,
    amountFen: fields.amountFen as number,
    currency: fields.currency as string,
    subject: fields.subject as string,
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
  };
}

export function readPaymentRequest(orderNo: string, body: unknown, merchantNumber: string): PaymentRequest {
  const fields = readObject(body, '', PAYMENT);
  checkMerchant(fields, merchantNumber);
  const payer = readObject(fields.payer, '/payer', PAYER);
  return {
    orderNo,
    amountFen: fields.amountFen as number,
    currency: fields.currency as string,
    method: fields.method as string,
    payerAccountNo: payer.accountNo as string,
  };
}

export function readCloseRequest(orderNo: string, body: unknown): CloseRequest {
  const fields = readObject(body, '', CLOSE);
  return { orderNo, ...(fields.reason === undefined ? {} : { reason: fields.reason as string }) };
}
