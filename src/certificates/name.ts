import { type DistinguishedName, findNameProblem, type NameAttribute } from '../protocol/distinguished-name.ts';
import { type Element, readChildrenOf, readOid, TAG } from './der.ts';
import { CertificateProblem } from './problem.ts';

/** Reads a Name (RFC 5280 section 4.1.2.4) with the order and the grouping it has. Throws CertificateProblem. */
export function readName(element: Element | undefined): DistinguishedName {
  const name = readChildrenOf(element, TAG.sequence).map((set) => readChildrenOf(set, TAG.set).map(readAttribute));
  const problem = findNameProblem(name);
  if (problem !== undefined) throw new CertificateProblem(problem, { kind: 'name' });
  return name;
}

function readAttribute(element: Element): NameAttribute {
  const [type, value, ...rest] = readChildrenOf(element, TAG.sequence);
  if (value === undefined || rest.length > 0) throw new CertificateProblem('an attribute of the name is not a pair', { kind: 'name' });
  return { oid: readOid(type), value: readText(value) };
}

/** Three string types are read and compared by value; the older ones, which have several readings, are refused. */
function readText(element: Element): string {
  const bytes = Buffer.from(element.content);
  switch (element.tag) {
    case TAG.utf8String:
      return decodeUtf8(bytes);
    case TAG.printableString:
    case TAG.ia5String:
      if (bytes.some((byte) => byte >= 0x80))
        throw new CertificateProblem('an attribute of the name is not ASCII where it must be', { kind: 'name' });
      return bytes.toString('latin1');
    default:
      throw new CertificateProblem('an attribute of the name is not a UTF8String, PrintableString or IA5String', { kind: 'name' });
  }
}

function decodeUtf8(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new CertificateProblem('an attribute of the name is not UTF-8', { kind: 'name', cause });
  }
}
