import { type Dirent, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { checkShape, describe } from '../config/check-shape.ts';
import { MERCHANT, type MerchantFile } from '../config/merchant-schema.ts';
import { fileProblem, formatProblems, type Report } from '../config/problems.ts';
import { hint } from '../config/suggest.ts';
import { readFailure, readYamlFile, type YamlFile, type YamlPath } from '../config/yaml-file.ts';
import { createNetworks, findNetworkProblem } from '../lib/networks.ts';
import type { Merchant, MerchantKey } from '../protocol/merchant.ts';
import { readEncryptionKeys } from './merchant-encryption-keys.ts';
import type { MerchantFiles } from './merchant-files.ts';
import { readKey } from './merchant-keys.ts';
import { readBinding } from './merchant-names.ts';
import { overriddenRules, type Plans, unknownOperation } from './plans.ts';
import type { Binding } from './snapshot.ts';

/** All merchants, by number, by certificate name and by signing key. */
export type Merchants = {
  readonly byNumber: ReadonlyMap<string, Merchant>;
  readonly byBinding: ReadonlyMap<string, readonly Binding[]>;
  readonly byKeyid: ReadonlyMap<string, MerchantKey>;
  /** All keys that may sign for a merchant, and those of its other environments, which never do. */
  readonly keysByNumber: ReadonlyMap<string, readonly MerchantKey[]>;
  /** Where each merchant is written, for what is found out later. */
  readonly sources: ReadonlyMap<string, YamlFile>;
};

/** What merchant files refer to; undefined where it could not be read, so that nothing is told twice. */
export type MerchantContext = {
  readonly plans: Plans | undefined;
  readonly operations: ReadonlySet<string> | undefined;
  readonly files: MerchantFiles;
};

type Where = { readonly source: YamlFile; readonly path: YamlPath };
type Read = { readonly written: MerchantFile; readonly source: YamlFile };

/** Reads every .yaml, .yml and .json file of a directory as one merchant. Everything wrong is reported. */
export function loadMerchants(directory: string, context: MerchantContext, report: Report): Merchants {
  const read = listFiles(directory, report).flatMap((file): Read[] => {
    const source = readYamlFile(file, report);
    const written = source && checkShape(source, MERCHANT, report);
    return source && written ? [{ written, source }] : [];
  });
  const byNumber = new Map<string, Merchant>();
  const sources = new Map<string, YamlFile>();
  for (const { written, source } of read) {
    const first = sources.get(written.number);
    if (first)
      report(source.problem(['number'], `merchant ${written.number} is also written in ${placeOf({ source: first, path: ['number'] })}`));
    else sources.set(written.number, source).size && byNumber.set(written.number, compileMerchant(written, source, context, report));
  }
  return { byNumber, sources, byBinding: collectBindings(read, context, report), ...collectKeys(read, context, report) };
}

function listFiles(directory: string, report: Report): string[] {
  try {
    const entries: Dirent[] = readdirSync(directory, { withFileTypes: true });
    return entries
      .filter(({ name }) => /^[^.].*\.(yaml|yml|json)$/.test(name))
      .map(({ name }) => join(directory, name))
      .sort();
  } catch (error) {
    report(fileProblem(directory, `the merchants cannot be read: ${readFailure(error)}`));
    return [];
  }
}

function compileMerchant(written: MerchantFile, source: YamlFile, { plans, operations, files }: MerchantContext, report: Report): Merchant {
  const plan = plans?.get(written.plan);
  if (plans && !plan)
    report(source.problem(['plan'], `there is no plan ${describe(written.plan)}${hint(written.plan, [...plans.keys()])}`));
  if (written.keys.length === 0 && written.keySources.every((from) => from === 'registered'))
    report(source.problem(['keys'], 'keys: name at least one key, or say in keySources where else its keys come from'));
  if (written.signatures.includes('jws-obie') && written.signatureOptions.jws.issuer === undefined)
    report(source.problem(['signatures'], 'jws-obie needs signatureOptions.jws.issuer: name the one iss that its requests have'));
  if (written.signatures.includes('cms') && !written.keySources.includes('message'))
    report(source.problem(['signatures'], 'cms brings its certificate in the message: add message to keySources'));
  for (const [index, text] of (written.networks ?? []).entries()) {
    const problem = findNetworkProblem(text);
    if (problem) report(source.problem(['networks', index], `networks: ${problem}, found ${describe(text)}`));
  }
  for (const [index, id] of (written.operations ?? []).entries()) {
    if (operations && !operations.has(id)) report(source.problem(['operations', index], unknownOperation(id, operations)));
  }
  return {
    number: written.number,
    name: written.name,
    status: written.status,
    channels: written.channels,
    kind: written.kind,
    ...(written.networks && { networks: createNetworks(written.networks) }),
    ...(written.operations && { operations: new Set(written.operations) }),
    ...(written.scenes && { scenes: new Set(written.scenes) }),
    rules: plan ? overriddenRules(plan, written.overrides, source, operations, report) : [],
    keySources: new Set(written.keySources),
    signatures: new Set(written.signatures),
    signatureOptions: written.signatureOptions,
    answerAlgorithm: written.answers.algorithm,
    encryptionKeys: readEncryptionKeys(written, source, files, report),
    answerEncryption: written.answers.encryption,
  };
}

/** Bindings by binding key. A name belongs to one merchant; others may use it by a delegation that names its document. */
function collectBindings(read: readonly Read[], { files }: MerchantContext, report: Report): Map<string, Binding[]> {
  const owners = new Map<string, Where>();
  const bindings = new Map<string, Binding[]>();
  const bind = (found: ReturnType<typeof readBinding>, merchantNumber: string): void => {
    if (!found) return;
    const { key, ...terms } = found;
    const bound = bindings.get(key);
    if (!bound) bindings.set(key, [{ merchantNumber, ...terms }]);
    else if (!bound.some((other) => other.merchantNumber === merchantNumber)) bound.push({ merchantNumber, ...terms });
  };
  for (const { written, source } of read) {
    for (const [index, name] of written.names.entries()) {
      const here = { source, path: ['names', index] };
      const found = readBinding(name, source, here.path, files, report);
      const owner = found && owners.get(found.key);
      if (owner)
        report(
          source.problem(here.path, `this name is already bound in ${placeOf(owner)}; a second merchant may use it only by a delegation`),
        );
      if (!found || owner) continue;
      owners.set(found.key, here);
      bind(found, written.number);
    }
  }
  for (const { written, source } of read) {
    for (const [index, name] of written.delegations.entries())
      bind(readBinding(name, source, ['delegations', index], files, report), written.number);
  }
  return bindings;
}

/** Signing keys by keyid. A delegation lets a key of another merchant sign for this one too. */
function collectKeys(read: readonly Read[], { files }: MerchantContext, report: Report): Pick<Merchants, 'byKeyid' | 'keysByNumber'> {
  const keys = new Map<string, MerchantKey>();
  const elsewhere: MerchantKey[] = [];
  const places = new Map<string, Where>();
  for (const { written, source } of read) {
    for (const [index, entry] of written.keys.entries()) {
      const path = ['keys', index];
      const key = readKey(entry, written.number, source, path, files, report);
      const first = key && places.get(key.keyid);
      if (first) report(source.problem(path, `the keyid ${key.keyid} is already used in ${placeOf(first)}`));
      if (!key || first) continue;
      if (key.environment === undefined) keys.set(key.keyid, key);
      else elsewhere.push(key);
      places.set(key.keyid, { source, path });
    }
  }
  for (const { written, source } of read) {
    for (const [index, { keyids }] of written.delegations.entries()) {
      for (const [at, keyid] of keyids.entries()) {
        const key = keys.get(keyid);
        if (!key) report(source.problem(['delegations', index, 'keyids', at], `there is no key ${describe(keyid)}`));
        else if (!key.merchantNumbers.includes(written.number))
          keys.set(keyid, { ...key, merchantNumbers: [...key.merchantNumbers, written.number] });
      }
    }
  }
  return { byKeyid: keys, keysByNumber: byNumber([...keys.values(), ...elsewhere]) };
}

function byNumber(keys: readonly MerchantKey[]): Map<string, MerchantKey[]> {
  const found = new Map<string, MerchantKey[]>();
  for (const key of keys) {
    for (const number of key.merchantNumbers) {
      const others = found.get(number);
      if (others) others.push(key);
      else found.set(number, [key]);
    }
  }
  return found;
}

/** `file:line:column` of a place. */
const placeOf = ({ source, path }: Where): string => formatProblems([source.problem(path, '')]).replace(/: $/, '');
