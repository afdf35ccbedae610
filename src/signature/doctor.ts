import { sha256 } from '../lib/bytes.ts';
import { sameKey } from '../lib/same-key.ts';
import { defaultAlgorithm } from '../protocol/algorithms.ts';
import type { Digest } from '../protocol/content-digest.ts';
import type { KeyHandle } from '../protocol/key-handle.ts';
import type { Merchant, MerchantKey } from '../protocol/merchant.ts';
import type { Peer } from '../protocol/messages.ts';
import { alteredBase } from '../protocol/mistakes/altered-base.ts';
import { type Attempts, countAttempts } from '../protocol/mistakes/attempts.ts';
import { type DescribedBase, describeBase } from '../protocol/mistakes/describe-base.ts';
import { findSignatureMistake } from '../protocol/mistakes/find.ts';
import { findDigestMistake } from '../protocol/mistakes/of-digest.ts';
import { findKeyMistake } from '../protocol/mistakes/of-key-name.ts';
import { findTimeMistake, type Times } from '../protocol/mistakes/of-time.ts';
import type { OtherKey, Suspect, SuspectRequest } from '../protocol/mistakes/suspect.ts';
import type { Mistake } from '../protocol/mistakes/table.ts';
import type { SchemeName } from '../protocol/scheme-names.ts';
import type { Presented } from './presented.ts';

/**
 * Tells a merchant why its signature does not verify: public members of the problem document. It comes after identity, so whoever reads
 * it has proven the merchant's certificate, and after the key was found to be that merchant's own. It says what we computed from the
 * merchant's own request, and the name of a mistake only where it is proven. It never tells a signature or digest that would have been
 * accepted for another body, and has nothing to say about secret keys, whose MAC would be one.
 */
type Members = Readonly<Record<string, unknown>>;

/** What the doctor may use beside the request. */
export type DoctorOptions = {
  /** All keys of a merchant, also those that do not count now and those of other environments. */
  readonly keysOf: (merchantNumber: string) => readonly MerchantKey[];
  /** Keyids and serial numbers of the keys that sign our answers. */
  readonly platformNames: () => readonly string[];
  /** Takes one hash or verification from the budget of a certificate; false when it is used up. */
  readonly mayTry: (thumbprint: string) => boolean;
};

/** Nothing beside the request, and no budget but that of each request. */
export const LONE_DOCTOR: DoctorOptions = { keysOf: () => [], platformNames: () => [], mayTry: () => true };

export type Patient = {
  readonly routed: SuspectRequest & {
    readonly merchant: Pick<Merchant, 'number'>;
    /** Whose certificate was proven. */
    readonly peer: Pick<Peer, 'thumbprint' | 'serialNumber' | 'keyid' | 'publicKey'>;
  };
  readonly scheme: SchemeName;
  readonly presented: Presented;
  readonly hosts: ReadonlySet<string>;
  readonly doctor: DoctorOptions;
  readonly nowMs: number;
};

/** Other keys of the merchant that are tried at most. */
const KEYS_MAX = 8;

/** The merchant's other keys and that of its connection, which may have been taken for the signing key. */
function otherKeys({ routed, doctor }: Patient, key: MerchantKey): OtherKey[] {
  const registered = doctor.keysOf(routed.merchant.number).filter(({ keyid }) => keyid !== key.keyid);
  const { publicKey, keyid } = routed.peer;
  const isKnown = publicKey === undefined || [key, ...registered].some((other) => sameKey(other.publicKey, publicKey));
  const ofConnection = isKnown ? [] : [{ keyid, publicKey, algorithm: defaultAlgorithm(publicKey), isOfConnection: true } as const];
  return [...ofConnection, ...registered.slice(0, KEYS_MAX)];
}

function suspectOf(patient: Patient, key: MerchantKey, attempts: Attempts): Suspect {
  const { routed, scheme, presented, hosts } = patient;
  const { method, target, rawHeaders, body } = routed;
  const request = { method, target, rawHeaders, body };
  const { algorithm, publicKey } = key;
  const { signature, signed, text = signed, signedFor, contradiction } = presented;
  const base = text.toString('latin1');
  const lines = presented.lines();
  const baseOf = alteredBase(scheme, { base, lines }, request);
  return {
    scheme,
    request,
    base,
    lines,
    baseOf,
    signature,
    ...(signedFor && { signedFor }),
    ...(contradiction && { claimed: signed }),
    algorithm,
    publicKey,
    otherKeys: otherKeys(patient, key),
    hosts: [...hosts],
    ...attempts,
  };
}

const OUT_OF_BUDGET = 'Too many wrong signatures came with this certificate just now: no further cause was looked for. Try again later.';

const told = (mistake: Mistake | undefined): Members => (mistake ? { mistake: mistake.id, hint: mistake.hint } : {});
const baseMembers = ({ presented }: Patient): { readonly signatureBase: DescribedBase } => ({
  signatureBase: describeBase({ ...presented, signed: presented.text ?? presented.signed, lines: presented.lines() }),
});

/** Looks for a mistake within the budget, and says so when it ended. */
function examine(patient: Patient, key: MerchantKey, find: (suspect: Suspect) => Mistake | undefined): Members {
  const { doctor, routed } = patient;
  const attempts = countAttempts(() => doctor.mayTry(routed.peer.thumbprint));
  const mistake = find(suspectOf(patient, key, attempts));
  return attempts.isExhausted() ? { hint: OUT_OF_BUDGET } : told(mistake);
}

/** Members for SIGNATURE_MISMATCH over a body that is as signed. */
export function explainSignature(patient: Patient, key: MerchantKey): Members {
  if (key.publicKey.type !== 'public') return {};
  return { ...baseMembers(patient), ...examine(patient, key, findSignatureMistake) };
}

/** Members for a body that is not the one Content-Digest was computed over. */
export function explainDigest(patient: Patient, key: MerchantKey, digests: readonly Digest[]): Members {
  const { body } = patient.routed;
  return {
    ...baseMembers(patient),
    body: { length: body.length, sha256: sha256(body).toString('hex') },
    ...examine(patient, key, (suspect) => findDigestMistake(suspect, digests)),
  };
}

/** Members for TIMESTAMP_SKEW: our clock, how far the request's is from it, and why. */
export function explainTime(times: Times): Members {
  const { createdAtSeconds, nowSeconds, windowSeconds } = times;
  return { now: nowSeconds, offsetSeconds: createdAtSeconds - nowSeconds, windowSeconds, ...told(findTimeMistake(times)) };
}

/** Members for KEY_UNKNOWN: what the name of the key is instead, when it is something of the caller's own. */
export function explainKey({ routed, presented, doctor, nowMs }: Patient): Members {
  const name = nameIn(presented.key);
  if (name === undefined) return {};
  const { merchant, peer } = routed;
  const registered = doctor.keysOf(merchant.number);
  return told(findKeyMistake({ name, by: presented.key.by, connection: peer, registered, platformNames: doctor.platformNames(), nowMs }));
}

/** The text by which a message names its key, if it does. */
function nameIn(handle: KeyHandle): string | undefined {
  if (handle.by === 'keyid') return handle.keyid;
  if (handle.by === 'serial') return handle.serialNumber;
  if (handle.by === 'thumbprint') return handle.thumbprint;
  return handle.by === 'alipaySerial' ? handle.serial : undefined;
}
