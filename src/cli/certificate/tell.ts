import type { IssuedEntry } from '../../certificates/authority-index.ts';
import { printable } from '../../lib/table.ts';
import type { SharedOptions } from './shared.ts';

/** Says what was issued and what to do with it. */
export function tellIssued(entry: IssuedEntry, file: string, { json }: SharedOptions, key?: string): void {
  const { serial, subject, notAfter, keyid, thumbprint, replaces } = entry;
  if (json) {
    console.log(
      JSON.stringify({
        certificate: file,
        ...(key && { key }),
        serial,
        subject,
        notAfter,
        keyid,
        thumbprint,
        ...(replaces && { replaces }),
      }),
    );
    return;
  }
  const lines = [
    `${file}  ${printable(subject)}`,
    `serial ${serial}, valid until ${notAfter}`,
    ...(key ? [`key ${key}: hand it over safely, or better, let the merchant make it`] : []),
  ];
  // The very line that a merchant file needs, so that nobody types a name by hand.
  if (entry.profile === 'merchant' && !replaces)
    lines.push('', 'In the merchant file:', 'names:', `  - subject: ${JSON.stringify(subject)}`);
  if (replaces) lines.push(`succeeds ${replaces}, which stays valid until it ends or is revoked`);
  console.log(lines.join('\n'));
}
