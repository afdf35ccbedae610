import { KEY_MOMENTS, keyState } from './key-life-rows.ts';
import { entry, list, path, REQUIRED, section, text } from './rows.ts';

const ENCRYPTION_KEY = entry({
  keyid: text(REQUIRED, /^[A-Za-z0-9._-]{1,64}$/, 'a key id of A-Z a-z 0-9 . _ -', 'what the header of a JWE calls this key'),
  certificate: path(REQUIRED, 'PEM certificate, relative to certificatesDirectory'),
  key: path(REQUIRED, 'PEM private key, relative to certificatesDirectory; readable by its owner only'),
  state: keyState(
    'announced: published, not to be encrypted to yet; current: encrypt to it; retiring: no longer, still decrypts; retired: neither published nor decrypting, its files are not read',
  ),
  ...KEY_MOMENTS,
});

/** The gateway's own encryption keys. */
export const ENCRYPTION = section(
  {
    keys: list(
      ENCRYPTION_KEY,
      [],
      0,
      'keys that merchants encrypt requests to, RSA or P-256 or P-384; of several current ones of a kind the first counts; all but retired ones decrypt; none: only working keys encrypt; `hufu keys` changes them',
      16,
    ),
  },
  'Encryption of bodies and fields (JWE).',
);
