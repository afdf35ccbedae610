/** What is wrong with a certificate, in kinds: each has a code of its own towards merchants. `form` is everything that has no reading. */
export type ProblemKind = 'form' | 'version' | 'name' | 'issuer' | 'authority' | 'purpose' | 'usage' | 'key' | 'signature';

/** A certificate that cannot be read strictly or does not fit the policy. `reason` is a fixed sentence that repeats nothing of the certificate. */
export class CertificateProblem extends Error {
  readonly reason: string;
  readonly kind: ProblemKind;
  constructor(reason: string, { kind = 'form', ...options }: ErrorOptions & { readonly kind?: ProblemKind } = {}) {
    super(reason, options);
    this.name = 'CertificateProblem';
    this.reason = reason;
    this.kind = kind;
  }
}
