/** What a request presents as its signature, whatever the scheme. Nothing in it is proven. */
export type Presented = {
  readonly keyid: string;
  /** The algorithm the message names, if any; it can only confirm the key's record. */
  readonly algorithm?: string;
  readonly createdAtSeconds: number;
  readonly expiresAtSeconds?: number;
  readonly nonce: string;
  /** The text whose bytes (latin1) must have been signed. */
  readonly base: string;
  readonly signature: Buffer;
};
