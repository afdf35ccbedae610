import type { X509Certificate } from 'node:crypto';
import { loadCertificateFile } from '../certificates/files.ts';
import { readPem } from '../certificates/pem.ts';
import { checkAuthorityPolicy } from '../certificates/policy.ts';
import { CertificateProblem } from '../certificates/problem.ts';
import type { CertificateFacts } from '../certificates/read.ts';
import { UserError } from '../lib/user-error.ts';

/** An authority whose certificates a listener accepts. One configured name may have several: a key and its successor. */
export type ListenerAuthority = {
  /** The name of the configuration; part of every binding. */
  readonly name: string;
  readonly certificate: X509Certificate;
  readonly facts: CertificateFacts;
};

/** As in the configuration; each path is a PEM file with one certificate. */
export type AuthorityFiles = { readonly name: string; readonly certificates: readonly string[] };

/**
 * Reads the authorities of a listener. They must be those that sign merchants' certificates themselves, not a root above them.
 * Throws a UserError that names the file for one that is missing, unreadable, no authority, too weak or given twice.
 */
export function loadAuthorities(list: readonly AuthorityFiles[]): ListenerAuthority[] {
  const authorities: ListenerAuthority[] = [];
  for (const { name, certificates } of list) {
    for (const file of certificates) {
      const authority = loadAuthority(name, file);
      // One key below two names would bind one certificate twice.
      const twin = authorities.find(({ facts }) => facts.publicKey.equals(authority.facts.publicKey));
      if (twin !== undefined)
        throw new UserError(`${file} has the key of another certificate of authority ${twin.name}: name each authority once`);
      authorities.push(authority);
    }
  }
  return authorities;
}

function loadAuthority(name: string, file: string): ListenerAuthority {
  const { facts, x509, pem } = loadCertificateFile(file);
  // A bundle would make every authority in it trusted, also a root above that has other purposes.
  if (readPem(pem, file).length > 1)
    throw new UserError(`${file} holds more than one certificate: put each trusted authority into its own file`);
  try {
    checkAuthorityPolicy(facts);
  } catch (cause) {
    throw cause instanceof CertificateProblem
      ? new UserError(`${file} cannot be used as authority ${name}: ${cause.reason}`, { cause })
      : cause;
  }
  return { name, certificate: x509, facts };
}

/**
 * TLS options that trust exactly these authorities. They are trusted as they are, without the root above them: else a
 * certificate from the root's other branches would pass.
 */
export function trustOptions(authorities: readonly ListenerAuthority[]): { readonly ca: string[]; readonly allowPartialTrustChain: true } {
  return { ca: authorities.map(({ certificate }) => certificate.toString()), allowPartialTrustChain: true };
}
