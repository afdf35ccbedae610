import { sha256 } from '../../lib/bytes.ts';
import { type Suspect, verifiesOver } from './suspect.ts';
import type { SignatureMistake } from './table.ts';

const FORMS = ['sorted-rsa2'];

const fieldsOf = ({ lines }: Suspect): readonly (readonly [name: string, value: string])[] =>
  lines.map(({ bytes }) => {
    const text = bytes.toString('utf8');
    const at = text.indexOf('=');
    return [text.slice(0, at), text.slice(at + 1)] as const;
  });

const hexOf = (text: string): string => sha256(Buffer.from(text, 'utf8')).toString('hex');
/** UnionPay's dialect signs the hexadecimal SHA-256 of the text. */
const isDigested = ({ base }: Suspect): boolean => /^[0-9a-f]{64}$/.test(base);

/** Whether the signature is one over this text, in the dialect of the form. */
function verifiesOverText(suspect: Suspect, text: string): boolean {
  const signed = isDigested(suspect) ? hexOf(text) : Buffer.from(text, 'utf8').toString('latin1');
  return signed !== suspect.base && verifiesOver(suspect, signed);
}

const joined = (fields: readonly (readonly [name: string, value: string])[]): string =>
  fields.map(([name, value]) => `${name}=${value}`).join('&');

/** Mistakes with forms whose fields are sorted and signed. */
export const FORM_MISTAKES: readonly SignatureMistake[] = [
  {
    id: 'fields-encoded',
    hint: 'The values of the fields were percent-encoded before they were signed. Sign the plain values, then encode them for the form.',
    appliesTo: FORMS,
    made: (suspect) => {
      const encoded = joined(fieldsOf(suspect).map(([name, value]) => [name, encodeURIComponent(value)]));
      return [encoded, encoded.replaceAll('%20', '+')].some((text) => verifiesOverText(suspect, text));
    },
  },
  {
    id: 'fields-unsorted',
    hint: 'The fields were signed in the order in which they were sent. They are signed sorted by their names.',
    appliesTo: FORMS,
    made: (suspect) => {
      const fields = new Map(fieldsOf(suspect));
      const names = suspect.request.body
        .toString('latin1')
        .split('&', 200)
        .map((pair) => pair.slice(0, pair.indexOf('=')));
      return verifiesOverText(suspect, joined(names.filter((name) => fields.has(name)).map((name) => [name, fields.get(name) as string])));
    },
  },
  {
    id: 'fields-of-the-other-dialect',
    hint: 'Alipay signs the sorted text itself, UnionPay the hexadecimal SHA-256 of it. The other one of the two was signed.',
    appliesTo: FORMS,
    made: (suspect) => {
      const text = joined(fieldsOf(suspect));
      return verifiesOver(suspect, isDigested(suspect) ? Buffer.from(text, 'utf8').toString('latin1') : hexOf(text));
    },
  },
];
