import { tell } from '../config/check-files.ts';
import type { MerchantKeyEntry } from '../config/merchant-schema.ts';
import type { Report } from '../config/problems.ts';
import type { YamlFile, YamlPath } from '../config/yaml-file.ts';
import { defaultAlgorithm, findKeyProblem } from '../protocol/algorithms.ts';
import { keyidOf } from '../protocol/keyid.ts';
import type { MerchantKey } from '../protocol/merchant.ts';
import type { MerchantFiles } from './merchant-files.ts';

/** Later than any certificate: RFC 5280 section 4.1.2.5, the end of the year 9999. */
const FOR_EVER_MS = Date.UTC(9999, 11, 31, 23, 59, 59);

/** A signing key of a merchant file; undefined after its problems were reported. */
export function readKey(
  entry: MerchantKeyEntry,
  number: string,
  source: YamlFile,
  path: YamlPath,
  files: MerchantFiles,
  report: Report,
): MerchantKey | undefined {
  const found = loadKey(entry, source, path, files, report);
  const [notBefore, notAfter] = [readMoment('notBefore', entry.notBefore), readMoment('notAfter', entry.notAfter)];
  if (!found || notBefore === undefined || notAfter === undefined) return undefined;
  const { publicKey } = found;
  const algorithm = entry.algorithm ?? tellNoAlgorithm(publicKey);
  const problem = algorithm && findKeyProblem(algorithm, publicKey);
  if (problem) report(source.problem([...path, entry.algorithm ? 'algorithm' : found.step], problem));
  const notBeforeMs = Math.max(notBefore ?? 0, found.notBeforeMs);
  const notAfterMs = Math.min(notAfter ?? FOR_EVER_MS, found.notAfterMs);
  if (notBeforeMs >= notAfterMs)
    report(source.problem(path, 'the key is never valid: notBefore and notAfter leave no time within the certificate'));
  if (!algorithm || problem) return undefined;
  return { keyid: entry.keyid ?? keyidOf(publicKey), algorithm, publicKey, merchantNumbers: [number], notBeforeMs, notAfterMs };

  function tellNoAlgorithm(key: MerchantKey['publicKey']): MerchantKey['algorithm'] | undefined {
    try {
      return defaultAlgorithm(key);
    } catch (error) {
      report(source.problem([...path, (found as Found).step], (error as Error).message));
      return undefined;
    }
  }

  /** null: not given. */
  function readMoment(key: 'notBefore' | 'notAfter', text: string | undefined): number | null | undefined {
    if (text === undefined) return null;
    const ms = Date.parse(text);
    if (!Number.isNaN(ms)) return ms;
    report(source.problem([...path, key], `${key}: there is no such day or time`));
    return undefined;
  }
}

type Found = Pick<MerchantKey, 'publicKey' | 'notBeforeMs' | 'notAfterMs'> & { readonly step: 'certificate' | 'publicKey' };

function loadKey(
  { certificate, publicKey }: MerchantKeyEntry,
  source: YamlFile,
  path: YamlPath,
  files: MerchantFiles,
  report: Report,
): Found | undefined {
  if ((certificate === undefined) === (publicKey === undefined)) {
    report(source.problem(path, 'expected either certificate or publicKey'));
    return undefined;
  }
  if (certificate !== undefined) {
    const facts = tell(() => files.loadCertificate(certificate), source, [...path, 'certificate'], report)?.facts;
    return facts && { publicKey: facts.publicKey, notBeforeMs: facts.notBeforeMs, notAfterMs: facts.notAfterMs, step: 'certificate' };
  }
  const key = tell(() => files.loadPublicKey(publicKey as string), source, [...path, 'publicKey'], report);
  return key && { publicKey: key, notBeforeMs: 0, notAfterMs: FOR_EVER_MS, step: 'publicKey' };
}
