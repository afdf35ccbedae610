import type { DistinguishedName } from './distinguished-name.ts';

/** How a message may name a key that is registered with its certificate, or a key of which it says nothing but whose it is. */
export type RegisteredHandle =
  /** Serial number of the certificate, upper-case hexadecimal, an even number of digits; the issuer where the message names it. */
  | { readonly by: 'serial'; readonly serialNumber: string; readonly issuer?: DistinguishedName }
  /** MD5 of issuer and serial number as Alipay computes it, lower-case hexadecimal: a name, nothing hangs on its strength. */
  | { readonly by: 'alipaySerial'; readonly serial: string }
  /** SHA-256 of the certificate's DER, base64url: `x5t#S256` of RFC 7515 section 4.1.8. */
  | { readonly by: 'thumbprint'; readonly thumbprint: string }
  /** One of the merchant's keys; the message does not say which. */
  | { readonly by: 'merchant' };

/** What a request says about the key that signed it. Nothing in it is proven. */
export type KeyHandle =
  | { readonly by: 'keyid'; readonly keyid: string }
  | RegisteredHandle
  /** Certificates that came in the message (DER), the signer's first. */
  | { readonly by: 'certificate'; readonly chain: readonly Uint8Array[] };

/** What messages may call a registered certificate. */
export type CertificateHandles = {
  readonly serialNumber: string;
  readonly issuer: DistinguishedName;
  readonly thumbprint: string;
  readonly alipaySerial: string;
};
