import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHash,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import { lengthPrefixed } from '../../lib/bytes.ts';
import { JWE_CURVES, type JweAlgorithm, type JweHeader, JweProblem } from './header.ts';

/** A key that a JWE names by its id. The record decides the algorithm, never the message. */
export type JweKey = {
  readonly keyid: string;
  readonly algorithm: JweAlgorithm;
  /** Public to encrypt, private to decrypt; secret for A256KW. */
  readonly key: KeyObject;
};

export const CONTENT_KEY_BYTES = 32;
/** AES key wrap adds eight octets (RFC 3394 section 2.2.1). */
const WRAPPED_BYTES = CONTENT_KEY_BYTES + 8;
const RSA_BITS_MIN = 2048;
const OAEP = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };
const WRAP = 'id-aes256-wrap';
const WRAP_IV = Buffer.alloc(8, 0xa6);

const curveOf = (key: KeyObject): string | undefined => {
  const name = key.asymmetricKeyDetails?.namedCurve;
  return Object.keys(JWE_CURVES).find((curve) => JWE_CURVES[curve]?.name === name);
};

/** The algorithm for an asymmetric encryption key; undefined for a key that none can use. */
export function jweAlgorithmOf(key: KeyObject): JweAlgorithm | undefined {
  if (key.asymmetricKeyType === 'rsa') return (key.asymmetricKeyDetails?.modulusLength ?? 0) >= RSA_BITS_MIN ? 'RSA-OAEP-256' : undefined;
  return key.asymmetricKeyType === 'ec' && curveOf(key) ? 'ECDH-ES+A256KW' : undefined;
}

/** A content key as it goes into the message, and what the header needs to say about it. */
export type WrappedKey = { readonly encryptedKey: Buffer; readonly ephemeralKey?: KeyObject };

/** Wraps a content key for its reader. */
export function wrapContentKey({ algorithm, key }: JweKey, contentKey: Buffer): WrappedKey {
  if (algorithm === 'RSA-OAEP-256') return { encryptedKey: publicEncrypt({ key, ...OAEP }, contentKey) };
  if (algorithm === 'A256KW') return { encryptedKey: wrap(key.export(), contentKey) };
  const ephemeral = generateKeyPairSync('ec', { namedCurve: curveOf(key) as string });
  const encryptedKey = wrap(agree(ephemeral.privateKey, key), contentKey);
  return { encryptedKey, ephemeralKey: ephemeral.publicKey };
}

/** Throws JweProblem when header and key do not go together: told from public facts alone, before the key is used. */
export function checkJweKey({ algorithm, ephemeralKey }: JweHeader, encryptedKey: Buffer, key: JweKey): void {
  if (algorithm !== key.algorithm) throw new JweProblem('alg is not the algorithm that the key of this kid is for');
  if (ephemeralKey && curveOf(ephemeralKey) !== curveOf(key.key)) throw new JweProblem('epk is on another curve than the key of this kid');
  const bytes = algorithm === 'RSA-OAEP-256' ? Math.ceil((key.key.asymmetricKeyDetails?.modulusLength ?? 0) / 8) : WRAPPED_BYTES;
  if (encryptedKey.length !== bytes) throw new JweProblem('the encrypted key has another length than alg and key give it');
}

/**
 * The content key of a message. Where unwrapping fails it is a random one, with which the content then fails as for any other reason: nobody
 * learns which step it was (RFC 7516 section 11.5). The random key is made in any case.
 */
export function unwrapContentKey({ ephemeralKey }: JweHeader, encryptedKey: Buffer, { algorithm, key }: JweKey): Buffer {
  const random = randomBytes(CONTENT_KEY_BYTES);
  try {
    const found =
      algorithm === 'RSA-OAEP-256'
        ? privateDecrypt({ key, ...OAEP }, encryptedKey)
        : unwrap(algorithm === 'A256KW' ? key.export() : agree(key, ephemeralKey as KeyObject), encryptedKey);
    return found.length === CONTENT_KEY_BYTES ? found : random;
  } catch {
    return random;
  }
}

/** Concat KDF for one key of 256 bits, without apu and apv (RFC 7518 section 4.6.2). */
function agree(privateKey: KeyObject, publicKey: KeyObject): Buffer {
  const shared = diffieHellman({ privateKey, publicKey });
  const round = Buffer.from([0, 0, 0, 1]);
  const bits = Buffer.from([0, 0, 1, 0]);
  return createHash('sha256')
    .update(round)
    .update(shared)
    .update(lengthPrefixed(['ECDH-ES+A256KW', '', '']))
    .update(bits)
    .digest();
}

function wrap(key: Buffer, contentKey: Buffer): Buffer {
  const cipher = createCipheriv(WRAP, key, WRAP_IV);
  return Buffer.concat([cipher.update(contentKey), cipher.final()]);
}

function unwrap(key: Buffer, encryptedKey: Buffer): Buffer {
  const decipher = createDecipheriv(WRAP, key, WRAP_IV);
  return Buffer.concat([decipher.update(encryptedKey), decipher.final()]);
}
