import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { checkLeafPolicy, checkSignerPolicy, isWithinValidity } from '../certificates/policy.ts';
import { CertificateProblem, type ProblemKind } from '../certificates/problem.ts';
import { type CertificateFacts, readCertificate } from '../certificates/read.ts';
import { sha256 } from '../lib/bytes.ts';
import { bindingKeyOf, printName, sameName } from '../protocol/distinguished-name.ts';
import { keyidOf } from '../protocol/keyid.ts';
import type { Peer } from '../protocol/messages.ts';
import type { ListenerAuthority } from './authorities.ts';
import { createRecent, type Recent } from './recent.ts';

/** What a certificate is shown for: to connect, or within a message as the signer's. */
export type Purpose = 'connect' | 'sign';
type PeerRefusal = NonNullable<Peer['refusal']>;

/** The code of each kind of problem: a merchant's program can tell them apart. */
const CODES: Readonly<Record<ProblemKind, PeerRefusal['code']>> = {
  form: 'CERTIFICATE_MALFORMED',
  version: 'CERTIFICATE_VERSION',
  name: 'CERTIFICATE_NAME',
  issuer: 'CERTIFICATE_ISSUER',
  authority: 'CERTIFICATE_IS_AUTHORITY',
  purpose: 'CERTIFICATE_PURPOSE',
  usage: 'CERTIFICATE_KEY_USAGE',
  key: 'CERTIFICATE_KEY',
  signature: 'CERTIFICATE_SIGNATURE',
};
const refusalOf = ({ kind, reason }: CertificateProblem): PeerRefusal => ({ code: CODES[kind], reason });

/** A leaf whose signature verified under the key of a known authority. What is wrong with it never changes, but for time. */
type Known = {
  readonly peer: Peer;
  /** Why nobody may connect with it, and why nobody may sign messages with it. */
  readonly problems: Readonly<Record<Purpose, PeerRefusal | undefined>>;
  readonly chainDepthMax: number;
  readonly authority: ListenerAuthority;
};

/** How many certificates are remembered for one set of authorities; strangers' ones never are. */
const KNOWN_MAX = 4096;

/** A reload makes a new list of authorities, and thereby forgets what was verified under the old one. */
const knownByAuthorities = new WeakMap<readonly ListenerAuthority[], Recent<Known>>();

/**
 * Who is at the other end of a TLS connection, by the leaf certificate alone; the chain that the peer presents counts for
 * nothing here. Call it once per connection, before any byte of HTTP is read.
 *
 * Undefined: nobody we know; destroy the socket. A Peer with `refusal`: one of our authorities signed the certificate, but
 * it is expired or unfit; answer each request with that signed 403. Accepting needs both OpenSSL's `authorized` and our own
 * checks. Why OpenSSL said no is never asked: for a certificate forged in our name the reason is the forger's choice.
 */
export function readPeer(socket: TLSSocket, authorities: readonly ListenerAuthority[], nowMs: number): Peer | undefined {
  const leaf = socket.getPeerX509Certificate();
  if (leaf === undefined) return undefined;
  const known = findKnown(leaf, authorities);
  if (known === undefined) return undefined;
  const peer = judge(known, 'connect', socket.authorized === true, nowMs);
  if (peer.refusal !== undefined || !isLongerThan(known.chainDepthMax, leaf)) return peer;
  const reason = `the certificate came with a chain of more than ${known.chainDepthMax} certificates`;
  return { ...peer, refusal: { code: 'CERTIFICATE_CHAIN', reason } };
}

/** Whether the peer sent more certificates than the bound. A resumed session sends none. */
function isLongerThan(max: number, leaf: X509Certificate): boolean {
  let count = 0;
  for (let certificate: X509Certificate | undefined = leaf; certificate !== undefined; certificate = certificate.issuerCertificate) {
    count += 1;
    if (count > max) return true;
  }
  return false;
}

/** As readPeer, for a certificate that was not seen in a handshake of ours; `isPathGood` judges the authority's own path. */
export function judgeCertificate(
  leaf: X509Certificate,
  authorities: readonly ListenerAuthority[],
  isPathGood: (authority: ListenerAuthority) => boolean,
  nowMs: number,
  purpose: Purpose = 'connect',
): Peer | undefined {
  const known = findKnown(leaf, authorities);
  return known && judge(known, purpose, isPathGood(known.authority), nowMs);
}

