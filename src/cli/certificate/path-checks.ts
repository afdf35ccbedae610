import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { authorityFiles } from '../../certificates/authority.ts';
import { readIndex, standingOf } from '../../certificates/authority-index.ts';
import { AUTHORITY_NAMES } from '../../certificates/issuing-rules.ts';
import { findLeafProblems, isWithinValidity, type PathPolicy, STANDARD_POLICY } from '../../certificates/policy.ts';
import type { CertificateFacts } from '../../certificates/read.ts';
import { type ListenerAuthority, loadAuthorities } from '../../identity/authorities.ts';
import { sameName } from '../../protocol/distinguished-name.ts';
import { locate, readOnly } from '../locate.ts';
import { directoryOf, type SharedOptions } from './shared.ts';

/** By what a certificate is judged: the authorities and switches of a gateway.yaml, or those of the certificates directory alone. */
export type PathChecks = { readonly authorities: readonly ListenerAuthority[]; readonly policy: PathPolicy; readonly directory: string };

/** Throws what is wrong with a configuration that was named or found. */
export function pathChecksOf(options: SharedOptions & { config?: string }): PathChecks {
  const directory = directoryOf(options);
  const places = locate(options, process.env);
  // A directory named by hand is judged by itself: the configuration found by chance may be about another one.
  if (places.config !== undefined && (options.config !== undefined || options.directory === undefined)) {
    const config = readOnly(places, process.env);
    return { authorities: loadAuthorities(config.authorities, config.identity), policy: config.identity, directory };
  }
  const file = authorityFiles(directory, 'merchants').certificate;
  const authorities = existsSync(file) ? loadAuthorities([{ name: 'merchants', certificates: [file] }]) : [];
  return { authorities, policy: STANDARD_POLICY, directory };
}

/** Everything for which a merchant would be refused with a certificate, in the words of the refusals. */
export function findPathProblems(der: Buffer, facts: CertificateFacts, checks: PathChecks, nowMs: number): string[] {
  const problems = [...findLeafProblems(facts, checks.policy)];
  if (!isWithinValidity(facts, nowMs)) problems.push('the certificate has expired or is not valid yet');
  problems.push(...findIssuerProblems(new X509Certificate(der), facts, checks), ...findRevocation(facts, checks, nowMs));
  return problems;
}

function findIssuerProblems(certificate: X509Certificate, facts: CertificateFacts, { authorities }: PathChecks): string[] {
  if (authorities.length === 0) return ['no authority is known to judge by: name a gateway.yaml with --config'];
  const issuer = authorities.find((authority) => isIssuedBy(certificate, authority.certificate));
  if (issuer === undefined)
    return [`none of the authorities that merchants may come from (${authorities.map(({ name }) => name).join(', ')}) issued it`];
  return sameName(facts.issuer, issuer.facts.subject) ? [] : ['the issuer is not spelt as its authority is'];
}

function isIssuedBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  try {
    return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
  } catch {
    // An algorithm that does not fit the key.
    return false;
  }
}

function findRevocation({ serialNumber, thumbprint }: CertificateFacts, { directory }: PathChecks, nowMs: number): string[] {
  for (const name of AUTHORITY_NAMES) {
    const index = readIndex(authorityFiles(directory, name).index);
    const entry = index.issued.get(serialNumber);
    if (entry?.thumbprint !== thumbprint) continue;
    const revoked = index.revoked.get(serialNumber);
    return revoked ? [`the certificate is ${standingOf(entry, index, nowMs)} since ${revoked.at} (${revoked.reason})`] : [];
  }
  return [];
}
