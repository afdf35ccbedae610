import { ALGORITHM_NAMES, findKeyProblem } from '../protocol/algorithms.ts';
import { CertificateProblem, type ProblemKind } from './problem.ts';
import type { CertificateFacts } from './read.ts';

/** Object identifiers of extended key usages, RFC 5280 section 4.2.1.12. */
export const USAGE = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  emailProtection: '1.3.6.1.5.5.7.3.4',
  ocspSigning: '1.3.6.1.5.5.7.3.9',
  documentSigning: '1.3.6.1.5.5.7.3.36',
} as const;

/** What an operator may choose about merchants' certificates; `identity` in gateway.yaml. */
export type PathPolicy = {
  /** False also takes a certificate without any extended key usage, as older authorities issue them; never one for other uses. */
  readonly clientAuthRequired: boolean;
  /** Shortest RSA key of a merchant and of its authority, bits. */
  readonly rsaBitsMin: number;
  /** Most certificates from the merchant's up to the root, both counted, and most that a peer may send. */
  readonly chainDepthMax: number;
};

/** The strictest reading that every authority in use can meet. */
export const STANDARD_POLICY: PathPolicy = { clientAuthRequired: true, rsaBitsMin: 2048, chainDepthMax: 4 };

/** Everything else is refused: MD5 and SHA-1 because certificates signed with them can be forged. */
const SIGNATURE_ALGORITHMS: ReadonlySet<string> = new Set([
  'sha256WithRSAEncryption',
  'sha384WithRSAEncryption',
  'sha512WithRSAEncryption',
  'ecdsa-with-SHA256',
  'ecdsa-with-SHA384',
  'ecdsa-with-SHA512',
  'ed25519',
]);

/** Beyond this, verifying is a cost that the sender chooses. */
const RSA_BITS_MAX = 8192;
const RSA_EXPONENT_MIN = 65_537n;

type KeyFacts = Pick<CertificateFacts, 'publicKey' | 'signatureAlgorithm'>;
/** A reason is one fixed sentence for one cause: it is what the merchant reads. Rules below one that fails are not asked by `check`. */
type Rule<Facts> = readonly [
  kind: ProblemKind,
  holds: (facts: Facts, policy: PathPolicy) => boolean,
  reason: (policy: PathPolicy) => string,
];

const rsaBits = ({ publicKey }: KeyFacts): number | undefined => publicKey.asymmetricKeyDetails?.modulusLength;
const isUsable = ({ publicKey }: KeyFacts): boolean => ALGORITHM_NAMES.some((name) => findKeyProblem(name, publicKey) === undefined);

const KEY_RULES: readonly Rule<KeyFacts>[] = [
  [
    'key',
    (facts) => facts.publicKey.asymmetricKeyType === 'rsa' || isUsable(facts),
    () => 'the key is not RSA of at least 2048 bits, P-256, P-384 or Ed25519',
  ],
  [
    'key',
    (facts, { rsaBitsMin }) => facts.publicKey.asymmetricKeyType !== 'rsa' || (rsaBits(facts) ?? 0) >= rsaBitsMin,
    ({ rsaBitsMin }) => `the RSA key is shorter than ${rsaBitsMin} bits`,
  ],
  ['key', (facts) => (rsaBits(facts) ?? 0) <= RSA_BITS_MAX, () => `the RSA key is longer than ${RSA_BITS_MAX} bits`],
  [
    'key',
    ({ publicKey }) => (publicKey.asymmetricKeyDetails?.publicExponent ?? RSA_EXPONENT_MIN) >= RSA_EXPONENT_MIN,
    () => 'the exponent of the RSA key is below 65537',
  ],
  [
    'signature',
    ({ signatureAlgorithm }) => SIGNATURE_ALGORITHMS.has(signatureAlgorithm),
    () => 'the certificate is not signed with SHA-256, SHA-384, SHA-512 or Ed25519',
  ],
];

