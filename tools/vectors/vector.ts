import { createPublicKey } from 'node:crypto';
import { privateKey, publicPem, signPlainly, type VectorAlgorithm, verifyPlainly } from './keys.ts';
import {
  ALIPAY_SERIAL,
  type Form,
  type HeaderPair,
  HOST,
  latin1,
  MERCHANT,
  type Message,
  NOW_SECONDS,
  POST,
  SERIAL_NUMBER,
} from './message.ts';
import { WRONG } from './wrong.ts';

type JsonMessage = { readonly method: string; readonly target: string; readonly headers: readonly HeaderPair[]; readonly body: string };

/** A file of test/vectors: see docs/vectors.md. Bytes are base64. */
export type Vector = {
  readonly scheme: string;
  readonly name: string;
  readonly about: string;
  readonly nowSeconds: number;
  readonly hosts: readonly string[];
  readonly merchantNumber: string;
  readonly key: {
    readonly keyid: string;
    readonly serialNumber: string;
    readonly alipaySerial: string;
    readonly algorithm: VectorAlgorithm;
    readonly publicKey: string;
    /** In keys.json. */
    readonly privateKey: string;
  };
  readonly request: JsonMessage;
  readonly stringToSign: string;
  readonly signature: string;
  readonly mutations: readonly { readonly name: string; readonly code: string; readonly request: JsonMessage }[];
};

const toJson = ({ body, ...rest }: Message): JsonMessage => ({ ...rest, body: latin1(body).toString('base64') });
export const fromJson = ({ body, ...rest }: JsonMessage): Message => ({ ...rest, body: Buffer.from(body, 'base64').toString('latin1') });

const isRandom = (algorithm: VectorAlgorithm): boolean => algorithm.startsWith('ecdsa') || algorithm === 'rsa-pss-sha512';

/** Signs; where a signature is different each time, the stored one is kept as long as it is right. */
function signer({ algorithm, key }: Form, stored: string | undefined): (base: Buffer) => Buffer {
  return (base) => {
    const before = stored === undefined ? undefined : Buffer.from(stored, 'base64');
    const isKept = before && isRandom(algorithm) && verifyPlainly(algorithm, createPublicKey(publicPem(key)), base, before);
    return isKept ? before : signPlainly(algorithm, privateKey(key), base);
  };
}

/** Makes the vector of a form, keeping random signatures of the one that is stored. */
export function vectorOf(form: Form, stored: Vector | undefined): Vector {
  const good = form.make(form.draft, signer(form, stored?.signature));
  const mutations = WRONG.flatMap(({ name, code, make }) => {
    const before = stored?.mutations.find((mutation) => mutation.name === name);
    // One that is signed anew has another random signature each time: what is stored stays, and the tests judge it.
    const message = isRandom(form.algorithm) && before ? fromJson(before.request) : make(form, good);
    return message === undefined ? [] : [{ name, code, request: toJson(message) }];
  });
  const { scheme, name, about, algorithm, key } = form;
  const handles = { keyid: POST.keyid, serialNumber: SERIAL_NUMBER, alipaySerial: ALIPAY_SERIAL };
  return {
    ...{ scheme, name, about, nowSeconds: NOW_SECONDS, hosts: [HOST], merchantNumber: MERCHANT },
    key: { ...handles, algorithm, publicKey: publicPem(key), privateKey: key },
    request: toJson(good.message),
    stringToSign: good.base.toString('base64'),
    signature: good.signature.toString('base64'),
    mutations,
  };
}
