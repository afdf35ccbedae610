import { X509Certificate } from 'node:crypto';
import { writeCms } from './cms-forms.ts';
import { certificatePem, type KeyName } from './keys.ts';
import { type Form, type HeaderPair, latin1, type Message, NOW_SECONDS, type Signed } from './message.ts';
import type { Sign } from './signatures.ts';
import type { Wrong } from './wrong.ts';

/** What may be wrong with a detached CMS. */

const isCms = ({ scheme }: Form): boolean => scheme === 'cms';
const withHeader = (message: Message, name: string, change: (value: string) => string): Message => ({
  ...message,
  headers: message.headers.map(([each, value]): HeaderPair => [each, each === name ? change(value) : value]),
});

type Anew = { readonly content?: (content: string, form: Form) => string; readonly certificate?: KeyName; readonly isAttached?: boolean };

/** Another content or certificate, signed properly. */
function signedAnew(form: Form, { message, content = Buffer.alloc(0) }: Signed, sign: Sign, anew: Anew): Message {
  const { content: change = (text: string) => text, certificate = form.key, isAttached = false } = anew;
  const parts = {
    content: latin1(change(content.toString('latin1'), form)),
    certificate: new X509Certificate(certificatePem(certificate)).raw,
    algorithm: form.algorithm,
    hasAttributes: !form.name.endsWith('noattr'),
    isAttached,
  };
  return withHeader(message, 'X-CMS-Signature', () => writeCms(parts, sign).message.toString('base64'));
}

const anew = (name: string, code: string, what: Anew): Wrong => ({
  ...{ name, code, make: (form, good, sign) => (isCms(form) ? signedAnew(form, good, sign, what) : undefined) },
});

export const WRONG_CMS: readonly Wrong[] = [
  anew('the content brought along', 'SIGNATURE_INVALID', { isAttached: true }),
  anew('CR LF for LF, as openssl does without -binary', 'SIGNATURE_MISMATCH', { content: (text) => text.replaceAll('\n', '\r\n') }),
  anew('the block of an answer', 'SIGNATURE_MISMATCH', { content: (text) => text.replace('cms-request', 'cms-answer') }),
  anew('the block without its nonce', 'SIGNATURE_MISMATCH', { content: (text) => text.replace(/^nonce: .*\n/m, '') }),
  anew('no empty line behind the block', 'SIGNATURE_MISMATCH', { content: (text) => text.replace('\n\n', '\n') }),
  anew('the body alone', 'SIGNATURE_MISMATCH', { content: (_, { draft }) => draft.body }),
  {
    name: 'the certificate of another',
    code: 'CERTIFICATE_CHAIN',
    make: (form, good, sign) =>
      isCms(form) ? signedAnew(form, good, sign, { certificate: form.key === 'rsa' ? 'other-rsa' : 'platform' }) : undefined,
  },
  {
    name: 'another time in its header',
    code: 'SIGNATURE_MISMATCH',
    make: (form, { message }) => (isCms(form) ? withHeader(message, 'X-CMS-Created', () => String(NOW_SECONDS - 1)) : undefined),
  },
  {
    name: 'two times',
    code: 'SIGNATURE_INVALID',
    make: (form, { message }) =>
      isCms(form) ? { ...message, headers: [...message.headers, ['X-CMS-Created', String(NOW_SECONDS)]] } : undefined,
  },
  {
    name: 'a byte behind the message',
    code: 'SIGNATURE_INVALID',
    make: (form, { message }) =>
      isCms(form)
        ? withHeader(message, 'X-CMS-Signature', (text) => Buffer.concat([Buffer.from(text, 'base64'), Buffer.alloc(1)]).toString('base64'))
        : undefined,
  },
];
