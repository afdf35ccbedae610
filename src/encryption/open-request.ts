import { isDeepStrictEqual } from 'node:util';
import { JsonProblem, parseStrictJson } from '../lib/json.ts';
import { findAt, placesOf } from '../lib/json-pointer.ts';
import { Refusal } from '../protocol/errors.ts';
import { BINDING_MEMBERS, type Binding, sameBinding } from '../protocol/jwe/binding.ts';
import { decryptJwe, type Jwe, looksLikeJwe, readJwe } from '../protocol/jwe/compact.ts';
import { JweProblem } from '../protocol/jwe/header.ts';
import type { JweKey } from '../protocol/jwe/key-management.ts';
import type { Opened } from '../protocol/messages.ts';

/** A verified request as far as its ciphertexts are bound to it. */
export type SealedRequest = Pick<Opened, 'operation' | 'merchant' | 'method' | 'target' | 'mark' | 'body'>;

/** The key of an id, one of the gateway's or a working key of this merchant. Throws a Refusal WORKING_KEY_UNKNOWN or STORE_UNAVAILABLE. */
export type FindDecryptionKey = (keyid: string, merchantNumber: string) => Promise<JweKey | undefined>;

export type OpenedBody = Pick<Opened, 'body' | 'value' | 'sealed' | 'workingKey' | 'opened'>;

/** Each costs a private-key operation. */
const CIPHERTEXTS_MAX = 16;

function bindingOf(request: SealedRequest, pointer: string): Binding {
  const { merchant, method, target, mark } = request;
  return { of: 'request', merchant: merchant.number, method, target, request: mark, pointer };
}

const invalid = (pointer: string, reason: string, members: object = {}): Refusal =>
  new Refusal('ENCRYPTION_INVALID', { detail: `${reason.charAt(0).toUpperCase()}${reason.slice(1)}.`, members: { pointer, ...members } });

/** Runs what only looks at public parts; its problem becomes a refusal. */
function looking<T>(pointer: string, look: () => T): T {
  try {
    return look();
  } catch (error) {
    if (error instanceof JweProblem) throw invalid(pointer, error.reason);
    throw error;
  }
}

function checkBinding({ header }: Jwe, expected: Binding): void {
  if (sameBinding(header.binding, expected)) return;
  const differs = BINDING_MEMBERS.filter((member) => header.binding[member] !== expected[member]);
  throw invalid(expected.pointer, 'the ciphertext is bound to another merchant, request or place', { differs });
}

/** Opens ciphertexts one by one: form and binding first, then the key, and only then is anything decrypted. */
function createOpener(request: SealedRequest, findKey: FindDecryptionKey) {
  let count = 0;
  let workingKey: JweKey | undefined;
  const openText = async (text: string, pointer: string): Promise<Buffer> => {
    count += 1;
    if (count > CIPHERTEXTS_MAX) throw invalid(pointer, `a request has at most ${CIPHERTEXTS_MAX} ciphertexts`);
    const jwe = looking(pointer, () => readJwe(text));
    checkBinding(jwe, bindingOf(request, pointer));
    const key = await findKey(jwe.header.keyid, request.merchant.number);
    if (!key) throw invalid(pointer, 'kid names no encryption key of the gateway');
    const plaintext = looking(pointer, () => decryptJwe(jwe, key));
    if (!plaintext) throw new Refusal('DECRYPTION_FAILED', { members: { pointer } });
    if (key.algorithm === 'A256KW') workingKey = key;
    return plaintext;
  };
  return { openText, workingKey: () => workingKey };
}

/**
 * Opens a verified body: whole (`isJose`) and by fields. Clear text where encryption is demanded is refused before anything is
 * decrypted. Throws a Refusal, or a JsonProblem when what is opened is not strict JSON.
 */
export async function openBody(request: SealedRequest, isJose: boolean, findKey: FindDecryptionKey): Promise<OpenedBody> {
  const { operation, body } = request;
  if (isJose && (operation.encryption?.body ?? 'none') === 'none') throw new Refusal('MEDIA_TYPE_UNSUPPORTED');
  if (!isJose && operation.encryption?.body === 'required') throw new Refusal('FIELD_NOT_ENCRYPTED', { members: { pointer: '' } });
  const opener = createOpener(request, findKey);
  const whole = isJose ? await opener.openText(body.toString('latin1'), '') : body;
  const opened = await openFields(request, whole, isJose, opener.openText);
  const workingKey = opener.workingKey();
  const isSealed = operation.forward === 'sealed' && opened.body !== body;
  return {
    ...opened,
    ...(isSealed && { sealed: { contentType: isJose ? 'application/jose' : 'application/json', body } }),
    ...(workingKey && { workingKey }),
  };
}

async function openFields(
  { operation }: SealedRequest,
  body: Buffer,
  isCovered: boolean,
  openText: (text: string, pointer: string) => Promise<Buffer>,
): Promise<Pick<OpenedBody, 'body' | 'value' | 'opened'>> {
  const value = parseStrictJson(body);
  const fields = (operation.encryption?.fields ?? []).flatMap(({ pointer, required }) =>
    placesOf(value, pointer).map((place) => ({ ...place, required })),
  );
  const clear = fields.find(({ value: found, required }) => required && !isCovered && !looksLikeJwe(found));
  if (clear) throw new Refusal('FIELD_NOT_ENCRYPTED', { members: { pointer: clear.pointer } });
  let spliced = body;
  const opened: { readonly pointer: string; readonly value: unknown }[] = [];
  for (const { pointer, value: text } of fields) {
    if (!looksLikeJwe(text)) continue;
    const plaintext = await openText(text, pointer);
    opened.push({ pointer, value: readField(plaintext, pointer) });
    spliced = splice(spliced, text, plaintext, pointer);
  }
  const places = isCovered ? [''] : opened.map(({ pointer }) => pointer);
  if (opened.length === 0) return { body, value, opened: places };
  const result = parseStrictJson(spliced);
  // A ciphertext that stands in the body more than once, or not letter by letter, would have been put in another place.
  const lost = opened.find((field) => !isDeepStrictEqual(findAt(result, field.pointer), field.value));
  if (lost) throw invalid(lost.pointer, ONCE);
  return { body: spliced, value: result, opened: places };
}

const ONCE = 'the ciphertext must stand in the body exactly once and without escapes';

/** A field is encrypted as JSON text, so that numbers and objects can be too. */
function readField(plaintext: Buffer, pointer: string): unknown {
  try {
    return parseStrictJson(plaintext);
  } catch (error) {
    if (error instanceof JsonProblem) throw invalid(pointer, 'what is encrypted must be the JSON text of the value, with its quotes');
    throw error;
  }
}

/** The body with the plaintext in place of the ciphertext; every other byte stays as it was signed. */
function splice(body: Buffer, text: string, plaintext: Buffer, pointer: string): Buffer {
  const token = Buffer.from(`"${text}"`, 'ascii');
  const at = body.indexOf(token);
  if (at === -1 || body.indexOf(token, at + 1) !== -1) throw invalid(pointer, ONCE);
  return Buffer.concat([body.subarray(0, at), plaintext, body.subarray(at + token.length)]);
}
