import type { KeyObject } from 'node:crypto';
import type { Access, AccessDecision } from './access.ts';
import type { ErrorCode } from './errors.ts';
import type { JweKey } from './jwe/key-management.ts';
import type { Merchant, MerchantKey, UsedKey } from './merchant.ts';
import type { Channel, Operation } from './operation.ts';
import type { FinalOutcome, OutcomeKind } from './outcome.ts';
import type { ReservationEntry, ResolveInputs } from './reservation.ts';
import type { SchemeName } from './scheme-names.ts';

/**
 * What a request is, stage by stage. Each stage of the pipeline takes the type the stage before returned,
 * so an order other than that of `pipeline/handle.ts` does not compile.
 */

/** Codes of refusals for what a certificate is. */
export type CertificateCode = Exclude<Extract<ErrorCode, `CERTIFICATE_${string}`>, 'CERTIFICATE_REVOKED' | 'CERTIFICATE_UNBOUND'>;

/** The certificate a TLS peer proved to hold, read once per connection. */
export type Peer = {
  /** SHA-256 of the certificate's DER, base64url: `x5t#S256` of RFC 8705. */
  readonly thumbprint: string;
  /** Injective text of (authority, issuer, subject): the binding key. See identity/peer.ts. */
  readonly bindingKey: string;
  /** RFC 4514 text for people and logs. */
  readonly subject: string;
  /** Upper-case hexadecimal, an even number of digits. */
  readonly serialNumber: string;
  /** Configured name of the authority that issued it. */
  readonly authority: string;
  /** Which key of that authority signed it, under which policy it was judged; see ListenerAuthority. */
  readonly trust: string;
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hexadecimal. */
  readonly keyid: string;
  /** Absent for a certificate that has no reading. */
  readonly publicKey?: KeyObject;
  /** The same of the authority's key that signed it. */
  readonly issuerKeyid: string;
  /** Where its authority answers by OCSP, as the certificate says: URLs that nobody checked. */
  readonly responders: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Why our own checks refuse the certificate, for a signed 403; undefined when it is acceptable. */
  readonly refusal?: { readonly code: CertificateCode; readonly reason: string };
};

/** Whose certificate came in a message, and the key it brings: to be treated as a registered key from here on. */
export type MessageSigner = {
  /** Name, issuer, serial number, thumbprint and binding key, as of a certificate that connects. */
  readonly certificate: Peer;
  /**
   * The key under its default keyid, for the merchants that the certificate's name is bound to and that may sign so
   * (`keySources: [message]`). The algorithm is the key's default; a scheme with algorithms of its own takes the public key alone.
   */
  readonly key: MerchantKey;
};

/** How long each stage took, milliseconds; written by pipeline/stages, read by pipeline/event. */
export type StageTimes = Record<string, number>;

/** A request as it came off the wire: well-formed HTTP, nothing else is known. */
export type Arrived = {
  readonly requestId: string;
  readonly receivedAtMs: number;
  readonly times: StageTimes;
  readonly peer: Peer;
  readonly channel: Channel;
  /** Peer address, text form. */
  readonly address: string;
  readonly method: string;
  /** The raw request target: path and query as sent. */
  readonly target: string;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
};

export type Identified = Arrived & { readonly merchant: Merchant };

export type Routed = Identified & {
  readonly operation: Operation;
  /** What the access policy says about the operation and the merchant, as it stood when the request came. */
  readonly accessRules: Access;
  readonly pathParameters: Readonly<Record<string, string>>;
};

/** The facts a verified signature established. */
export type SignatureFacts = {
  readonly key: UsedKey;
  readonly scheme: SchemeName;
  readonly nonce: string;
  readonly createdAtSeconds: number;
  /** What was signed, with the body's digest where the scheme signs the body itself; the rest is evidence for the journal too. */
  readonly signatureBase: string;
  /** SHA-256 of the very bytes that were signed, raw. */
  readonly signedDigest: Buffer;
  readonly signature: Buffer;
  /** SHA-256 of the body, raw; of no bytes when there is none. */
  readonly bodyDigest: Buffer;
  /** The JSON that a signed form carried, when the body is one. */
  readonly content?: Buffer;
  /** Which of the scheme's forms the request had, where it has several. */
  readonly dialect?: string;
};

