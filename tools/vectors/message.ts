import type { KeyName, VectorAlgorithm } from './keys.ts';

export type HeaderPair = readonly [name: string, value: string];

/** A request on the wire; the body is text whose bytes are latin1. */
export type Message = { readonly method: string; readonly target: string; readonly headers: readonly HeaderPair[]; readonly body: string };

/** What a request says; each scheme puts it into its form. */
export type Draft = {
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly body: string;
  readonly createdAtSeconds: number;
  readonly nonce: string;
  readonly keyid: string;
};

export type Signed = {
  readonly message: Message;
  /** The bytes that are signed. */
  readonly base: Buffer;
  readonly signature: Buffer;
  /** CMS: the block and the body, whose digest stands in what is signed. */
  readonly content?: Buffer;
};

/** One kind of vector. */
export type Form = {
  readonly scheme: string;
  readonly name: string;
  readonly about: string;
  readonly algorithm: VectorAlgorithm;
  readonly key: KeyName;
  readonly draft: Draft;
  /** Writes and signs a request in this form. */
  readonly make: (draft: Draft, sign: (base: Buffer) => Buffer) => Signed;
};

export const NOW_SECONDS = 1_790_000_000;
export const MERCHANT = '800000000000001';
export const HOST = 'gateway.example';
export const SERIAL_NUMBER = '0A1B2C3D4E5F60718293A4B5C6D7E8F9';
export const ALIPAY_SERIAL = '0123456789abcdef0123456789abcdef';
export const OPERATION = 'orders.create';
/** "Dragon well tea" in Chinese, so that characters beyond ASCII are signed too. */
const BODY = '{"orderNo":"A-1","amountFen":1999,"currency":"CNY","subject":"\xe9\xbe\x99\xe4\xba\x95\xe8\x8c\xb6"}';

export const POST: Draft = {
  ...{ method: 'POST', target: '/v1/orders', host: HOST, body: BODY },
  ...{ createdAtSeconds: NOW_SECONDS, nonce: 'AAECAwQFBgcICQoLDA0ODw', keyid: 'key-of-the-merchant' },
};
export const GET: Draft = { ...POST, method: 'GET', target: '/v1/orders/A-1?expand=payments', body: '' };

export const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
