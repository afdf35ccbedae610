import { constants, createHash } from 'node:crypto';
import { writeCms } from '../../tools/vectors/cms-forms.ts';
import { derOf } from '../../tools/vectors/der.ts';
import { type Form, type HeaderPair, latin1, type Message, type Signed } from '../../tools/vectors/message.ts';

/** What a mistake is made with: a form and the key that signs it. */
export type Maker = {
  readonly form: Form;
  /** Signs rightly with the form's key. */
  readonly sign: (base: Buffer) => Buffer;
  /** Makes signatures of other kinds with the same key. */
  readonly signAs: (digest: string, base: Buffer, options: object) => Buffer;
  readonly signOther: (base: Buffer) => Buffer;
};

export type ContentMistake = {
  readonly id: string;
  readonly why: string;
  readonly code?: string;
  readonly make: (maker: Maker) => Message;
};

const signed = ({ form, sign: right }: Maker, draft: Partial<Form['draft']> = {}, by = right): Message =>
  form.make({ ...form.draft, ...draft }, by).message;

/** Signs one request, sends another. */
const sends =
  (change: (message: Message) => Partial<Message>, draft: Partial<Form['draft']> = {}) =>
  (maker: Maker): Message => {
    const message = signed(maker, draft);
    return { ...message, ...change(message) };
  };
const body = (change: (text: string) => string) => sends((message) => ({ body: change(message.body) }));
/** Signs another address than the one that is called. */
const addressed =
  (draft: (draft: Form['draft']) => Partial<Form['draft']>, arrives: Partial<Message> = {}) =>
  (maker: Maker): Message => {
    const { host, target, method } = maker.form.draft;
    const made = signed(maker, draft(maker.form.draft));
    const headers = made.headers.map(([name, value]): HeaderPair => [name, name === 'Host' ? host : value]);
    return { ...made, target, method, headers, ...arrives };
  };
const header = (name: string, value: string) =>
  sends(({ headers }) => ({ headers: headers.map(([each, before]) => [each, each === name ? value : before]) }));
/** Signs another text than the right one. */
const signs =
  (change: (base: string) => string) =>
  (maker: Maker): Message =>
    signed(maker, {}, (base) => maker.sign(latin1(change(base.toString('latin1')))));
const by =
  (make: (maker: Maker, base: Buffer) => Buffer) =>
  (maker: Maker): Message =>
    signed(maker, {}, (base) => make(maker, base));

const utf8 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');
const rewritten = (text: string): string => utf8(JSON.stringify(JSON.parse(latin1(text).toString('utf8')), null, 2));

/** Mistakes with the body, in every form that signs it itself. */
const OF_BODY: readonly ContentMistake[] = [
  { id: 'body-reserialised', why: 'compact signed, indented sent', make: body(rewritten) },
  {
    id: 'body-crlf',
    why: 'LF signed, CR LF sent',
    make: (maker) => {
      const lines = rewritten(maker.form.draft.body);
      return { ...signed(maker, { body: lines }), body: lines.replaceAll('\n', '\r\n') };
    },
  },
  { id: 'body-line-end-not-signed', why: 'an editor added it', make: body((text) => `${text}\n`) },
  {
    id: 'body-line-end-not-sent',
    why: 'curl --data stripped it',
    make: sends(({ body: text }) => ({ body: text.trimEnd() }), { body: '{}\n' }),
  },
  { id: 'other-key', why: 'the key of another shop', make: by(({ signOther }, base) => signOther(base)) },
];

const OF_TARGET: readonly ContentMistake[] = [
  { id: 'query-dropped', why: 'the path alone signed', make: sends(({ target }) => ({ target: `${target}?a=1` })) },
  {
    id: 'path-decoded',
    why: 'a framework gave the decoded query',
    make: addressed(() => ({ target: '/v1/orders?a=b c' }), { target: '/v1/orders?a=b%20c' }),
  },
  { id: 'wrong-host', why: 'signed for the machine behind a proxy', make: addressed(() => ({ host: 'localhost' })) },
  { id: 'method-case', why: 'in small letters', make: addressed(() => ({ method: 'post' })) },
  { id: 'trailing-slash', why: 'a slash more', make: addressed(({ target }) => ({ target: `${target}/` })) },
  {
    id: 'header-changed',
    why: 'a proxy put quotes around the key of the order',
    make: header('Idempotency-Key', '"order-A-1"'),
  },
  {
    id: 'clock-off',
    why: 'a thousand seconds',
    code: 'TIMESTAMP_SKEW',
    make: (maker) => signed(maker, { createdAtSeconds: maker.form.draft.createdAtSeconds - 1000 }),
  },
  {
    id: 'milliseconds-for-seconds',
    why: 'Date.now()',
    code: 'TIMESTAMP_SKEW',
    make: (maker) => signed(maker, { createdAtSeconds: maker.form.draft.createdAtSeconds * 1000 }),
  },
];

const headOf = (base: string): string => base.slice(0, base.indexOf('.'));
const payloadOf = (base: string): string => base.slice(base.indexOf('.') + 1);
const decoded = (text: string): string => Buffer.from(text, 'base64url').toString('latin1');

