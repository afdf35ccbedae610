import { type InnerList, isInnerList } from 'structured-headers';
import { HTTP_ALGORITHM_NAMES } from '../../protocol/algorithms.ts';
import { Refusal } from '../../protocol/errors.ts';
import { findHeader, HEADER, SIGNATURE_LABEL, TAG } from '../../protocol/headers.ts';
import {
  baseLines,
  type Component,
  type ComponentParameters,
  findFieldValue,
  fitsComponentParameter,
  fitsParameter,
  type SignatureInput,
  type SignatureParameters,
  serialiseParams,
  signatureBase,
} from '../../protocol/signature-base.ts';
import { checkCoverage, type SignedMessage } from '../coverage.ts';
import { type DictionaryMember, readBytes, readDictionary } from '../dictionary.ts';
import type { Presented } from '../presented.ts';
import type { Scheme } from '../scheme.ts';

/**
 * The default scheme: HTTP Message Signatures, RFC 9421, with the coverage of contract.md section 3.
 * Reads what the request presents; nothing here is proven yet. Throws SIGNATURE_MISSING, SIGNATURE_INVALID, SIGNATURE_COVERAGE or HTTP_INVALID.
 */
function present(request: SignedMessage, hosts: ReadonlySet<string>): Presented {
  const inputs = readField(request.rawHeaders, HEADER.signatureInput);
  const signatures = readField(request.rawHeaders, HEADER.signature);
  checkOnlyOne(inputs);
  const [ours, theirs] = [inputs.get(SIGNATURE_LABEL), signatures.get(SIGNATURE_LABEL)];
  if (!ours || !theirs) throw new Refusal('SIGNATURE_MISSING');
  const input = readInput(ours);
  const signature = readBytes(theirs);
  if (!signature) throw invalid('The signature is not a byte sequence in canonical base64.');
  const params = checkParameters(input.params);
  const record = signatureBase(checkCoverage(request, input.components, hosts), ours.text);
  const signed = Buffer.from(record, 'latin1');
  return { ...params, signed, record, lines: () => baseLines(record), signature };
}

/** RFC 9421 with our label; a request with either field is one of this scheme, so that a field alone is told as what is missing. */
export const RFC9421: Scheme = {
  name: 'rfc9421',
  algorithms: HTTP_ALGORITHM_NAMES,
  coversHeaders: true,
  coversMerchant: false,
  bound: 'member',
  isPresent: ({ rawHeaders }) =>
    findHeader(rawHeaders, HEADER.signatureInput) !== undefined || findHeader(rawHeaders, HEADER.signature) !== undefined,
  present,
};

const invalid = (detail: string): Refusal => new Refusal('SIGNATURE_INVALID', { detail });

function readField(rawHeaders: readonly string[], name: string): ReadonlyMap<string, DictionaryMember> {
  const field = findFieldValue(rawHeaders, name);
  if (field === undefined) throw new Refusal('SIGNATURE_MISSING');
  const members = readDictionary(field);
  if (!members) throw invalid(`${name} is not a dictionary in which every label stands once.`);
  return members;
}

/** Our tag belongs to our label and to no other. Signatures that carry neither are somebody else's business. */
function checkOnlyOne(inputs: ReadonlyMap<string, DictionaryMember>): void {
  for (const [label, { value }] of inputs) {
    if ((value[1].get('tag') === TAG.request) !== (label === SIGNATURE_LABEL)) throw new Refusal('SIGNATURE_MISSING');
  }
}

/** Components and parameters of our member, which must be spelled as we would: `created=1.0` or a repeated parameter has a second reading. */
function readInput({ text, value }: DictionaryMember): SignatureInput {
  if (!isInnerList(value)) throw invalid('The signature input is not a list of components.');
  const input = { components: readComponents(value), params: readParameters(value) };
  if (serialiseParams(input) !== text) throw invalid('The signature input is not in its canonical spelling (RFC 9651 section 4.1).');
  return input;
}

function readComponents([items]: InnerList): Component[] {
  return items.map(([name, params]) => {
    if (typeof name !== 'string') throw invalid('A component is not a string.');
    return { name, params: params.size === 0 ? {} : readComponentParameters(params) };
  });
}

function readComponentParameters(given: InnerList[1]): ComponentParameters {
  const params: Record<string, true | string> = {};
  for (const [name, value] of given) {
    if (!fitsComponentParameter(name, value))
      throw new Refusal('SIGNATURE_COVERAGE', { detail: 'A component has a parameter that is unknown or of the wrong type.' });
    params[name] = value;
  }
  return params;
}

function readParameters([, given]: InnerList): SignatureParameters {
  const params: Record<string, string | number> = {};
  for (const [name, value] of given) {
    if (!fitsParameter(name, value)) throw invalid('A signature parameter is unknown or of the wrong type.');
    params[name] = value;
  }
  return params;
}

/** 128 bits and more in base64url. */
const NONCE = /^[A-Za-z0-9_-]{22,64}$/;
const KEYID_LENGTH_MAX = 255;

function checkParameters({
  created,
  expires,
  nonce,
  keyid,
  alg,
}: SignatureParameters): Pick<Presented, 'key' | 'algorithm' | 'createdAtSeconds' | 'expiresAtSeconds' | 'nonce'> {
  if (created === undefined || created < 0) throw invalid('The parameter created (integer seconds) is missing or negative.');
  if (nonce === undefined || !NONCE.test(nonce)) throw invalid('The parameter nonce is not 22 to 64 characters of base64url.');
  if (keyid === undefined) throw invalid('The parameter keyid is missing.');
  if (keyid === '' || keyid.length > KEYID_LENGTH_MAX) throw new Refusal('KEY_UNKNOWN');
  return {
    createdAtSeconds: created,
    nonce,
    key: { by: 'keyid', keyid },
    ...(expires !== undefined && { expiresAtSeconds: expires }),
    ...(alg !== undefined && { algorithm: alg }),
  };
}
