import { isDevelopmentCertificate } from '../certificates/development-set.ts';
import { tell } from '../config/check-files.ts';
import { describe } from '../config/check-shape.ts';
import type { MerchantName } from '../config/merchant-schema.ts';
import type { Report } from '../config/problems.ts';
import { hint } from '../config/suggest.ts';
import type { YamlFile, YamlPath } from '../config/yaml-file.ts';
import { bindingKeyOf, type DistinguishedName, parseName } from '../protocol/distinguished-name.ts';
import type { MerchantFiles } from './merchant-files.ts';
import type { Binding } from './snapshot.ts';
import { readValidity } from './validity.ts';

/** A name in a merchant file: its binding key and the terms of the binding. */
export type FoundName = Omit<Binding, 'merchantNumber'> & { readonly key: string };

/** The binding of a name in a merchant file; undefined after its problems were reported. */
export function readBinding(
  name: MerchantName,
  source: YamlFile,
  path: YamlPath,
  files: MerchantFiles,
  report: Report,
): FoundName | undefined {
  const authority = readAuthority(name.authority, source, path, files.authorityNames, report);
  const subject = readSubject(name, source, path, files, report);
  const validity = readValidity(name, source, path, report);
  if (authority === undefined || subject === undefined || validity === undefined) return undefined;
  if (validity.notBeforeMs >= validity.notAfterMs) report(source.problem(path, 'the name is never bound: notAfter is not after notBefore'));
  const { certificateNotAfterMs } = subject;
  return {
    key: bindingKeyOf(authority, subject.name),
    ...validity,
    pins: name.pins,
    ...(certificateNotAfterMs !== undefined && { certificateNotAfterMs }),
  };
}

/** The authority that is named, or the only one there is; undefined after its problem was reported. */
export function readAuthority(
  name: string | undefined,
  source: YamlFile,
  path: YamlPath,
  known: readonly string[],
  report: Report,
): string | undefined {
  if (name === undefined && known.length === 1) return known[0];
  if (name === undefined) report(source.problem(path, `authority is missing: expected one of ${known.join(', ')}`));
  else if (!known.includes(name))
    report(source.problem([...path, 'authority'], `there is no authority ${describe(name)} in gateway.yaml${hint(name, known)}`));
  else return name;
  return undefined;
}

type Subject = { readonly name: DistinguishedName; readonly certificateNotAfterMs?: number };

function readSubject(
  { subject, certificate }: MerchantName,
  source: YamlFile,
  path: YamlPath,
  files: MerchantFiles,
  report: Report,
): Subject | undefined {
  if ((subject === undefined) === (certificate === undefined)) {
    report(source.problem(path, 'expected either subject or certificate'));
    return undefined;
  }
  if (subject !== undefined) return tell(() => ({ name: parseName(subject) }), source, [...path, 'subject'], report);
  const at = [...path, 'certificate'];
  const facts = tell(() => files.loadCertificate(certificate as string), source, at, report)?.facts;
  if (facts?.isAuthority) report(source.problem(at, 'this is the certificate of an authority, expected that of a merchant'));
  if (facts && files.isProduction && isDevelopmentCertificate(facts))
    report(source.problem(at, 'this is a development certificate; production needs one of your own authority'));
  return facts && { name: facts.subject, certificateNotAfterMs: facts.notAfterMs };
}
