import { ERROR_CODES, errorRow } from '../src/protocol/errors.ts';
import type { Retry } from '../src/protocol/outcome.ts';

const RETRY: Readonly<Record<Retry, string>> = {
  never: 'do not send it again',
  fix_request: 'mend the request; the same key may be used',
  same_key_later: 'send the same request again later, with the same `Idempotency-Key` and a fresh nonce',
  query_first: 'query the order, or send the same key again; never a new key before the old one has a final answer',
  new_key: 'this key is final; a new business order needs a new key',
};

const HEAD = `# Refusals

Generated from \`src/protocol/error-table.ts\` by \`npm run docs\`; \`npm test\` checks that it is current.

Every refusal is a problem document (RFC 9457, \`application/problem+json\`), signed and bound to your request like any other answer:

| member | meaning |
|---|---|
| \`code\` | stable, one of the table below; branch on it |
| \`status\`, \`title\`, \`detail\` | the HTTP status and sentences for people |
| \`outcome\` | what is known about your \`Idempotency-Key\`: \`not_executed\` (nothing ran), \`failed\` (final), \`unknown\` (an earlier delivery of the key may be running) |
| \`retry\` | what to do next, see below |
| \`requestId\` | name it when you ask us |

Limits add \`limit\`, \`used\`, \`reserved\`, \`resetsAt\`; amounts are fen (分). \`SCHEMA_INVALID\` adds \`problems\`; \`SIGNATURE_MISMATCH\`, \`TIMESTAMP_SKEW\` and \`KEY_UNKNOWN\` add what we computed and the name of the mistake: [signature-doctor.md](signature-doctor.md).

Unsigned are only the answers of the HTTP parser, which close the connection (400, 408, 413, 431), and connections that are closed without an answer: no certificate of ours, a failed handshake, \`CONNECT\`, a certificate whose refusals exceed its signing budget. Behind a balancer that ends TLS these closed connections are an empty 403, since a balancer would take a closed one for a broken gateway.

## What \`retry\` says
`;

const cell = (text: string): string => text.replaceAll('|', '\\|');

/** docs/errors.md. */
export function errorsDocument(): string {
  const retries = Object.entries(RETRY).map(([name, text]) => `- \`${name}\`: ${text}`);
  const rows = ERROR_CODES.map((code) => {
    const { status, stage, title, outcome, retry, advice } = errorRow(code);
    return `| \`${code}\` | ${status} | ${stage} | ${cell(title)} | \`${outcome}\` | \`${retry}\` | ${cell(advice)} |`;
  });
  return [
    HEAD + retries.join('\n'),
    '',
    '## Codes',
    '',
    '| code | status | stage | what happened | outcome | retry | what to do |',
    '|---|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}
