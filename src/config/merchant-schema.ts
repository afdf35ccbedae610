import { z } from 'zod';
import { MERCHANT_KINDS } from '../protocol/access.ts';
import { ALGORITHM_NAMES, HTTP_ALGORITHM_NAMES } from '../protocol/algorithms.ts';
import { KEY_SOURCES } from '../protocol/merchant.ts';
import { SCHEME_NAMES } from '../protocol/scheme-names.ts';
import { moment } from './plan-schema.ts';
import { choice, entry, list, OPTIONAL, path, REQUIRED, section, text } from './rows.ts';

/** Every key of a merchant file, one row each. docs/config.md and config/schemas/merchant.json are generated from it. */

const number = (reason: string) => text(REQUIRED, /^[0-9]{15}$/, 'a merchant number of 15 digits (in quotes)', reason);
const operationId = text(REQUIRED, /^[A-Za-z][A-Za-z0-9._-]{0,63}$/, 'an operation id', 'operation id');
const keyid = <D extends typeof OPTIONAL | typeof REQUIRED>(standard: D, reason: string) =>
  text(standard, /^[A-Za-z0-9._:-]{1,128}$/, 'a key id of A-Z a-z 0-9 . _ : - (at most 128 characters)', reason);

const NAME = {
  authority: text(
    OPTIONAL,
    /^[a-z0-9][a-z0-9-]{0,62}$/,
    'the name of an authority',
    'authority that issues the certificate; may be left out when gateway.yaml has only one',
  ),
  subject: text(
    OPTIONAL,
    /^[^\0]{1,1024}$/,
    'a distinguished name as in RFC 4514',
    'subject of the certificate, RFC 4514 (most specific part first), compared exactly',
  ),
  certificate: path(OPTIONAL, 'instead of subject: PEM file whose subject is taken; relative to certificatesDirectory'),
  notBefore: moment('the name is not bound before'),
  notAfter: moment('the name is not bound after'),
  pins: list(
    text(REQUIRED, /^[0-9a-f]{64}$/, 'a SHA-256 in 64 lower-case hexadecimal digits', 'SHA-256 of the SubjectPublicKeyInfo'),
    [],
    0,
    'the only keys that a certificate of this name may have; default: any, so that a renewal needs no change here',
    16,
  ),
};

const KEY = entry({
  certificate: path(OPTIONAL, 'PEM certificate with the public key; its validity bounds the key; relative to certificatesDirectory'),
  publicKey: path(OPTIONAL, 'instead of certificate: PEM file with a public key'),
  keyid: keyid(OPTIONAL, 'what signatures call the key; default: SHA-256 of its SubjectPublicKeyInfo, hex'),
  algorithm: choice(
    ALGORITHM_NAMES as [(typeof ALGORITHM_NAMES)[number]],
    OPTIONAL,
    'the one algorithm it may be used with; default: rsa-v1_5-sha256 for RSA, else what the key is for',
  ),
  notBefore: moment('the key is not known before'),
  notAfter: moment('the key is not known after'),
  environment: text(
    OPTIONAL,
    /^[a-z0-9][a-z0-9-]{0,31}$/,
    'a name of a-z, 0-9 and -',
    'the key belongs to another environment, such as test: it never counts here, and a request that was signed with it is told so',
  ),
});

const ENCRYPTION_KEY = entry({
  certificate: path(OPTIONAL, 'PEM certificate with the public key; its validity bounds the key; relative to certificatesDirectory'),
  publicKey: path(OPTIONAL, 'instead of certificate: PEM file with a public key'),
  keyid: keyid(OPTIONAL, 'what we call the key in the header of a JWE; default: SHA-256 of its SubjectPublicKeyInfo, hex'),
  notBefore: moment('the key is not used before'),
  notAfter: moment('the key is not used after'),
});

const DELEGATION = entry({
  ...NAME,
  reference: text(REQUIRED, /^\S.{0,255}$/s, 'the document that grants it', 'the written agreement, for the auditor'),
  keyids: list(keyid(REQUIRED, 'key id'), [], 0, 'keys of other merchants that may sign for this one', 64),
});

/** Makes a change temporary: the plan's rule counts again from `until` on. */
export const TEMPORARY = entry({
  until: moment('the first moment at which the change no longer counts'),
  author: text(OPTIONAL, /^\S.{0,127}$/s, 'a name of 1 to 128 characters', 'who allowed a change that ends; needed with `until`'),
  reason: text(OPTIONAL, /^\S.{0,511}$/s, 'a reason of 1 to 512 characters', 'why, for the auditor'),
});

/** A rule's change in a merchant file; what it makes together with the plan's rule is checked against the rule's schema. */
const OVERRIDES = z
  .record(
    z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, { error: 'expected the name of a rule' }),
    z.looseObject({}, { error: 'expected keys of a rule' }).meta({ description: 'the keys that differ' }),
    {
      error: 'expected a map of rule names',
    },
  )
  .default({})
  .meta({
    description:
      'rules of the plan that are other for this merchant: rule name, then the keys that differ; or a rule of its own, complete; with `until` (RFC 3339), `author` and `reason` for a while only',
  });

