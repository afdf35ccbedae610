/** One attribute of a name. `value` is the decoded text, exactly as in the certificate: no trimming, no case folding. */
export type NameAttribute = { readonly oid: string; readonly value: string };

/** A distinguished name: relative names in certificate order, each a set of one or more attributes. */
export type DistinguishedName = readonly (readonly NameAttribute[])[];
