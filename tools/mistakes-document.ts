import { ALL_MISTAKES } from '../src/protocol/mistakes/find.ts';

const HEAD = `# The signature doctor (签名诊断)

Generated from \`src/protocol/mistakes/\` by \`npm run docs\`; \`npm test\` checks that it is current.

When the signature of a request does not hold, the signed 401 says what we computed and, where it is proven, which mistake was made. Only the
merchant gets this: its certificate has been proven by then, and the key that the request names is its own. Everything told is computed from the
merchant's own request and public keys; there is nothing in it with which a signature could be completed. Schemes with secret keys (MACs) are not explained.

| member of the problem document | meaning |
|---|---|
| \`mistake\` | the stable name of the mistake, one of the table below; absent when none is proven |
| \`hint\` | a sentence about it |
| \`signatureBase.length\`, \`.sha256\` | the text we verified: bytes, and SHA-256 in hexadecimal as \`sha256sum\` prints it |
| \`signatureBase.text\` | its first 1024 bytes |
| \`signatureBase.lines\` | of each line the name, and length and SHA-256 of its value: the first that differs from yours is the one to look at |
| \`body.length\`, \`body.sha256\` | the body we received, where it is not the one of \`Content-Digest\` |
| \`now\`, \`offsetSeconds\`, \`windowSeconds\` | our clock, how far the request's time is from it (positive: ahead), and how far it may be |

A mistake is proven by the signature itself: it holds over what the mistake would have made of this request. So a name is never a guess, and a mistake
that combines two of them has none. Looking for it takes at most 64 hashes and verifications for one request, and \`doctor.attemptsPerSecond\` for one
certificate ([config.md](config.md)); beyond that the request is refused just the same, without a name.

\`npx hufu verify --explain\` finds the same mistakes offline, from the message in files, by the same table.
For keys of a test system say \`environment: test\` at the key in the merchant file: it never counts, and a request signed with it is told so.

## Mistakes
`;

const cell = (text: string): string => text.replaceAll('|', '\\|');

/** docs/signature-doctor.md. A mistake that is seen in two places stands once, with both sentences. */
export function mistakesDocument(): string {
  const hints = new Map<string, string>();
  for (const { id, hint } of ALL_MISTAKES) hints.set(id, hints.has(id) ? `${hints.get(id)} Or: ${hint}` : hint);
  const rows = [...hints].map(([id, hint]) => `| \`${id}\` | ${cell(hint)} |`);
  return [HEAD, '| `mistake` | what happened |', '|---|---|', ...rows, ''].join('\n');
}