/** Only chooses between acceptance and two refusals of a certificate that one of our authorities signed. */
function judge({ peer, problems }: Known, purpose: Purpose, isAuthorized: boolean, nowMs: number): Peer {
  const problem = problems[purpose];
  if (problem === undefined && !isWithinValidity(peer, nowMs))
    return { ...peer, refusal: { code: 'CERTIFICATE_EXPIRED', reason: 'the certificate has expired or is not valid yet' } };
  if (problem !== undefined) return { ...peer, refusal: problem };
  if (!isAuthorized) return { ...peer, refusal: { code: 'CERTIFICATE_INVALID', reason: 'the certificate chain does not verify' } };
  return peer;
}

function findKnown(leaf: X509Certificate, authorities: readonly ListenerAuthority[]): Known | undefined {
  const recent = recentOf(authorities);
  const der = leaf.raw;
  const thumbprint = sha256(der).toString('base64url');
  const found = recent.find(thumbprint);
  if (found !== undefined) return found;
  const authority = authorities.find(({ certificate }) => isIssuedBy(leaf, certificate));
  if (authority === undefined) return undefined;
  const known = readKnown(der, thumbprint, authority);
  recent.keep(thumbprint, known);
  return known;
}

function recentOf(authorities: readonly ListenerAuthority[]): Recent<Known> {
  let recent = knownByAuthorities.get(authorities);
  if (recent === undefined) {
    recent = createRecent(KNOWN_MAX);
    knownByAuthorities.set(authorities, recent);
  }
  return recent;
}

/** Whether the authority's key signed the leaf. The authority itself was checked when it was loaded. */
function isIssuedBy(leaf: X509Certificate, authority: X509Certificate): boolean {
  try {
    return leaf.checkIssued(authority) && leaf.verify(authority.publicKey);
  } catch {
    // An algorithm that does not fit the key.
    return false;
  }
}

function readKnown(der: Uint8Array, thumbprint: string, authority: ListenerAuthority): Known {
  const { chainDepthMax } = authority.policy;
  try {
    const facts = readCertificate(der);
    const problems = {
      connect: findProblem(facts, authority, checkLeafPolicy),
      sign: findProblem(facts, authority, checkSignerPolicy),
    };
    return { peer: peerOf(facts, authority), problems, chainDepthMax, authority };
  } catch (error) {
    if (!(error instanceof CertificateProblem)) throw error;
    const problems = { connect: refusalOf(error), sign: refusalOf(error) };
    return { peer: { ...UNREADABLE, authority: authority.name, trust: authority.trust, thumbprint }, problems, chainDepthMax, authority };
  }
}

/** A certificate that our authority signed and that has no reading: bound to nobody, since no binding key is empty. */
const UNREADABLE = {
  bindingKey: '',
  subject: '',
  serialNumber: '',
  keyid: '',
  issuerKeyid: '',
  responders: [],
  notBeforeMs: 0,
  notAfterMs: 0,
};

function peerOf(facts: CertificateFacts, authority: ListenerAuthority): Peer {
  return {
    thumbprint: facts.thumbprint,
    bindingKey: bindingKeyOf(authority.name, facts.subject),
    subject: printName(facts.subject),
    serialNumber: facts.serialNumber,
    authority: authority.name,
    trust: authority.trust,
    keyid: keyidOf(facts.publicKey),
    publicKey: facts.publicKey,
    issuerKeyid: keyidOf(authority.facts.publicKey),
    responders: facts.responders,
    notBeforeMs: facts.notBeforeMs,
    notAfterMs: facts.notAfterMs,
  };
}

function findProblem(facts: CertificateFacts, authority: ListenerAuthority, checkPolicy: typeof checkLeafPolicy): PeerRefusal | undefined {
  try {
    if (!sameName(facts.issuer, authority.facts.subject))
      throw new CertificateProblem('the issuer is not spelt as its authority is', { kind: 'issuer' });
    checkPolicy(facts, authority.policy);
    return undefined;
  } catch (error) {
    if (error instanceof CertificateProblem) return refusalOf(error);
    throw error;
  }
}

/** Whether the authority that vouched for a peer is in a list, with the same key and policy. */
export const isTrustedBy = (authorities: readonly ListenerAuthority[], { trust }: Pick<Peer, 'trust'>): boolean =>
  authorities.some((authority) => authority.trust === trust);
