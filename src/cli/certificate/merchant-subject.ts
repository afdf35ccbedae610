import type { Command } from 'commander';
import type { Authority } from '../../certificates/authority.ts';
import { NAME_STYLE_NAMES, NAME_STYLES, subjectOf } from '../../certificates/subject.ts';
import { UserError } from '../../lib/user-error.ts';
import type { DistinguishedName } from '../../protocol/distinguished-name.ts';
import { WrongUse } from '../exit.ts';
import { readWord } from './shared.ts';

/** What the operator says about the merchant; the certificate's name is made of this alone. */
export type MerchantOptions = { merchant?: string; organisation?: string; sequence: string; nameStyle: string; subject?: string };

export const withMerchant = (command: Command): Command =>
  command
    .option('--merchant <number>', 'merchant number, 15 digits')
    .option('--organisation <name>', "the merchant's name, as you registered it")
    .option('--sequence <number>', 'tells several certificates of one merchant apart (style cfca)', '1')
    .option('--name-style <style>', NAME_STYLE_NAMES.map((style) => `${style}: ${NAME_STYLES[style]}`).join('; '), 'plain')
    .option('--subject <pattern>', 'a pattern of your own, RFC 4514 with {merchant}, {organisation}, {sequence}, {authority}');

const ORGANISATION = '2.5.4.10';

/** O of an authority's own name. */
export function organisationOf({ facts }: Authority): string {
  const found = facts.subject.flat().find(({ oid }) => oid === ORGANISATION);
  if (found === undefined) throw new UserError("the authority's name has no O: name the whole subject with --subject");
  return found.value;
}

/** The subject for a merchant's certificate. Throws a WrongUse or a UserError for what is missing or cannot be in a name. */
export function merchantSubject(options: MerchantOptions, authority: Authority): DistinguishedName {
  const { merchant, organisation, sequence } = options;
  if (merchant === undefined || organisation === undefined)
    throw new WrongUse("a merchant's certificate needs --merchant and --organisation");
  if (!/^[1-9]\d{0,3}$/.test(sequence)) throw new WrongUse('--sequence is a number from 1 to 9999');
  const pattern = options.subject ?? NAME_STYLES[readWord(NAME_STYLE_NAMES, options.nameStyle, '--name-style')];
  const needsAuthority = pattern.includes('{authority}');
  return subjectOf(pattern, { merchant, organisation, sequence, authority: needsAuthority ? organisationOf(authority) : '' });
}
