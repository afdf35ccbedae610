/**
 * Texts by which announcements and configuration name certificates and bindings: one text for each, never one for two.
 * Serial numbers are upper-case hexadecimal with an even number of digits, thumbprints x5t#S256 of RFC 8705 section 3.1.
 */

/** A certificate by its serial number and the configured name of the authority that issued it. */
export const serialMark = (authority: string, serialNumber: string): string => JSON.stringify(['serial', authority, serialNumber]);

/** One certificate, by the SHA-256 of its DER, base64url. */
export const thumbprintMark = (thumbprint: string): string => JSON.stringify(['thumbprint', thumbprint]);

/** Every certificate of a name: see bindingKeyOf in distinguished-name. */
export const nameMark = (bindingKey: string): string => JSON.stringify(['name', bindingKey]);

/** A certificate's name as it is bound to one merchant. */
export const bindingMark = (bindingKey: string, merchantNumber: string): string => JSON.stringify([merchantNumber, bindingKey]);

/** The claim of an idempotency key: merchant number and key hash. */
export const claimMark = (merchantNumber: string, keyHash: string): string => JSON.stringify([merchantNumber, keyHash]);

/** Reads claimMark; undefined when it is none. */
export function findClaimMark(mark: string): { readonly merchantNumber: string; readonly keyHash: string } | undefined {
  const [merchantNumber, keyHash] = /^\["([0-9]{15})","([A-Za-z0-9_-]{43})"\]$/.exec(mark)?.slice(1) ?? [];
  return merchantNumber !== undefined && keyHash !== undefined ? { merchantNumber, keyHash } : undefined;
}
