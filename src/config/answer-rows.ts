import { HTTP_ALGORITHM_NAMES } from '../protocol/algorithms.ts';
import { KEY_MOMENTS, keyState } from './key-life-rows.ts';
import { choice, entry, integer, list, OPTIONAL, path, REQUIRED, section, text } from './rows.ts';

const ANSWER_KEY = entry({
  keyid: text(
    REQUIRED,
    /^[A-Za-z0-9._-]{1,64}$/,
    'a key id of A-Z a-z 0-9 . _ -',
    'what the signature of an answer calls this key; merchants pin it',
  ),
  certificate: path(REQUIRED, 'PEM certificate, relative to certificatesDirectory'),
  key: path(REQUIRED, 'PEM private key, relative to certificatesDirectory; readable by its owner only'),
  algorithm: choice(
    HTTP_ALGORITHM_NAMES as [(typeof HTTP_ALGORITHM_NAMES)[number]],
    OPTIONAL,
    'the one algorithm it signs with; default: rsa-v1_5-sha256 for RSA, else what the key is for',
  ),
  state: keyState(
    'announced: published only; current: signs; retiring: published, still verifiable; retired: neither, its files are not read',
  ),
  sharePercent: integer(
    100,
    1,
    100,
    '%',
    'for how many merchants it signs while it is current; the others have the next key of its algorithm',
  ),
  ...KEY_MOMENTS,
});

/** `answers` in gateway.yaml: who signs what we answer, and how often before the asker proved anything. */
export const ANSWERS = section(
  {
    keys: list(
      ANSWER_KEY,
      [
        { keyid: 'platform-ec', certificate: 'signing/platform-ec.crt', key: 'signing/platform-ec.key', sharePercent: 100 },
        { keyid: 'platform-rsa', certificate: 'signing/platform-rsa.crt', key: 'signing/platform-rsa.key', sharePercent: 100 },
      ],
      1,
      'keys that sign our answers (平台签名密钥); among the current ones for all merchants is an EC or Ed25519 key, since refusals are signed with it; `hufu keys` changes them',
      16,
    ),
    readinessPercent: integer(
      95,
      0,
      100,
      '%',
      'of the merchants that a new key is for must have fetched it before `hufu keys promote` gives it to all of them',
    ),
    budgetPerSecond: integer(
      20,
      1,
      10_000,
      'answers/s',
      'signed refusals for one certificate before its request signature verified; beyond it the socket is closed, since forging costs nothing and signing does',
    ),
    budgetBurst: integer(100, 1, 100_000, 'answers', 'how many of them at once'),
  },
  'Signing of answers.',
);
