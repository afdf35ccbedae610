import { checkKeyBelongs, loadCertificateFile, loadPrivateKey } from '../../certificates/files.ts';
import { readPem } from '../../certificates/pem.ts';
import { checkLeafPolicy } from '../../certificates/policy.ts';
import { CertificateProblem } from '../../certificates/problem.ts';
import type { CertificateFacts } from '../../certificates/read.ts';
import { UserError } from '../../lib/user-error.ts';
import { printName } from '../../protocol/distinguished-name.ts';
import { bad, dayOf, type Finding, note, ok } from './finding.ts';

const SOON_MS = 30 * 86_400_000;

/** Our certificate and key as the files have them: readable, valid now, fit for TLS clients, belonging together. */
export function inspectOwnFiles(certificate: string, key: string, nowMs: number): Finding[] {
  try {
    const { facts, pem } = loadCertificateFile(certificate);
    const count = readPem(pem, certificate).length;
    return [
      ok('our certificate', `${printName(facts.subject)}, serial ${facts.serialNumber}`),
      validityOf(facts, nowMs),
      usageOf(facts),
      keyOf(facts, certificate, key),
      ok('chain sent', count === 1 ? 'the certificate alone' : `the certificate and ${count - 1} above it`),
    ];
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return [bad('our certificate', error.message)];
  }
}

function validityOf({ notBeforeMs, notAfterMs }: CertificateFacts, nowMs: number): Finding {
  if (nowMs > notAfterMs)
    return bad('our validity', `it has expired on ${dayOf(notAfterMs)}: renew it; the same name needs no change at the gateway`);
  if (nowMs < notBeforeMs) return bad('our validity', `it is not valid before ${dayOf(notBeforeMs)}: wait, or set this machine's clock`);
  const text = `until ${dayOf(notAfterMs)}`;
  return notAfterMs - nowMs < SOON_MS ? note('our validity', `${text}: renew it soon`) : ok('our validity', text);
}

function usageOf(facts: CertificateFacts): Finding {
  try {
    checkLeafPolicy(facts);
    return ok('our usage', 'fit for a TLS client');
  } catch (error) {
    if (!(error instanceof CertificateProblem)) throw error;
    return bad('our usage', `${error.reason}: ask for a certificate for TLS clients`);
  }
}

function keyOf(facts: CertificateFacts, certificate: string, file: string): Finding {
  try {
    checkKeyBelongs(facts, loadPrivateKey(file), { certificate, key: file });
    return ok('our key', 'belongs to the certificate');
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return bad('our key', error.message);
  }
}
