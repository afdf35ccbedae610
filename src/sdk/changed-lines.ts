import { sha256 } from '../lib/bytes.ts';
import { HEADER, SIGNATURE_LABEL } from '../protocol/headers.ts';
import { findRequestComponent } from '../protocol/request-component.ts';
import {
  baseLines,
  findMember,
  type RequestFacts,
  readSignatureInput,
  serialiseComponent,
  signatureBase,
} from '../protocol/signature-base.ts';

/** What a refusal tells of one line that the gateway verified. */
type ToldLine = { readonly name: string; readonly length: number; readonly sha256: string };

const isToldLine = (line: unknown): line is ToldLine =>
  typeof line === 'object' && line !== null && 'name' in line && typeof line.name === 'string' && 'sha256' in line;

/** `signatureBase.lines` of a problem document; nothing where there is none. */
function readToldLines(refusal: Buffer): readonly ToldLine[] {
  try {
    const { signatureBase } = JSON.parse(refusal.toString('utf8')) as { signatureBase?: { lines?: unknown } };
    return Array.isArray(signatureBase?.lines) ? signatureBase.lines.filter(isToldLine) : [];
  } catch {
    return [];
  }
}

/** The base of a request as it was sent; undefined when its signature fields cannot be read. */
function findBase(request: RequestFacts): string | undefined {
  const text = findMember(request.rawHeaders, HEADER.signatureInput, SIGNATURE_LABEL) ?? '';
  const input = readSignatureInput(text);
  if (!input) return undefined;
  const lines = input.components.map((each) => [serialiseComponent(each), findRequestComponent(request, each) ?? ''] as const);
  return signatureBase(lines, text);
}

/**
 * Which lines of a request arrived at the gateway otherwise than they were sent, by the hashes that a refusal tells (`signatureBase`):
 * names of components, such as `"idempotency-key"`, in the order of the base. Empty when all are the same, or none are told.
 */
export function findChangedLines(request: RequestFacts, refusal: Buffer): readonly string[] {
  const told = new Map(readToldLines(refusal).map((line) => [line.name, line.sha256]));
  const base = findBase(request);
  if (told.size === 0 || base === undefined) return [];
  return baseLines(base)
    .filter(({ name, bytes }) => told.get(name) !== sha256(bytes).toString('hex'))
    .map(({ name }) => name);
}
