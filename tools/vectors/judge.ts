import { createPublicKey, X509Certificate } from 'node:crypto';
import { parseName } from '../../src/protocol/distinguished-name.ts';
import { Refusal } from '../../src/protocol/errors.ts';
import type { MerchantKey } from '../../src/protocol/merchant.ts';
import type { SignatureFacts } from '../../src/protocol/messages.ts';
import { SCHEME_NAMES } from '../../src/protocol/scheme-names.ts';
import { indexKeys } from '../../src/registry/key-index.ts';
import type { DoctorOptions } from '../../src/signature/doctor.ts';
import { type Signable, type VerifyOptions, verifySignature } from '../../src/signature/verify.ts';
import { OBIE_ISSUER, profileOf, TRUST_ANCHOR } from './jws-forms.ts';
import { certificatePem, publicPem } from './keys.ts';
import { ALIPAY_SERIAL, type Form, HOST, latin1, MERCHANT, type Message, NOW_SECONDS, OPERATION, POST, SERIAL_NUMBER } from './message.ts';

/** What the gateway's own verification says about a message of a vector. */
export type Judgement =
  | { readonly verified: SignatureFacts }
  | { readonly code: string; readonly members: Readonly<Record<string, unknown>> };

const NO_DOCTOR: DoctorOptions = { keysOf: () => [], platformNames: () => [], mayTry: () => false };

function keyOf({ algorithm, key }: Form): MerchantKey {
  return {
    keyid: POST.keyid,
    algorithm,
    publicKey: createPublicKey(publicPem(key)),
    certificate: {
      serialNumber: SERIAL_NUMBER,
      issuer: parseName('CN=Authority,O=Hufu,C=CN'),
      thumbprint: 'T'.repeat(43),
      alipaySerial: ALIPAY_SERIAL,
    },
    merchantNumbers: [MERCHANT],
    notBeforeMs: 0,
    notAfterMs: Number.MAX_SAFE_INTEGER,
  };
}

/** Prepares the verification of one form. Without a doctor nothing is explained, which costs most and decides nothing. */
export function createJudge(form: Form, doctor = NO_DOCTOR): (message: Message) => Judgement {
  const key = keyOf(form);
  const certificate = form.scheme === 'cms' ? new X509Certificate(certificatePem(form.key)).raw : undefined;
  const options: VerifyOptions = {
    findKey: (keyid) => (keyid === key.keyid ? key : undefined),
    findRegistered: indexKeys([key]),
    // Who issued a certificate is checked elsewhere; here it must be the one of the merchant.
    checkSigner: ([der]) => {
      if (der === undefined || !certificate?.equals(der)) throw new Refusal('CERTIFICATE_CHAIN');
      return { key };
    },
    hosts: new Set([HOST]),
    nowMs: NOW_SECONDS * 1000,
    doctor,
  };
  const jws = { profile: profileOf(form), issuer: OBIE_ISSUER, trustAnchor: TRUST_ANCHOR, answerIssuer: '' };
  const around = {
    merchant: {
      number: MERCHANT,
      signatures: new Set(SCHEME_NAMES),
      signatureOptions: { 'wechatpay-v3': {}, 'alipay-v3': {}, 'sorted-rsa2': {}, jws },
    },
    operation: { id: OPERATION, amount: '/amountFen' },
    pathParameters: {},
    peer: { thumbprint: 'T', keyid: '', serialNumber: '' },
  };
  return ({ method, target, headers, body }) => {
    const signable: Signable = { ...around, method, target, rawHeaders: headers.flat(), body: latin1(body) };
    try {
      return { verified: verifySignature(signable, options) };
    } catch (error) {
      if (error instanceof Refusal) return { code: error.code, members: error.options.members ?? {} };
      throw error;
    }
  };
}
