import type { GatewayConfig } from '../config/schema.ts';
import { UserError } from '../lib/user-error.ts';
import { bindingMark } from '../protocol/marks.ts';
import { type ChangeOptions, change, readConfiguration } from './change.ts';
import { editYaml, type YamlEdit } from './edit-yaml.ts';
import {
  bindingKeyOfEntry,
  certificatePath,
  findName,
  type NameOptions,
  nameOf,
  readMerchant,
  type WrittenMerchant,
} from './merchant-file.ts';

export type MoveOptions = ChangeOptions & NameOptions & { from: string; signingCertificate?: string };

/**
 * `hufu merchant move`: a name goes from one merchant to another. Both files are checked together and written before anybody is told,
 * and a gateway reads them together, so that every request finds the name at one merchant or the other and never at none. Only then
 * is it forbidden for the old merchant on hosts whose files were not brought up to date.
 */
export async function move(number: string, options: MoveOptions): Promise<void> {
  const config = readConfiguration(options);
  if (number === options.from) throw new UserError('the name is to go to the merchant that it is taken from: name two merchants');
  const [from, to] = [readMerchant(config, options.from), readMerchant(config, number)];
  const key = bindingKeyOfEntry(config, from.file, nameOf(config, options));
  const at = findName(config, from, 'names', key);
  const moved = from.written.names[at];
  if (moved === undefined)
    throw new UserError(`merchant ${options.from} does not have this name; \`hufu merchant show ${options.from}\` shows its names`);
  const { pins, ...entry } = moved;
  const edits = { from: editYaml(from.file, from.content), to: editYaml(to.file, to.content) };
  edits.from.removeAt('names', at);
  edits.to.append('names', pins.length > 0 ? moved : entry);
  if (options.signingCertificate !== undefined) moveKey(config, from, edits, options.signingCertificate);
  const before = JSON.stringify(moved);
  await change(
    options,
    config,
    [
      { file: from.file, former: from.content, content: edits.from.text() },
      { file: to.file, former: to.content, content: edits.to.text() },
    ],
    { kind: 'bind', subject: bindingMark(key, number), before: '', after: before },
    { kind: 'unbind', subject: bindingMark(key, options.from), before, after: '' },
  );
}

/** A key of the old merchant goes as it is written there; one that it does not have is new to the other. */
function moveKey(
  config: GatewayConfig,
  { written }: WrittenMerchant,
  edits: { readonly from: YamlEdit; readonly to: YamlEdit },
  named: string,
): void {
  const certificate = certificatePath(config, named);
  const at = written.keys.findIndex((key) => key.certificate !== undefined && certificatePath(config, key.certificate) === certificate);
  if (at >= 0) edits.from.removeAt('keys', at);
  edits.to.append('keys', written.keys[at] ?? { certificate });
}
