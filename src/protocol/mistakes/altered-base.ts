import { authorityOf, findRequestValue } from '../signature-base.ts';
import { ofClaims } from './jws-base.ts';
import type { Altered, SuspectLine, SuspectRequest } from './suspect.ts';

/** What was to be signed: as text whose bytes are latin1, and its lines. */
export type SignedBase = { readonly base: string; readonly lines: readonly SuspectLine[] };

/** The base that the same signer would have made of an altered request, made from the base of the request as it came. */
export type BaseOf = (signed: SignedBase, request: SuspectRequest, altered: Altered) => string | undefined;

/** The lines of a signature base of RFC 9421 as identifier and value; the last is `"@signature-params"`. */
export function readLines(base: string): (readonly [identifier: string, value: string])[] {
  return base.split('\n').map((line) => {
    const at = line.indexOf(': ');
    return [line.slice(0, at), line.slice(at + 2)] as const;
  });
}

export const writeLines = (lines: readonly (readonly [identifier: string, value: string])[]): string =>
  lines.map(([identifier, value]) => `${identifier}: ${value}`).join('\n');

/** RFC 9421: each plain component anew. The body is signed by its digest only, and parameters stay as they were sent. */
const ofComponents: BaseOf = ({ base }, request, { body, origin, ...altered }) => {
  if (body !== undefined) return undefined;
  const seen = { ...request, ...altered };
  const before = origin ?? `https://${authorityOf(seen.rawHeaders)}`;
  const replaced: Readonly<Record<string, string>> = {
    '@target-uri': `${before}${seen.target}`,
    '@authority': before.replace(/^https?:\/\//, ''),
    '@scheme': before.startsWith('http:') ? 'http' : 'https',
  };
  const lines = readLines(base).map(([identifier, value]) => {
    const name = /^"(@?[a-z0-9_-]+)"$/.exec(identifier)?.[1];
    if (name === undefined || name === '@signature-params') return [identifier, value] as const;
    return [identifier, replaced[name] ?? findRequestValue(seen, name) ?? value] as const;
  });
  return writeLines(lines);
};

/** Schemes of lines: method, target and body stand in lines of their own, each behind a line feed. Headers and host are not signed. */
const ofLines: BaseOf = ({ lines }, _request, { method, target, body, origin, rawHeaders }) => {
  if (origin !== undefined || rawHeaders !== undefined) return undefined;
  const replaced: Readonly<Record<string, string | undefined>> = { method, 'path and query': target, body: body?.toString('latin1') };
  return lines.map(({ name, bytes }) => `${replaced[name] ?? bytes.toString('latin1')}\n`).join('');
};

/** A block of lines behind a line that says what it is for, an empty line, and the body. */
const ofBlock: BaseOf = ({ base, lines }, request, { origin, ...altered }) => {
  const seen = { ...request, ...altered };
  const replaced: Readonly<Record<string, string | undefined>> = {
    method: seen.method,
    'target-uri': `${origin ?? `https://${authorityOf(seen.rawHeaders)}`}${seen.target}`,
  };
  const block = lines
    .filter(({ isBody }) => !isBody)
    .map(({ name, bytes }) => {
      const value = replaced[name] ?? findRequestValue(seen, name);
      return value === undefined ? `${bytes.toString('latin1')}\n` : `${name}: ${value}\n`;
    });
  return `${base.slice(0, base.indexOf('\n') + 1)}${block.join('')}\n${seen.body.toString('latin1')}`;
};

const BY_SCHEME: ReadonlyMap<string, BaseOf> = new Map([
  ['rfc9421', ofComponents],
  ['wechatpay-v3', ofLines],
  ['alipay-v3', ofLines],
  ['jws', ofClaims],
  ['jws-obie', ofClaims],
  ['cms', ofBlock],
]);

/** `baseOf` of a suspect of this scheme. */
export function alteredBase(scheme: string, signed: SignedBase, request: SuspectRequest): (altered: Altered) => string | undefined {
  return (altered) => BY_SCHEME.get(scheme)?.(signed, request, altered);
}
