import { ALGORITHM_NAMES, findKeyProblem } from '../protocol/algorithms.ts';
import { CertificateProblem } from './problem.ts';
import type { CertificateFacts } from './read.ts';

/** Object identifiers of extended key usages, RFC 5280 section 4.2.1.12. */
export const USAGE = { serverAuth: '1.3.6.1.5.5.7.3.1', clientAuth: '1.3.6.1.5.5.7.3.2' } as const;

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

type Rule = readonly [holds: (facts: CertificateFacts) => boolean, reason: string];

const KEY_RULES: readonly Rule[] = [
  [
    ({ publicKey }) => ALGORITHM_NAMES.some((name) => findKeyProblem(name, publicKey) === undefined),
    'the key is not RSA of at least 2048 bits, P-256, P-384 or Ed25519',
  ],
  [
    ({ publicKey }) => (publicKey.asymmetricKeyDetails?.modulusLength ?? 0) <= RSA_BITS_MAX,
    `the RSA key is longer than ${RSA_BITS_MAX} bits`,
  ],
  [
    ({ publicKey }) => (publicKey.asymmetricKeyDetails?.publicExponent ?? RSA_EXPONENT_MIN) >= RSA_EXPONENT_MIN,
    'the exponent of the RSA key is below 65537',
  ],
  [
    ({ signatureAlgorithm }) => SIGNATURE_ALGORITHMS.has(signatureAlgorithm),
    'the certificate is not signed with SHA-256, SHA-384, SHA-512 or Ed25519',
  ],
];

const LEAF_RULES: readonly Rule[] = [
  [({ isAuthority }) => !isAuthority, 'the certificate is that of an authority'],
  // anyExtendedKeyUsage does not count: a certificate made for everything was not made for this.
  [({ extendedKeyUsage }) => extendedKeyUsage?.includes(USAGE.clientAuth) ?? false, 'the certificate has no clientAuth usage'],
  [
    ({ keyUsage }) => keyUsage === undefined || (keyUsage.has('digitalSignature') && !keyUsage.has('keyCertSign')),
    'the key usage does not allow signatures, or allows issuing',
  ],
  ...KEY_RULES,
];

const AUTHORITY_RULES: readonly Rule[] = [
  [({ isAuthority }) => isAuthority, 'the certificate is not that of an authority'],
  [({ keyUsage }) => keyUsage === undefined || keyUsage.has('keyCertSign'), 'the key usage does not allow issuing'],
  ...KEY_RULES,
];

function check(rules: readonly Rule[], facts: CertificateFacts): void {
  for (const [holds, reason] of rules) if (!holds(facts)) throw new CertificateProblem(reason);
}

/** Throws CertificateProblem unless a merchant may connect with the certificate. Says nothing about validity in time or the issuer. */
export function checkLeafPolicy(facts: CertificateFacts): void {
  check(LEAF_RULES, facts);
}

/** Throws CertificateProblem unless the certificate may issue merchants' certificates. */
export function checkAuthorityPolicy(facts: CertificateFacts): void {
  check(AUTHORITY_RULES, facts);
}

/** Throws CertificateProblem unless key and signature are strong enough, whatever the certificate is for. */
export function checkKeyPolicy(facts: CertificateFacts): void {
  check(KEY_RULES, facts);
}

/** Whether a moment is inside the validity; both ends belong to it. */
export function isWithinValidity(validity: { readonly notBeforeMs: number; readonly notAfterMs: number }, nowMs: number): boolean {
  return validity.notBeforeMs <= nowMs && nowMs <= validity.notAfterMs;
}
