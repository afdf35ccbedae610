import type { KeyHandle } from '../key-handle.ts';
import type { MerchantKey } from '../merchant.ts';
import type { Peer } from '../messages.ts';
import type { Mistake } from './table.ts';

/** A name of a key that finds none that counts, and what else of the caller's it may be. */
export type UnknownKey = {
  readonly name: string;
  /** What kind of name the scheme takes it for. */
  readonly by: KeyHandle['by'];
  /** The certificate that the caller connected with. */
  readonly connection: Pick<Peer, 'serialNumber' | 'thumbprint' | 'keyid'>;
  /** All keys that are registered for the merchant, whether they count now or not. */
  readonly registered: readonly Pick<MerchantKey, 'keyid' | 'certificate' | 'notBeforeMs' | 'notAfterMs' | 'environment'>[];
  /** Keyids and serial numbers of the gateway's own keys, which sign answers. */
  readonly platformNames: readonly string[];
  readonly nowMs: number;
};

type KeyMistake = Mistake & { readonly made: (unknown: UnknownKey) => boolean };
type Registered = UnknownKey['registered'][number];

const withoutZeros = (hex: string): string =>
  hex
    .toLowerCase()
    .replace(/[^0-9a-f]/g, '')
    .replace(/^0+/, '');
const isHex = (text: string): boolean => /^[0-9A-Fa-f:]+$/.test(text);
const hexOf = (base64url: string): string => Buffer.from(base64url, 'base64url').toString('hex');

/** Every name a registered key has, in all schemes. */
const namesOf = ({ keyid, certificate }: Registered): string[] =>
  certificate ? [keyid, certificate.serialNumber, certificate.thumbprint, certificate.alipaySerial] : [keyid];

const isOfOne = ({ name, registered }: UnknownKey, fits: (key: Registered) => boolean): boolean =>
  registered.some((key) => fits(key) && namesOf(key).includes(name));

/** Mistakes with the name of a key. Each compares texts only. */
export const KEY_NAME_MISTAKES: readonly KeyMistake[] = [
  {
    id: 'key-of-another-environment',
    hint: 'The request names your key of another environment. Keys of a test system never count here.',
    made: (unknown) => isOfOne(unknown, ({ environment }) => environment !== undefined),
  },
  {
    id: 'key-not-yet-valid',
    hint: 'The request names a key of yours that does not count yet.',
    made: (unknown) => isOfOne(unknown, ({ notBeforeMs }) => unknown.nowMs < notBeforeMs),
  },
  {
    id: 'key-expired',
    hint: 'The request names a key of yours that does not count any more.',
    made: (unknown) => isOfOne(unknown, ({ notAfterMs }) => unknown.nowMs > notAfterMs),
  },
  {
    id: 'key-name-spelling',
    hint: 'The request names one of your keys in other letters or with white space. Names are compared exactly.',
    made: ({ name, registered }) =>
      registered.some((key) => namesOf(key).some((other) => other !== name && other.toLowerCase() === name.trim().toLowerCase())),
  },
  {
    id: 'key-not-registered',
    hint: 'The request names the key of the certificate you connected with, which is not registered as a signing key of yours.',
    made: ({ name, connection }) => name.toLowerCase() === connection.keyid,
  },
  {
    id: 'key-named-by-serial-number',
    hint: 'The request names its key by the serial number of your certificate. Here a key has the name it was registered under, by default the SHA-256 of the public key.',
    made: ({ name, by, connection }) =>
      by === 'keyid' && isHex(name) && withoutZeros(name) !== '' && withoutZeros(name) === withoutZeros(connection.serialNumber),
  },
  {
    id: 'key-named-by-thumbprint',
    hint: 'The request names its key by the SHA-256 of your certificate. By default a keyid is the SHA-256 of the public key (SubjectPublicKeyInfo).',
    made: ({ name, by, connection }) =>
      by === 'keyid' && (name === connection.thumbprint || name.replaceAll(':', '').toLowerCase() === hexOf(connection.thumbprint)),
  },
  {
    id: 'key-of-the-connection-not-registered',
    hint: 'The request names the certificate you connected with, which is not registered as a signing certificate of yours.',
    made: ({ name, connection }) => [connection.serialNumber, connection.thumbprint].includes(name),
  },
  {
    id: 'key-of-the-platform',
    hint: 'The request names a key of ours, which signs answers. Name your own.',
    made: ({ name, platformNames }) => platformNames.includes(name),
  },
];

/** What a name that no key has may be instead; costs nothing. */
export const findKeyMistake = (unknown: UnknownKey): Mistake | undefined => KEY_NAME_MISTAKES.find(({ made }) => made(unknown));