export type Verified = Routed & SignatureFacts;

/** The body was read strictly, fits its schema and names the identity's merchant. */
export type Opened = Verified & {
  /** What was encrypted is opened here: what schema, limits and fingerprint see. */
  readonly body: Buffer;
  /** The bytes as they were signed, to be forwarded in place of `body`: only for what was encrypted and stays so. */
  readonly sealed?: { readonly contentType: string; readonly body: Buffer };
  /** Places of the body that came encrypted; '' when all of it did. Absent: none. */
  readonly opened?: readonly string[];
  /** What binds ciphertexts to this request: its Idempotency-Key header, or the nonce of its signature where there is none. */
  readonly mark: string;
  /** The working key that something in the request was encrypted under; its answer is too. */
  readonly workingKey?: JweKey;
  /** The parsed body; undefined when there is none. */
  readonly value: unknown;
  readonly amountFen?: number;
  readonly currency?: string;
  readonly idempotencyKey?: string;
  /** The rule of the access policy that let it in. */
  readonly access: AccessDecision;
};

/** The store let it through: nonce and rates are spent, claim and limits are reserved. */
export type Admitted = Opened & {
  readonly admissionId: string;
  readonly epoch: string;
  readonly claim?: Claimed;
  /** Values for `RateLimit` and `RateLimit-Policy`, when a rate rule applies. */
  readonly rateHeaders: readonly string[];
  /** Rules on trial (shadow) that would have refused it. */
  readonly shadowed: readonly string[];
  /** What the risk service said of it; absent: it was not asked. */
  readonly risk?: 'pass' | 'let-through';
};

/** What an admission holds in the store, and what its `admitted` record in the journal repeats. */
export type Claimed = {
  readonly keyHash: string;
  readonly fingerprint: string;
  /** What the same request has under other keys of fingerprints; empty while there is one key. */
  readonly otherFingerprints: readonly string[];
  /** How long the store remembers the nonce at least. */
  readonly nonceUntilMs: number;
  /** When the lease of this process ends; later the claim is unknown. */
  readonly deadlineMs: number;
  /** How long the final claim is kept at least. */
  readonly keepUntilMs: number;
  readonly resolve: ResolveInputs;
  /** Empty for operations that reserve nothing. */
  readonly reservation: readonly ReservationEntry[];
  /** The `Idempotency-Key` towards the core. */
  readonly derivedKey: string;
  /** A core must not begin this request after this moment (contract.md section 6). */
  readonly expiresAtMs: number;
};

/** `admitted` is in the journal and, where money moves, on the disk. */
export type Journalled = Admitted & { readonly sequence: number };

/** An answer as the core or a local operation gave it. */
export type CoreAnswer = {
  readonly status: number;
  readonly contentType: string;
  readonly body: Buffer;
};

export type Forwarded = Journalled & {
  readonly outcome: OutcomeKind;
  /** Present unless the outcome is unknown. */
  readonly answer?: CoreAnswer;
  /** False when the core answered something that cannot be understood; true for every other outcome. */
  readonly understood: boolean;
  /** For the log: why it is unknown. */
  readonly reason?: string;
  /** For the log and the journal: what an operator must look at. */
  readonly alarm?: string;
};

export type Settled = Forwarded & { readonly settled: 'committed' | 'released' | 'held' | 'nothing' };

/** A request whose key already has a claim: nothing is forwarded for it. */
export type Known = Opened & {
  readonly admissionId: string;
  readonly rateHeaders: readonly string[];
  readonly known: FinalOutcome | 'unresolved';
  readonly keyHash: string;
};

/** What is sealed: an answer of the core (fresh, stored or resolved) or a refusal's problem document. */
export type Reply = CoreAnswer & {
  /** Extra headers as flat name, value list. */
  readonly headers: readonly string[];
  readonly connection: ConnectionEnd;
};

/** What happens to the connection: kept, closed after the answer, or destroyed without one. */
export type ConnectionEnd = 'keep' | 'close' | 'destroy';

/** Bytes for the wire. */
export type Sealed = {
  readonly status: number;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
  readonly connection: ConnectionEnd;
};
