import { certificatePem, publicPem, type VectorAlgorithm } from './keys.ts';
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
import { keepingSigner } from './signatures.ts';
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
    /** In a CMS. */
    readonly certificate?: string;
    /** In keys.json. */
    readonly privateKey: string;
  };
  readonly request: JsonMessage;
  readonly stringToSign: string;
  readonly signature: string;
  /** CMS: the block and the body. */
  readonly content?: string;
  readonly mutations: readonly { readonly name: string; readonly code: string; readonly request: JsonMessage }[];
};

const toJson = ({ body, ...rest }: Message): JsonMessage => ({ ...rest, body: latin1(body).toString('base64') });
export const fromJson = ({ body, ...rest }: JsonMessage): Message => ({ ...rest, body: Buffer.from(body, 'base64').toString('latin1') });

/** Makes the vector of a form, keeping stored signatures of algorithms whose signatures are random. */
export function vectorOf(form: Form, stored: Vector | undefined): Vector {
  const keeping = (request: JsonMessage | undefined) => keepingSigner(form.algorithm, form.key, request?.headers ?? []);
  const good = form.make(form.draft, keeping(stored?.request));
  const mutations = WRONG.flatMap(({ name, code, make }) => {
    const before = stored?.mutations.find((mutation) => mutation.name === name);
    const message = make(form, good, keeping(before?.request));
    return message === undefined ? [] : [{ name, code: typeof code === 'string' ? code : code(form), request: toJson(message) }];
  });
  const { scheme, name, about, algorithm, key } = form;
  const handles = { keyid: POST.keyid, serialNumber: SERIAL_NUMBER, alipaySerial: ALIPAY_SERIAL };
  return {
    ...{ scheme, name, about, nowSeconds: NOW_SECONDS, hosts: [HOST], merchantNumber: MERCHANT },
    key: {
      ...{ ...handles, algorithm, publicKey: publicPem(key), privateKey: key },
      ...(scheme === 'cms' && { certificate: certificatePem(key) }),
    },
    request: toJson(good.message),
    stringToSign: good.base.toString('base64'),
    signature: good.signature.toString('base64'),
    ...(good.content && { content: good.content.toString('base64') }),
    mutations,
  };
}