const LEAF_RULES: readonly Rule<CertificateFacts>[] = [
  ['authority', ({ isAuthority }) => !isAuthority, () => 'the certificate is that of an authority'],
  [
    'purpose',
    ({ extendedKeyUsage }, { clientAuthRequired }) => extendedKeyUsage !== undefined || !clientAuthRequired,
    () => 'the certificate says no extended key usage, and clientAuth is needed',
  ],
  // anyExtendedKeyUsage does not count: a certificate made for everything was not made for this.
  [
    'purpose',
    ({ extendedKeyUsage }) => extendedKeyUsage === undefined || extendedKeyUsage.includes(USAGE.clientAuth),
    () => 'the certificate has no clientAuth usage among its extended key usages',
  ],
  ['usage', ({ keyUsage }) => keyUsage === undefined || keyUsage.has('digitalSignature'), () => 'the key usage does not allow signatures'],
  ['authority', ({ keyUsage }) => !(keyUsage?.has('keyCertSign') ?? false), () => 'the key usage allows issuing certificates'],
  ...KEY_RULES,
];

/** RFC 5280 names no usage for signing payments: what client, mail (S/MIME) and document (RFC 9336) certificates sign is as good. */
const SIGNING_USAGES: readonly string[] = [USAGE.clientAuth, USAGE.emailProtection, USAGE.documentSigning];

const SIGNER_RULES: readonly Rule<CertificateFacts>[] = [
  ['authority', ({ isAuthority }) => !isAuthority, () => 'the certificate is that of an authority'],
  [
    'purpose',
    ({ extendedKeyUsage }) => extendedKeyUsage === undefined || extendedKeyUsage.some((usage) => SIGNING_USAGES.includes(usage)),
    () => 'the certificate is for other uses than signing messages',
  ],
  [
    'usage',
    ({ keyUsage }) => keyUsage === undefined || keyUsage.has('digitalSignature') || keyUsage.has('nonRepudiation'),
    () => 'the key usage does not allow signatures',
  ],
  ['authority', ({ keyUsage }) => !(keyUsage?.has('keyCertSign') ?? false), () => 'the key usage allows issuing certificates'],
  ...KEY_RULES,
];

const AUTHORITY_RULES: readonly Rule<CertificateFacts>[] = [
  ['authority', ({ isAuthority }) => isAuthority, () => 'the certificate is not that of an authority'],
  ['usage', ({ keyUsage }) => keyUsage === undefined || keyUsage.has('keyCertSign'), () => 'the key usage does not allow issuing'],
  ...KEY_RULES,
];

function findProblems<Facts>(rules: readonly Rule<Facts>[], facts: Facts, policy: PathPolicy): string[] {
  return rules.filter(([, holds]) => !holds(facts, policy)).map(([, , reason]) => reason(policy));
}

function check<Facts>(rules: readonly Rule<Facts>[], facts: Facts, policy: PathPolicy): void {
  const broken = rules.find(([, holds]) => !holds(facts, policy));
  if (broken === undefined) return;
  const [kind, , reason] = broken;
  throw new CertificateProblem(reason(policy), { kind });
}

/** Throws CertificateProblem unless a merchant may connect with the certificate. Says nothing about validity in time or the issuer. */
export function checkLeafPolicy(facts: CertificateFacts, policy: PathPolicy = STANDARD_POLICY): void {
  check(LEAF_RULES, facts, policy);
}

/** Throws CertificateProblem unless a merchant may sign messages with the certificate. Says nothing about validity in time or the issuer. */
export function checkSignerPolicy(facts: CertificateFacts, policy: PathPolicy = STANDARD_POLICY): void {
  check(SIGNER_RULES, facts, policy);
}

/** Everything for which a merchant may not connect with the certificate, for people: checkLeafPolicy tells only the first. */
export function findLeafProblems(facts: CertificateFacts, policy: PathPolicy = STANDARD_POLICY): readonly string[] {
  return findProblems(LEAF_RULES, facts, policy);
}

/** Throws CertificateProblem unless the certificate may issue merchants' certificates. */
export function checkAuthorityPolicy(facts: CertificateFacts, policy: PathPolicy = STANDARD_POLICY): void {
  check(AUTHORITY_RULES, facts, policy);
}

/** Throws CertificateProblem unless key and signature are strong enough, whatever the certificate is for. */
export function checkKeyPolicy(facts: KeyFacts): void {
  check(KEY_RULES, facts, STANDARD_POLICY);
}

/** Whether a moment is inside the validity; both ends belong to it. */
export function isWithinValidity(validity: { readonly notBeforeMs: number; readonly notAfterMs: number }, nowMs: number): boolean {
  return validity.notBeforeMs <= nowMs && nowMs <= validity.notAfterMs;
}