export const MERCHANT = entry({
  number: number('merchant number (商户号), in quotes'),
  name: text(REQUIRED, /^\S.{0,127}$/s, 'a name of 1 to 128 characters', 'name, for people'),
  status: choice(['active', 'suspended'], 'active', 'a suspended merchant is refused with every request'),
  channels: list(choice(['internet', 'dedicated'], REQUIRED, 'channel'), ['internet'], 1, 'ways it may come', 2),
  kind: choice(MERCHANT_KINDS, 'merchant', 'what it is, for the access policy (docs/policy.md)'),
  networks: list(
    text(REQUIRED, /^[0-9A-Fa-f:.]{2,45}\/\d{1,3}$/, 'a network such as 203.0.113.0/24', 'network'),
    OPTIONAL,
    1,
    'the only networks it may come from, on every channel; default: any, unless a rule of the policy demands a list',
    256,
  ),
  names: list(
    entry(NAME),
    REQUIRED,
    0,
    'the certificates it may connect with, by issuer and subject; each belongs to one merchant only; with none it cannot connect',
    64,
  ),
  keySources: list(
    choice(KEY_SOURCES, REQUIRED, 'source'),
    ['registered'],
    1,
    'where the key of a signature may come from: registered (`keys`), connection (the certificate it connects with), message (a certificate in the message, of one of its names)',
    3,
  ),
  keys: list(KEY, [], 0, 'keys that its requests may be signed with; at least one unless keySources names another source', 64),
  signatures: list(
    choice(SCHEME_NAMES, REQUIRED, 'scheme'),
    ['rfc9421'],
    1,
    'schemes that its requests may be signed with (docs/signatures.md); a request has one of them',
    SCHEME_NAMES.length,
  ),
  signatureOptions: section(
    {
      'wechatpay-v3': section(
        { mchid: text(OPTIONAL, /^[0-9]{1,32}$/, 'digits (in quotes)', 'mchid that its requests name; default: the merchant number') },
        'WeChat Pay (微信支付) form.',
      ),
      'alipay-v3': section(
        { appId: text(OPTIONAL, /^[0-9]{1,32}$/, 'digits (in quotes)', 'app_id that its requests name; default: the merchant number') },
        'Alipay (支付宝) v3 form.',
      ),
      'sorted-rsa2': section(
        { id: text(OPTIONAL, /^[0-9]{1,32}$/, 'digits (in quotes)', 'app_id or merId that its forms name; default: the merchant number') },
        'Sorted form fields of Alipay v2 and UnionPay (银联).',
      ),
      jws: section(
        {
          profile: choice(
            ['obie-3.1.3', 'obie-3.1.4'],
            'obie-3.1.4',
            'form of x-jws-signature in requests and answers: obie-3.1.3 signs the bytes of the body (b64: false), obie-3.1.4 their base64url',
          ),
          issuer: text(
            OPTIONAL,
            /^[!-~ ]{1,255}$/,
            'printable ASCII',
            'the only http://openbanking.org.uk/iss of its requests; needed for jws-obie',
          ),
          trustAnchor: text(
            'openbanking.org.uk',
            /^[!-~]{1,255}$/,
            'a host name',
            'the only http://openbanking.org.uk/tan, of requests and answers',
          ),
          answerIssuer: text('hufu', /^[!-~ ]{1,255}$/, 'printable ASCII', 'http://openbanking.org.uk/iss of our answers'),
        },
        'JWS form (jws and jws-obie).',
      ),
    },
    'What the schemes of `signatures` need to know.',
  ),
  encryptionKeys: list(ENCRYPTION_KEY, [], 0, 'keys that answers and working keys are encrypted to; the first that is valid is used', 16),
  delegations: list(DELEGATION, [], 0, 'certificates of others that may act for this merchant, by written agreement', 64),
  plan: text(REQUIRED, /^[a-z0-9][a-z0-9-]{0,62}$/, 'the name of a plan', 'plan of plans.yaml'),
  overrides: OVERRIDES,
  operations: list(operationId, OPTIONAL, 1, 'operations its contract includes; default: all', 1_000),
  scenes: list(
    text(REQUIRED, /^[A-Za-z0-9_-]{1,32}$/, 'a scene of A-Z a-z 0-9 _ -', 'scene'),
    OPTIONAL,
    1,
    'scenes (业务场景) its contract includes, where an operation names one; default: all',
    64,
  ),
  answers: section(
    {
      algorithm: choice(
        HTTP_ALGORITHM_NAMES as [(typeof HTTP_ALGORITHM_NAMES)[number]],
        'ecdsa-p256-sha256',
        'algorithm of our signatures for it; one of `answers.keys` must be able to do it',
      ),
      encryption: choice(
        ['fields', 'body'],
        'fields',
        'fields: the fields that the operation lists go out encrypted; body: every whole answer does (application/jose)',
      ),
    },
    'Answers to this merchant.',
  ),
});

export type MerchantFile = z.output<typeof MERCHANT>;
export type MerchantName = MerchantFile['names'][number];
export type MerchantKeyEntry = MerchantFile['keys'][number];
