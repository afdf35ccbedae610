import { createPublicKey, type KeyObject } from 'node:crypto';
import { JsonProblem, parseStrictJson } from '../../lib/json.ts';
import { BINDING_MEMBERS, type Binding } from './binding.ts';

/** Why a JWE is refused before any key is used: a public sentence that repeats nothing of the input. */
export class JweProblem extends Error {
  readonly reason: string;
  constructor(reason: string) {
    super(reason);
    this.name = 'JweProblem';
    this.reason = reason;
  }
}

/** Key management: to an RSA key, to an elliptic-curve key, under a working key (RFC 7518 sections 4.3, 4.6 and 4.4). */
export const JWE_ALGORITHMS = ['RSA-OAEP-256', 'ECDH-ES+A256KW', 'A256KW'] as const;
export type JweAlgorithm = (typeof JWE_ALGORITHMS)[number];

/** The one content encryption there is, RFC 7518 section 5.3. */
export const CONTENT_ENCRYPTION = 'A256GCM';

/** Curves of ECDH-ES, with the name that node:crypto has for each and the bytes of a coordinate. */
export const JWE_CURVES: Readonly<Record<string, { readonly name: string; readonly bytes: number }>> = {
  'P-256': { name: 'prime256v1', bytes: 32 },
  'P-384': { name: 'secp384r1', bytes: 48 },
};

/** A protected header that has been read; nothing in it is proven yet. */
export type JweHeader = {
  readonly algorithm: JweAlgorithm;
  readonly keyid: string;
  readonly binding: Binding;
  /** The sender's ephemeral key of ECDH-ES, which is a point on its curve. */
  readonly ephemeralKey?: KeyObject;
};

/** Longest protected header, bytes; a target and an ephemeral key fit in well. */
const HEADER_BYTES_MAX = 4096;
const COMMON = ['alg', 'enc', 'kid', 'crit', 'hufu', 'typ', 'cty'];
const MEDIA = /^[A-Za-z0-9.+/-]{1,64}$/;
const KEYID = /^[A-Za-z0-9._:-]{1,128}$/;

type Members = Readonly<Record<string, unknown>>;

const isMembers = (value: unknown): value is Members => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Canonical base64url without padding (RFC 7515 section 2); undefined for another spelling, so that one value has one text. */
export function readBase64Url(text: unknown): Buffer | undefined {
  if (typeof text !== 'string') return undefined;
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}

/** Reads a protected header: each member known, once, and of its type. Throws JweProblem. */
export function readJweHeader(text: string): JweHeader {
  const members = parse(text);
  if (Object.hasOwn(members, 'zip')) throw new JweProblem('zip is not accepted: what is encrypted must not be compressed');
  if (members.enc !== CONTENT_ENCRYPTION) throw new JweProblem(`enc must be ${CONTENT_ENCRYPTION}`);
  const algorithm = JWE_ALGORITHMS.find((name) => name === members.alg);
  if (!algorithm) throw new JweProblem(`alg must be one of ${JWE_ALGORITHMS.join(', ')}`);
  const known = algorithm === 'ECDH-ES+A256KW' ? [...COMMON, 'epk'] : COMMON;
  if (Object.keys(members).some((name) => !known.includes(name)))
    throw new JweProblem('the protected header has a member that is not known');
  const { kid, crit, hufu, typ, cty } = members;
  if (typeof kid !== 'string' || !KEYID.test(kid)) throw new JweProblem('kid is missing or no key id');
  if (!Array.isArray(crit) || crit.length !== 1 || crit[0] !== 'hufu') throw new JweProblem('crit must be exactly ["hufu"]');
  for (const word of [typ, cty]) {
    if (word !== undefined && !(typeof word === 'string' && MEDIA.test(word))) throw new JweProblem('typ and cty are media types');
  }
  const common = { algorithm, keyid: kid, binding: readBinding(hufu) };
  return algorithm === 'ECDH-ES+A256KW' ? { ...common, ephemeralKey: readEphemeralKey(members.epk) } : common;
}

function parse(text: string): Members {
  const bytes = readBase64Url(text);
  if (!bytes || bytes.length === 0) throw new JweProblem('the protected header is not canonical base64url');
  if (bytes.length > HEADER_BYTES_MAX) throw new JweProblem(`the protected header is longer than ${HEADER_BYTES_MAX} bytes`);
  try {
    const value = parseStrictJson(bytes, { depthMax: 4, keysMax: 32 });
    if (isMembers(value)) return value;
  } catch (error) {
    if (!(error instanceof JsonProblem)) throw error;
    throw new JweProblem(`the protected header: ${error.reason}`);
  }
  throw new JweProblem('the protected header is no object');
}

function readBinding(value: unknown): Binding {
  const fits =
    isMembers(value) &&
    Object.keys(value).length === BINDING_MEMBERS.length &&
    BINDING_MEMBERS.every((name) => Object.hasOwn(value, name) && typeof value[name] === 'string');
  if (!fits) throw new JweProblem(`hufu must be an object of the texts ${BINDING_MEMBERS.join(', ')}`);
  return value as Binding;
}

/** A public key with exactly the members it needs, canonically spelled. OpenSSL refuses a point that is not on the curve, and infinity has no x and y. */
function readEphemeralKey(value: unknown): KeyObject {
  const members = isMembers(value) ? value : {};
  const { kty, crv, x, y } = members;
  const curve = typeof crv === 'string' && Object.hasOwn(JWE_CURVES, crv) ? JWE_CURVES[crv] : undefined;
  const isWhole = [x, y].every((coordinate) => readBase64Url(coordinate)?.length === curve?.bytes);
  if (kty !== 'EC' || !curve || !isWhole || Object.keys(members).length !== 4)
    throw new JweProblem('epk is no public key of P-256 or P-384');
  try {
    return createPublicKey({ key: { kty, crv: crv as string, x: x as string, y: y as string }, format: 'jwk' });
  } catch {
    throw new JweProblem('epk is no point on its curve');
  }
}
