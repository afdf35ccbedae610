import type { Report } from '../config/problems.ts';
import type { YamlFile, YamlPath } from '../config/yaml-file.ts';

/** Later than any certificate: RFC 5280 section 4.1.2.5, the end of the year 9999. */
export const FOR_EVER_MS = Date.UTC(9999, 11, 31, 23, 59, 59);

export type Validity = { readonly notBeforeMs: number; readonly notAfterMs: number };

/** `notBefore` and `notAfter` of an entry, without bounds where they are not given; undefined after their problems were reported. */
export function readValidity(
  written: { readonly notBefore?: string | undefined; readonly notAfter?: string | undefined },
  source: YamlFile,
  path: YamlPath,
  report: Report,
): Validity | undefined {
  const notBeforeMs = readMoment('notBefore', 0);
  const notAfterMs = readMoment('notAfter', FOR_EVER_MS);
  return notBeforeMs === undefined || notAfterMs === undefined ? undefined : { notBeforeMs, notAfterMs };

  function readMoment(key: 'notBefore' | 'notAfter', otherwise: number): number | undefined {
    const text = written[key];
    if (text === undefined) return otherwise;
    const ms = Date.parse(text);
    if (!Number.isNaN(ms)) return ms;
    report(source.problem([...path, key], `${key}: there is no such day or time`));
    return undefined;
  }
}
