import { alipaySerialOf } from '../certificates/alipay-serial.ts';
import { tell } from '../config/check-files.ts';
import type { MerchantKeyEntry } from '../config/merchant-schema.ts';
import type { Report } from '../config/problems.ts';
import type { YamlFile, YamlPath } from '../config/yaml-file.ts';
import { defaultAlgorithm, findKeyProblem } from '../protocol/algorithms.ts';
import { keyidOf } from '../protocol/keyid.ts';
import type { MerchantKey } from '../protocol/merchant.ts';
import type { MerchantFiles } from './merchant-files.ts';
import { FOR_EVER_MS, readValidity } from './validity.ts';

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
  const written = readValidity(entry, source, path, report);
  if (!found || !written) return undefined;
  const { publicKey } = found;
  const algorithm = entry.algorithm ?? tellNoAlgorithm(publicKey);
  const problem = algorithm && findKeyProblem(algorithm, publicKey);
  if (problem) report(source.problem([...path, entry.algorithm ? 'algorithm' : found.step], problem));
  const notBeforeMs = Math.max(written.notBeforeMs, found.notBeforeMs);
  const notAfterMs = Math.min(written.notAfterMs, found.notAfterMs);
  if (notBeforeMs >= notAfterMs)
    report(source.problem(path, 'the key is never valid: notBefore and notAfter leave no time within the certificate'));
  if (!algorithm || problem) return undefined;
  const { certificate } = found;
  return {
    keyid: entry.keyid ?? keyidOf(publicKey),
    algorithm,
    publicKey,
    ...(certificate && { certificate }),
    merchantNumbers: [number],
    notBeforeMs,
    notAfterMs,
    ...(entry.environment !== undefined && { environment: entry.environment }),
  };

  function tellNoAlgorithm(key: MerchantKey['publicKey']): MerchantKey['algorithm'] | undefined {
    try {
      return defaultAlgorithm(key);
    } catch (error) {
      report(source.problem([...path, (found as Found).step], (error as Error).message));
      return undefined;
    }
  }
}

type Found = Pick<MerchantKey, 'publicKey' | 'certificate' | 'notBeforeMs' | 'notAfterMs'> & { readonly step: 'certificate' | 'publicKey' };

/** The public key of an entry, from its certificate or its own file; undefined after the problem was reported. */
export function loadKey(
  { certificate, publicKey }: Pick<MerchantKeyEntry, 'certificate' | 'publicKey'>,
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
    if (!facts) return undefined;
    const { serialNumber, issuer, thumbprint, notBeforeMs, notAfterMs } = facts;
    const handles = { serialNumber, issuer, thumbprint, alipaySerial: alipaySerialOf(facts) };
    return { publicKey: facts.publicKey, certificate: handles, notBeforeMs, notAfterMs, step: 'certificate' };
  }
  const key = tell(() => files.loadPublicKey(publicKey as string), source, [...path, 'publicKey'], report);
  return key && { publicKey: key, notBeforeMs: 0, notAfterMs: FOR_EVER_MS, step: 'publicKey' };
}