/** Of a JWS whose payload is encoded, with our claims or without. */
const OF_JWS: readonly ContentMistake[] = [
  { id: 'payload-encoding', why: 'the body itself signed', make: signs((base) => `${headOf(base)}.${decoded(payloadOf(base))}`) },
  { id: 'header-not-encoded', why: 'the JSON signed', make: signs((base) => `${decoded(headOf(base))}.${payloadOf(base)}`) },
  { id: 'body-alone', why: 'the payload signed without its header', make: signs(payloadOf) },
  { id: 'body-absent', why: 'nothing behind the dot', make: signs((base) => `${headOf(base)}.`) },
  {
    id: 'b64-of-the-other-profile',
    why: 'b64 is false where it is agreed to be left out',
    code: 'SIGNATURE_INVALID',
    make: (maker) => {
      const message = signed(maker);
      const change = (value: string): string => {
        const claims = JSON.parse(decoded(headOf(value))) as { crit: string[] };
        return `${Buffer.from(JSON.stringify({ ...claims, b64: false, crit: ['b64', ...claims.crit] })).toString('base64url')}..AAAA`;
      };
      return { ...message, headers: message.headers.map(([name, value]) => [name, /^x-jws/.test(name) ? change(value) : value]) };
    },
  },
];
const OF_JWS_CLAIMS: readonly ContentMistake[] = [
  { id: 'other-content-signed', why: 'the claims are those of another order', make: addressed(() => ({ target: '/v1/refunds/R-7' })) },
];
const OF_ECDSA: readonly ContentMistake[] = [
  { id: 'der-signature', why: 'as Java and openssl give it', make: by(({ sign: right }, base) => derOf(right(base))) },
  {
    id: 'hashed-twice',
    why: 'hashed first',
    make: by(({ sign: right }, base) => right(createHash('sha256').update(base).digest())),
  },
];
const PKCS1 = { padding: constants.RSA_PKCS1_PADDING };
const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING };
const OF_PSS: readonly ContentMistake[] = [
  { id: 'pkcs1-for-pss', why: 'RS256 under the name of PS256', make: by(({ signAs }, base) => signAs('sha256', base, PKCS1)) },
  { id: 'pss-salt-length', why: 'the longest salt', make: by(({ signAs }, base) => signAs('sha256', base, { ...PSS, saltLength: 190 })) },
  {
    id: 'wrong-hash',
    why: 'PS512 under the name of PS256',
    make: by(({ signAs }, base) => signAs('sha512', base, { ...PSS, saltLength: 64 })),
  },
];

/** A CMS over another content than the right one. */
const over =
  (change: (content: string, draft: Form['draft']) => string, isAttached = false) =>
  ({ form, sign: right }: Maker): Message => {
    const { message, content = Buffer.alloc(0) } = form.make(form.draft, right) as Signed;
    const certificate = certificateIn(message);
    const parts = {
      algorithm: form.algorithm,

      hasAttributes: true,
      isAttached,
      certificate,
    };
    const made = writeCms({ ...parts, content: latin1(change(content.toString('latin1'), form.draft)) }, right);
    return {
      ...message,
      headers: message.headers.map(([name, value]) => [name, name === 'X-CMS-Signature' ? made.message.toString('base64') : value]),
    };
  };

/** The certificate that a CMS brings: the one SEQUENCE in its field of certificates that is long enough. */
function certificateIn({ headers }: Message): Buffer {
  const bytes = Buffer.from(headers.find(([name]) => name === 'X-CMS-Signature')?.[1] ?? '', 'base64');
  const at = bytes.indexOf(Buffer.from('3082', 'hex'), bytes.indexOf(Buffer.from('a082', 'hex'), 30));
  return bytes.subarray(at, at + 4 + bytes.readUInt16BE(at + 2));
}

const OF_CMS: readonly ContentMistake[] = [
  { id: 'base-crlf', why: 'openssl without -binary', make: over((content) => content.replaceAll('\n', '\r\n')) },
  { id: 'body-alone', why: 'the block forgotten', make: over((_, draft) => draft.body) },
  { id: 'body-absent', why: 'the block without the body', make: over((content, draft) => content.slice(0, -draft.body.length)) },
  { id: 'block-separator', why: 'no empty line', make: over((content) => content.replace('\n\n', '\n')) },
  { id: 'block-separator', why: 'two of them', make: over((content) => content.replace('\n\n', '\n\n\n')) },
  { id: 'block-line-missing', why: 'the nonce left out', make: over((content) => content.replace(/^nonce: .*\n/m, '')) },
  {
    id: 'block-line-order',
    why: 'two lines changed about',
    make: over((content) => content.replace(/^(method.*\n)(target.*\n)/m, '$2$1')),
  },
  { id: 'escaped-line-feeds', why: 'a shell string', make: over((content) => content.replaceAll('\n', '\\n')) },
  { id: 'other-content-signed', why: 'the block of another amount', make: over((content) => content.replace('1999', '9999')) },
  { id: 'attached-content', why: '-nodetach', code: 'SIGNATURE_INVALID', make: over((content) => content, true) },
];

/** By form: what is made of it. */
export const CONTENT_CASES: Readonly<Record<string, readonly ContentMistake[]>> = {
  'jws/post-es256': [...OF_BODY, ...OF_TARGET, ...OF_JWS, ...OF_JWS_CLAIMS, ...OF_ECDSA],
  'jws/post-raw-ps256': [...OF_BODY, ...OF_TARGET, ...OF_JWS_CLAIMS, ...OF_PSS],
  'jws-obie/3.1.4-ps256': [...OF_BODY, ...OF_JWS, ...OF_PSS],
  'jws-obie/3.1.3-es256': [...OF_BODY, ...OF_ECDSA],
  'cms/post-rsa': [...OF_BODY, ...OF_TARGET, ...OF_CMS],
  'cms/post-p256': [...OF_BODY, ...OF_TARGET, ...OF_CMS],
  'cms/post-rsa-noattr': [...OF_BODY, ...OF_TARGET],
};
