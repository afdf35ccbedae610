import { UserError } from '../lib/user-error.ts';
import { type DistinguishedName, findNameProblem, parseName } from '../protocol/distinguished-name.ts';

/** What the operator says about a merchant; each stands in braces in a pattern. */
export type SubjectValues = {
  /** 15 digits. */
  readonly merchant: string;
  readonly organisation: string;
  /** Tells several certificates of one merchant apart. */
  readonly sequence: string;
  /** Organisation of the authority that issues. */
  readonly authority: string;
};

/** Names that merchants get, RFC 4514 text. `cfca` resembles what the trade's public authority writes, under our own organisation. */
export const NAME_STYLES = {
  plain: 'CN={merchant},OU=Merchants,O={organisation},C=CN',
  cfca: 'CN=051@{merchant}@{organisation}@{sequence},OU=Organizational-1,OU=Merchants,O={authority},C=CN',
} as const;
export type NameStyle = keyof typeof NAME_STYLES;
export const NAME_STYLE_NAMES = Object.keys(NAME_STYLES) as NameStyle[];

const PLACEHOLDER = /\{([^{}]*)\}/g;

/**
 * The subject that a pattern gives for these values. The pattern is read as a name first and filled in afterwards, so that no
 * value can add an attribute. Throws a UserError for a pattern without `{merchant}`, an unknown placeholder, or a value that
 * no name may have.
 */
export function subjectOf(pattern: string, values: SubjectValues): DistinguishedName {
  if (!/^\d{15}$/.test(values.merchant))
    throw new UserError(`${JSON.stringify(values.merchant.slice(0, 40))} is no merchant number: 15 digits are expected`);
  if (!pattern.includes('{merchant}'))
    throw new UserError('the subject pattern has no {merchant}: without the number two merchants could get one name');
  const name = parseName(pattern).map((relative) => relative.map(({ oid, value }) => ({ oid, value: fillIn(value, values) })));
  const problem = findNameProblem(name);
  if (problem !== undefined) throw new UserError(`the subject cannot be issued: ${problem}`);
  return name;
}

function fillIn(text: string, values: SubjectValues): string {
  return text.replace(PLACEHOLDER, (_, placeholder: string) => {
    if (!Object.hasOwn(values, placeholder))
      throw new UserError(
        `the subject pattern has {${placeholder}}: known are ${Object.keys(values)
          .map((known) => `{${known}}`)
          .join(', ')}`,
      );
    const value = values[placeholder as keyof SubjectValues];
    // A value with the separator of the pattern could pass for two: 051@1@A@2 is merchant 1, organisation A, and nothing else.
    if (text.includes('@') && value.includes('@'))
      throw new UserError(`${placeholder} holds an @, which parts the fields of this CN: leave it out`);
    return value;
  });
}

/** Merchant numbers that stand anywhere in a name. */
export function merchantNumbersIn(name: DistinguishedName): readonly string[] {
  return name.flat().flatMap(({ value }) => value.match(/(?<!\d)\d{15}(?!\d)/g) ?? []);
}
