import type { KeyObject } from 'node:crypto';
import * as asn1js from 'asn1js';
import * as pkijs from 'pkijs';
import { sha256 } from '../lib/bytes.ts';
import { arrayBuffer } from './encode.ts';

export type Pkcs12Contents = {
  readonly privateKey: KeyObject;
  /** DER, the key's own first, then its issuers. */
  readonly certificates: readonly Uint8Array[];
  /** What Java calls the alias and Windows the friendly name. */
  readonly friendlyName: string;
  /** Printable ASCII only: programs differ in how they turn other characters into a key. */
  readonly password: string;
};

/** Rounds of PBKDF2 and of the MAC: what guessing a password costs, without a wait for who knows it. */
const ITERATIONS = 200_000;
const OID = {
  friendlyName: '1.2.840.113549.1.9.20',
  localKeyId: '1.2.840.113549.1.9.21',
  x509: '1.2.840.113549.1.9.22.1',
  keyBag: '1.2.840.113549.1.12.10.1.2',
  certificateBag: '1.2.840.113549.1.12.10.1.3',
};

/** The parameters that the library takes, which its types do not all know. */
type Encryption = Parameters<pkijs.PKCS8ShroudedKeyBag['makeInternalValues']>[0];

/**
 * A key with its certificates in one file with a password, RFC 7292: PBES2 with PBKDF2 and AES-256, MAC with SHA-256. Programs
 * that know only RC2 and triple DES cannot read it, on purpose.
 */
export async function createPkcs12(contents: Pkcs12Contents): Promise<Buffer> {
  const password = arrayBuffer(Buffer.from(contents.password, 'latin1'));
  const encryption: Encryption = {
    password,
    contentEncryptionAlgorithm: { name: 'AES-CBC', length: 256 } as Encryption['contentEncryptionAlgorithm'],
    hmacHashAlgorithm: 'SHA-256',
    iterationCount: ITERATIONS,
  };
  const authenticatedSafe = new pkijs.AuthenticatedSafe({
    parsedValue: {
      safeContents: [
        { privacyMode: 0, value: new pkijs.SafeContents({ safeBags: [await keyBag(contents, encryption)] }) },
        { privacyMode: 1, value: new pkijs.SafeContents({ safeBags: certificateBags(contents) }) },
      ],
    },
  });
  await authenticatedSafe.makeInternalValues({ safeContents: [{}, encryption] });
  const file = new pkijs.PFX({ parsedValue: { integrityMode: 0, authenticatedSafe } });
  await file.makeInternalValues({ password, iterations: ITERATIONS, pbkdf2HashAlgorithm: 'SHA-256', hmacHashAlgorithm: 'SHA-256' });
  return Buffer.from(file.toSchema().toBER());
}

async function keyBag(contents: Pkcs12Contents, encryption: Encryption): Promise<pkijs.SafeBag> {
  const pkcs8 = contents.privateKey.export({ type: 'pkcs8', format: 'der' });
  const bag = new pkijs.PKCS8ShroudedKeyBag({ parsedValue: pkijs.PrivateKeyInfo.fromBER(arrayBuffer(pkcs8)) });
  await bag.makeInternalValues(encryption);
  return new pkijs.SafeBag({ bagId: OID.keyBag, bagValue: bag, bagAttributes: pairing(contents) });
}

function certificateBags(contents: Pkcs12Contents): pkijs.SafeBag[] {
  return contents.certificates.map((der, index) => {
    // As bytes: parsed and written again, a name of several attributes in one set would come out changed.
    const bagValue = new pkijs.CertBag({ certId: OID.x509, certValue: new asn1js.OctetString({ valueHex: arrayBuffer(der) }) });
    return new pkijs.SafeBag({ bagId: OID.certificateBag, bagValue, ...(index === 0 && { bagAttributes: pairing(contents) }) });
  });
}

/** By equal ids readers find the certificate that belongs to the key. */
function pairing({ certificates: [own], friendlyName }: Pkcs12Contents): pkijs.Attribute[] {
  const id = new asn1js.OctetString({ valueHex: arrayBuffer(sha256(own as Uint8Array).subarray(0, 20)) });
  return [
    new pkijs.Attribute({ type: OID.friendlyName, values: [new asn1js.BmpString({ value: friendlyName })] }),
    new pkijs.Attribute({ type: OID.localKeyId, values: [id] }),
  ];
}
