import { existsSync, readdirSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { checkShape } from '../config/check-shape.ts';
import { MERCHANT, type MerchantFile, type MerchantName } from '../config/merchant-schema.ts';
import { fileProblem } from '../config/problems.ts';
import type { GatewayConfig } from '../config/schema.ts';
import { readYamlFile, type YamlFile } from '../config/yaml-file.ts';
import { UserError } from '../lib/user-error.ts';
import { openMerchantFiles } from '../registry/merchant-files.ts';
import { readBinding } from '../registry/merchant-names.ts';
import { WrongUse } from './exit.ts';

/** A merchant's file as it is written. */
export type WrittenMerchant = { readonly file: string; readonly content: string; readonly written: MerchantFile };

/** How a certificate is named on the command line. */
export type NameOptions = { certificate?: string; subject?: string; authority?: string };

const fail = (message: string): never => {
  throw new UserError(message);
};

/** All merchants in the order of their files; files that are no merchant are left to `hufu check`. */
export function readMerchants(config: GatewayConfig): WrittenMerchant[] {
  const names = readdirSync(config.merchants).filter((name) => /^[^.].*\.(yaml|yml|json)$/.test(name));
  return names.sort().flatMap((name) => readMerchantFile(join(config.merchants, name)) ?? []);
}

function readMerchantFile(file: string): WrittenMerchant | undefined {
  const source = readYamlFile(file, () => undefined);
  const written = source && checkShape(source, MERCHANT, () => undefined);
  return source && written && { file, content: source.content, written };
}

/** The merchant of a number. Throws a UserError when there is none, or when its file cannot be edited. */
export function readMerchant(config: GatewayConfig, number: string): WrittenMerchant {
  // Most files are called after their merchant, so that the others need not be read.
  const usual = readMerchantFile(join(config.merchants, `${number}.yaml`));
  const found = usual?.written.number === number ? usual : readMerchants(config).find(({ written }) => written.number === number);
  if (!found) throw new UserError(`there is no merchant ${number} in ${config.merchants}; \`hufu merchant list\` shows all`);
  return found;
}

/** The file of a new merchant. Throws a UserError when it is taken. */
export function newMerchantFile(config: GatewayConfig, number: string): string {
  if (!/^[0-9]{15}$/.test(number)) throw new WrongUse('expected a merchant number of 15 digits');
  const file = join(config.merchants, `${number}.yaml`);
  if (existsSync(file)) throw new UserError(`${file} is there already; \`hufu merchant show ${number}\` shows it`);
  return file;
}

/** A path as a merchant file says it: relative to the certificates' directory when it is below it. */
export function certificatePath(config: GatewayConfig, named: string): string {
  const file = existsSync(named) ? resolve(named) : resolve(config.certificatesDirectory, named);
  const inside = relative(config.certificatesDirectory, file);
  return inside.startsWith('..') ? file : inside;
}

/** The entry of `names` that the options say. Throws WrongUse. */
export function nameOf(
  config: GatewayConfig,
  { certificate, subject, authority }: NameOptions,
): Pick<MerchantName, 'certificate' | 'subject' | 'authority'> {
  if ((certificate === undefined) === (subject === undefined)) throw new WrongUse('name the certificate by --certificate or by --subject');
  return {
    ...(authority === undefined ? {} : { authority }),
    ...(certificate === undefined ? { subject: subject as string } : { certificate: certificatePath(config, certificate) }),
  };
}

/** The binding key of an entry of `names` or `delegations`. Throws a UserError that says what is wrong with it. */
export function bindingKeyOfEntry(config: GatewayConfig, file: string, name: Partial<MerchantName>): string {
  const source: YamlFile = { file, content: '', value: undefined, problem: (_path, message) => fileProblem(file, message) };
  const found = readBinding({ pins: [], ...name }, source, [], openMerchantFiles(config), ({ message }) => fail(message));
  return found?.key ?? fail(`${file}: the name cannot be read`);
}

/** Where a name stands in a list of the merchant's file; -1 when it does not. */
export const findName = (
  config: GatewayConfig,
  { file, written }: WrittenMerchant,
  list: 'names' | 'delegations',
  bindingKey: string,
): number => written[list].findIndex((name) => bindingKeyOfEntry(config, file, name) === bindingKey);
