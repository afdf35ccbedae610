import type { X509Certificate } from 'node:crypto';

/** What a client that asks for a stapled answer says about the certificates it can verify; numbers as in the registry of TLS parameters. */
export type Offer = {
  readonly suites: readonly number[];
  /** Whether TLS 1.3 will be spoken: it is what we choose when we may. */
  readonly isTls13: boolean;
  /** Undefined: it did not say. */
  readonly schemes: readonly number[] | undefined;
  /** For the signatures within certificates, where they differ from those of handshakes (RFC 8446 section 4.2.3). */
  readonly certificateSchemes: readonly number[] | undefined;
  readonly groups: readonly number[];
  readonly pointFormats: Buffer | undefined;
};

/** Types of extensions: RFC 6066 section 8, RFC 8422 section 5.1, RFC 8446 section 4.2. */
const EXTENSION = { status: 5, groups: 10, pointFormats: 11, schemes: 13, versions: 43, certificateSchemes: 50 } as const;
const TLS_13 = 0x0304;
/** Those of our policy that show an elliptic-curve certificate in TLS 1.2. */
const ECDSA_SUITES = [0xc02b, 0xc02c, 0xcca9];
/** By OpenSSL's name of the curve: its group, and the one scheme that TLS 1.3 allows for it. */
const CURVES: Readonly<Record<string, { readonly group: number; readonly scheme: number }>> = {
  prime256v1: { group: 0x0017, scheme: 0x0403 },
  secp384r1: { group: 0x0018, scheme: 0x0503 },
};
/** How a certificate itself is signed, by OpenSSL's name. */
const SIGNATURES: Readonly<Record<string, number>> = {
  'ecdsa-with-SHA256': 0x0403,
  'ecdsa-with-SHA384': 0x0503,
  sha256WithRSAEncryption: 0x0401,
  sha384WithRSAEncryption: 0x0501,
};
/** Not surely a scheme of RSA: ECDSA with all its curves and digests, Ed25519, Ed448, and what came after them. */
const mayBeElliptic = (scheme: number): boolean => (scheme & 0xff) === 3 || scheme === 0x0807 || scheme === 0x0808 || scheme >= 0x081a;

const numbersOf = (bytes: Buffer): number[] => Array.from({ length: bytes.length >> 1 }, (_, i) => bytes.readUInt16BE(2 * i));

/** Undefined unless the client asks for a stapled answer. What is malformed counts as not said. */
export function readOffer({
  suites,
  extensions,
}: {
  readonly suites: Buffer;
  readonly extensions: ReadonlyMap<number, Buffer>;
}): Offer | undefined {
  if (!extensions.has(EXTENSION.status)) return undefined;
  /** A list behind its length, which takes as many bytes. */
  const list = (type: number, lengthBytes: 1 | 2): Buffer | undefined => {
    const content = extensions.get(type);
    const isWhole = content && content.length > lengthBytes && content.readUIntBE(0, lengthBytes) === content.length - lengthBytes;
    return isWhole ? content.subarray(lengthBytes) : undefined;
  };
  const numbers = (type: number): number[] | undefined => {
    const content = list(type, 2);
    return content && numbersOf(content);
  };
  return {
    suites: numbersOf(suites),
    isTls13: numbersOf(list(EXTENSION.versions, 1) ?? Buffer.alloc(0)).includes(TLS_13),
    schemes: numbers(EXTENSION.schemes),
    certificateSchemes: numbers(EXTENSION.certificateSchemes),
    groups: numbers(EXTENSION.groups) ?? [],
    pointFormats: list(EXTENSION.pointFormats, 1),
  };
}

/**
 * Which of an RSA and an elliptic-curve certificate a client is to be shown alone, so that the stapled answer is that one's:
 * elliptic curves where the client surely takes them, RSA where it surely does not. Undefined where neither is sure: TLS then
 * chooses between both. What decides is always less than what OpenSSL would let pass, so that no client fails by this choice.
 */
export function chooseKind(offer: Offer, elliptic: X509Certificate): 'ec' | 'rsa' | undefined {
  if (offer.schemes === undefined) return undefined;
  if (!offer.schemes.some(mayBeElliptic)) return 'rsa';
  const curve = CURVES[elliptic.publicKey.asymmetricKeyDetails?.namedCurve ?? ''];
  const signature = SIGNATURES[elliptic.signatureAlgorithm ?? ''];
  if (curve === undefined || signature === undefined) return undefined;
  const isTaken =
    offer.schemes.includes(curve.scheme) &&
    (offer.certificateSchemes ?? offer.schemes).includes(signature) &&
    offer.groups.includes(curve.group) &&
    (offer.pointFormats === undefined || offer.pointFormats.includes(0)) &&
    (offer.isTls13 || ECDSA_SUITES.some((suite) => offer.suites.includes(suite)));
  return isTaken ? 'ec' : undefined;
}
