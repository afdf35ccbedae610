/** A certificate that cannot be read strictly or does not fit the policy. `reason` is a fixed sentence that repeats nothing of the certificate. */
export class CertificateProblem extends Error {
  readonly reason: string;
  constructor(reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.name = 'CertificateProblem';
    this.reason = reason;
  }
}
