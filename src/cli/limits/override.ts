import { UserError } from '../../lib/user-error.ts';
import { type ChangeOptions, change, readConfiguration } from '../change.ts';
import { editYaml } from '../edit-yaml.ts';
import { WrongUse } from '../exit.ts';
import { readMerchant } from '../merchant-file.ts';

export type OverrideOptions = ChangeOptions & { set: string[]; until?: string; author?: string };

/** `hufu limits override`: writes a change of a rule into the merchant's file and tells the gateways. What is wrong with it, they say first. */
export async function override(number: string, rule: string, options: OverrideOptions): Promise<void> {
  const config = readConfiguration(options);
  const { file, content, written } = readMerchant(config, number);
  const { until, author, reason } = options;
  if (until !== undefined && !(Date.parse(until) > Date.now())) throw new UserError(`--until ${until} is not a time to come`);
  const terms = Object.fromEntries(options.set.map(readTerm));
  const temporary = {
    ...(until === undefined ? {} : { until }),
    ...(author === undefined ? {} : { author }),
    ...(reason === undefined ? {} : { reason }),
  };
  const after = { ...terms, ...temporary };
  const edit = editYaml(file, content);
  edit.setIn(['overrides', rule], after);
  await change(options, config, [{ file, former: content, content: edit.text() }], {
    kind: 'reload',
    subject: `limits of ${number}`,
    before: JSON.stringify(written.overrides[rule] ?? {}),
    after: JSON.stringify({ [rule]: after }),
  });
}

/** `max=20000000`: numbers and true or false as such, everything else as text. */
function readTerm(text: string): [string, unknown] {
  const [key = '', ...rest] = text.split('=');
  const value = rest.join('=');
  if (key === '' || value === '') throw new WrongUse(`--set ${text}: expected key=value, such as max=20000000`);
  if (/^[0-9]+$/.test(value)) return [key, Number(value)];
  return [key, value === 'true' ? true : value === 'false' ? false : value];
}
