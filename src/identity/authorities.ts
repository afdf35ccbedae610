import { X509Certificate } from 'node:crypto';
import { loadCertificateFile } from '../certificates/files.ts';
import { readPem } from '../certificates/pem.ts';
import { checkAuthorityPolicy, type PathPolicy, STANDARD_POLICY } from '../certificates/policy.ts';
import { CertificateProblem } from '../certificates/problem.ts';
import type { CertificateFacts } from '../certificates/read.ts';
import { sameKey } from '../lib/same-key.ts';
import { UserError } from '../lib/user-error.ts';
import { keyidOf } from '../protocol/keyid.ts';

/** An authority whose certificates a listener accepts. One configured name may have several: a key and its successor. */
export type ListenerAuthority = {
  /** The name of the configuration; part of every binding. */
  readonly name: string;
  readonly certificate: X509Certificate;
  readonly facts: CertificateFacts;
  /** The certificates above it, up to a self-signed root. They only complete the path: what they issue is not accepted. */
  readonly above: readonly X509Certificate[];
  /** What its merchants' certificates are held to. */
  readonly policy: PathPolicy;
  /** Name, key and policy in one text: a connection whose certificate was judged under another is not trusted any more. */
  readonly trust: string;
};

/** As in the configuration; each path is a PEM file with the authority that signs merchants' certificates, then those above it up to the root. */
export type AuthorityFiles = { readonly name: string; readonly certificates: readonly string[] };

/**
 * Reads the authorities of a listener.
 * Throws a UserError that names the file for one that is missing, unreadable, no authority, too weak, incomplete or given twice.
 */
export function loadAuthorities(list: readonly AuthorityFiles[], policy: PathPolicy = STANDARD_POLICY): ListenerAuthority[] {
  const authorities: ListenerAuthority[] = [];
  for (const { name, certificates } of list) {
    for (const file of certificates) {
      const authority = loadAuthority(name, file, policy);
      // One key below two names would bind one certificate twice.
      const twin = authorities.find(({ facts }) => sameKey(facts.publicKey, authority.facts.publicKey));
      if (twin !== undefined)
        throw new UserError(`${file} has the key of another certificate of authority ${twin.name}: name each authority once`);
      authorities.push(authority);
    }
  }
  return authorities;
}

function loadAuthority(name: string, file: string, policy: PathPolicy): ListenerAuthority {
  const { facts, x509, pem } = loadCertificateFile(file);
  try {
    checkAuthorityPolicy(facts, policy);
  } catch (cause) {
    throw cause instanceof CertificateProblem
      ? new UserError(`${file} cannot be used as authority ${name}: ${cause.reason}`, { cause })
      : cause;
  }
  const above = readAbove(pem, file);
  const depth = above.length + 2;
  if (depth > policy.chainDepthMax)
    throw new UserError(
      `${file} makes a path of ${depth} certificates from the merchant to the root, and identity.chainDepthMax is ${policy.chainDepthMax}: name a nearer authority, or raise the bound`,
    );
  return { name, certificate: x509, facts, above, policy, trust: JSON.stringify([name, keyidOf(facts.publicKey), policy]) };
}

/** TLS of Node takes no authority below a root on its own (tls.Server ignores allowPartialTrustChain), so the path is complete in the file. */
function readAbove(pem: string, file: string): X509Certificate[] {
  const chain = readPem(pem, file).map((der) => readX509(der, file));
  for (const [index, certificate] of chain.entries()) {
    const issuer = chain[index + 1] ?? certificate;
    if (certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)) continue;
    throw new UserError(
      `${file}: certificate ${index + 1} is not issued by ${issuer === certificate ? 'itself' : 'the next one'}: write the authority first, then each issuer, up to the self-signed root`,
    );
  }
  return chain.slice(1);
}

function readX509(der: Buffer, file: string): X509Certificate {
  try {
    return new X509Certificate(der);
  } catch (cause) {
    throw new UserError(`${file} holds a certificate that cannot be read: write it again as PEM`, { cause });
  }
}

/**
 * TLS options under which OpenSSL can verify what these authorities issued. OpenSSL alone would also let pass what the root issues
 * elsewhere; readPeer accepts only what an authority of the list signed itself.
 */
export function trustOptions(authorities: readonly ListenerAuthority[]): { readonly ca: string[] } {
  return { ca: authorities.flatMap(({ certificate, above }) => [certificate, ...above]).map(String) };
}

/** Whether two lists make no difference to anybody: the same certificates under the same names and policy. */
export const sameAuthorities = (a: readonly ListenerAuthority[], b: readonly ListenerAuthority[]): boolean =>
  JSON.stringify(a.map(describe)) === JSON.stringify(b.map(describe));

const describe = ({ trust, certificate, above }: ListenerAuthority): readonly string[] => [trust, ...[certificate, ...above].map(String)];
