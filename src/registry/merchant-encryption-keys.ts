import type { MerchantFile } from '../config/merchant-schema.ts';
import type { Report } from '../config/problems.ts';
import type { YamlFile } from '../config/yaml-file.ts';
import { jweAlgorithmOf } from '../protocol/jwe/key-management.ts';
import { keyidOf } from '../protocol/keyid.ts';
import type { MerchantEncryptionKey } from '../protocol/merchant.ts';
import type { MerchantFiles } from './merchant-files.ts';
import { loadKey } from './merchant-keys.ts';
import { readValidity } from './validity.ts';

/** The keys that answers to a merchant are encrypted to, in the order of its file. Everything wrong is reported. */
export function readEncryptionKeys(written: MerchantFile, source: YamlFile, files: MerchantFiles, report: Report): MerchantEncryptionKey[] {
  const keys: MerchantEncryptionKey[] = [];
  for (const [index, entry] of written.encryptionKeys.entries()) {
    const path = ['encryptionKeys', index];
    const found = loadKey(entry, source, path, files, report);
    const validity = readValidity(entry, source, path, report);
    if (!found || !validity) continue;
    const algorithm = jweAlgorithmOf(found.publicKey);
    const keyid = entry.keyid ?? keyidOf(found.publicKey);
    if (!algorithm)
      report(source.problem([...path, found.step], 'this key cannot be encrypted to; use RSA of at least 2048 bits, P-256 or P-384'));
    else if (keys.some((other) => other.keyid === keyid)) report(source.problem(path, `the keyid ${keyid} is listed twice`));
    else {
      const notBeforeMs = Math.max(validity.notBeforeMs, found.notBeforeMs);
      keys.push({ keyid, algorithm, key: found.publicKey, notBeforeMs, notAfterMs: Math.min(validity.notAfterMs, found.notAfterMs) });
    }
  }
  return keys;
}
