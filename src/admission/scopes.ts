import { createHmac } from 'node:crypto';
import { lengthPrefixed } from '../lib/bytes.ts';
import { SHARED_MARK } from '../ports/store.ts';
import { type LimitScope, SHARED_SCOPES } from '../protocol/merchant.ts';

/** What tells whose counter a request belongs to. */
export type ScopeFacts = {
  readonly operationId: string;
  /** Address of the peer, as text. */
  readonly address: string;
  /** A keyed hash of who pays; undefined when the request does not say. */
  readonly payer: string | undefined;
};

type ScopeRow = {
  /** What has to be known of each request; without it the counter's name is made once. */
  readonly needs?: 'payer' | 'address';
  readonly label: (facts: ScopeFacts) => string;
};

/** What each scope counts together. */
export const SCOPES: Readonly<Record<LimitScope, ScopeRow>> = {
  merchant: { label: () => 'merchant' },
  'merchant+operation': { label: ({ operationId }) => `operation=${operationId}` },
  'merchant+payer': { needs: 'payer', label: ({ payer }) => `payer=${payer}` },
  operation: { label: ({ operationId }) => `operation=${operationId}` },
  payer: { needs: 'payer', label: ({ payer }) => `payer=${payer}` },
  address: { needs: 'address', label: ({ address }) => `address=${address}` },
  platform: { label: () => 'platform' },
};

/**
 * Names a counter by what it counts, never by the rule's name: a renamed rule must not begin at 0 (contract.md section 5).
 * `parts` are kind, period and currency; the operations stand last, in one order.
 */
export function counterOf(parts: readonly string[], scope: LimitScope, operations: readonly string[], facts: ScopeFacts): string {
  const { label } = SCOPES[scope];
  const set = operations.length === 0 ? '*' : [...operations].sort().join(',');
  return `${SHARED_SCOPES.includes(scope) ? SHARED_MARK : ''}${[...parts, label(facts), set].join(':')}`;
}

/** Characters of base64url that are kept: 132 bits. */
const NAME_CHARACTERS = 22;

/** Stands for a value that can be guessed, such as an account number: HMAC-SHA-256, bound to what it is. */
export const keyedName = (key: Uint8Array, what: 'payer' | 'device', value: string): string =>
  createHmac('sha256', key)
    .update(lengthPrefixed([what, value]))
    .digest('base64url')
    .slice(0, NAME_CHARACTERS);

/** Names a payer in counters and to the risk service. Never the number itself. */
export const payerHash = (key: Uint8Array, payer: string): string => keyedName(key, 'payer', payer);
