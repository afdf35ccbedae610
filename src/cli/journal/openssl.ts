import type { AlgorithmName } from '../../protocol/algorithms.ts';

/** How openssl is told to check a signature over a file, and over a digest that stands in one. */
const VERIFY: Readonly<Record<AlgorithmName, { readonly file: string; readonly digest: string }>> = {
  'rsa-v1_5-sha256': { file: 'dgst -sha256', digest: 'digest:sha256' },
  'rsa-pss-sha512': {
    file: 'dgst -sha512 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:64',
    digest: 'digest:sha512 -pkeyopt rsa_padding_mode:pss -pkeyopt rsa_pss_saltlen:64',
  },
  'ecdsa-p256-sha256': { file: 'dgst -sha256', digest: 'digest:sha256' },
  'ecdsa-p384-sha384': { file: 'dgst -sha384', digest: 'digest:sha384' },
  ed25519: { file: '', digest: '' },
  'rsa-pss-sha256': {
    file: 'dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32',
    digest: 'digest:sha256 -pkeyopt rsa_padding_mode:pss -pkeyopt rsa_pss_saltlen:32',
  },
};

/** The command that checks NAME.signature over NAME.signed with NAME.key.pem, in a shell. */
export function verifyLine({
  name,
  algorithm,
  isDigest,
}: {
  readonly name: string;
  readonly algorithm: AlgorithmName;
  readonly isDigest: boolean;
}): string {
  const { file, digest } = VERIFY[algorithm];
  const from = `-sigfile ${name}.signature -in ${name}.signed`;
  const told = `echo "${name}:" && openssl`;
  if (isDigest) return `${told} pkeyutl -verify -pubin -inkey ${name}.key.pem ${from} -pkeyopt ${digest}`;
  if (file === '') return `${told} pkeyutl -verify -pubin -inkey ${name}.key.pem -rawin ${from}`;
  return `${told} ${file} -verify ${name}.key.pem -signature ${name}.signature ${name}.signed`;
}

/** A DER INTEGER without needless leading zeros (X.690 section 8.3.2). */
function integer(bytes: Buffer): Buffer {
  let from = 0;
  while (from < bytes.length - 1 && bytes[from] === 0) from += 1;
  const value = bytes.subarray(from);
  const padded = (value[0] as number) >= 0x80 ? Buffer.concat([Buffer.of(0), value]) : value;
  return Buffer.concat([Buffer.of(0x02, padded.length), padded]);
}

/** A signature as openssl reads it: ECDSA as SEQUENCE of r and s (RFC 3279 section 2.2.3), everything else as it is. */
export function opensslForm(algorithm: AlgorithmName, signature: Buffer): Buffer {
  if (!algorithm.startsWith('ecdsa-')) return signature;
  const half = signature.length / 2;
  const pair = Buffer.concat([integer(signature.subarray(0, half)), integer(signature.subarray(half))]);
  return Buffer.concat([Buffer.of(0x30, pair.length), pair]);
}
