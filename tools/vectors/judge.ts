import { createPublicKey } from 'node:crypto';
import { parseName } from '../../src/protocol/distinguished-name.ts';
import { Refusal } from '../../src/protocol/errors.ts';
import type { MerchantKey } from '../../src/protocol/merchant.ts';
import type { Routed, Verified } from '../../src/protocol/messages.ts';
import { SCHEME_NAMES } from '../../src/protocol/scheme-names.ts';
import { indexKeys } from '../../src/registry/key-index.ts';
import type { DoctorOptions } from '../../src/signature/doctor.ts';
import { type VerifyOptions, verifySignature } from '../../src/signature/verify.ts';
import { publicPem } from './keys.ts';
import { ALIPAY_SERIAL, type Form, HOST, latin1, MERCHANT, type Message, NOW_SECONDS, OPERATION, POST, SERIAL_NUMBER } from './message.ts';

/** What the gateway's own verification says about a message of a vector. */
export type Judgement = { readonly verified: Verified } | { readonly code: string; readonly members: Readonly<Record<string, unknown>> };

const NO_DOCTOR: DoctorOptions = { keysOf: () => [], platformNames: [], mayTry: () => false };

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
  const options: VerifyOptions = {
    findKey: (keyid) => (keyid === key.keyid ? key : undefined),
    findRegistered: indexKeys([key]),
    checkSigner: () => {
      throw new Refusal('KEY_UNKNOWN');
    },
    hosts: new Set([HOST]),
    nowMs: NOW_SECONDS * 1000,
    doctor,
  };
  const merchant = {
    number: MERCHANT,
    signatures: new Set(SCHEME_NAMES),
    signatureOptions: Object.fromEntries(SCHEME_NAMES.map((name) => [name, {}])),
  };
  const around = {
    ...{ merchant, pathParameters: {}, peer: { thumbprint: 'T', keyid: '', serialNumber: '' } },
    operation: { id: OPERATION, amount: '/amountFen' },
  };
  return ({ method, target, headers, body }) => {
    const routed = { ...around, method, target, rawHeaders: headers.flat(), body: latin1(body) } as unknown as Routed;
    try {
      return { verified: verifySignature(routed, options) };
    } catch (error) {
      if (error instanceof Refusal) return { code: error.code, members: error.options.members ?? {} };
      throw error;
    }
  };
}
