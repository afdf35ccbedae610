import { readFileSync } from 'node:fs';
import { findCertificate } from '../../config/check-files.ts';
import type { GatewayConfig } from '../../config/schema.ts';
import { UserError } from '../../lib/user-error.ts';
import { ALGORITHM_NAMES, findKeyProblem } from '../../protocol/algorithms.ts';
import { jweAlgorithmOf } from '../../protocol/jwe/key-management.ts';
import { editYaml, type YamlEdit } from '../edit-yaml.ts';
import { certificatePath } from '../merchant-file.ts';
import type { RotationRow } from './rotation.ts';

/** The lists of gateway.yaml that hold keys of the gateway: those that sign answers, and those that requests are encrypted to. */
export const KEY_LISTS = ['answers', 'encryption'] as const;
export type KeyListName = (typeof KEY_LISTS)[number];

/** What messages call the keys of a list, as in a JSON Web Key (RFC 7517 section 4.2). */
export const USE_OF: Readonly<Record<KeyListName, 'sig' | 'enc'>> = { answers: 'sig', encryption: 'enc' };

/** A row with what the command tells about it. */
export type KeyRow = RotationRow & { readonly certificate: string };

/** The entries of a list, in its order. */
export function rowsOf(config: GatewayConfig, list: KeyListName): KeyRow[] {
  if (list === 'encryption')
    return config.encryption.keys.map((row) => {
      const publicKey = findCertificate(row.certificate)?.facts.publicKey;
      return { ...row, sharePercent: 100, algorithm: publicKey && jweAlgorithmOf(publicKey) };
    });
  return config.answers.keys.map((row) => {
    const publicKey = findCertificate(row.certificate)?.facts.publicKey;
    const fitting = publicKey && ALGORITHM_NAMES.find((name) => findKeyProblem(name, publicKey) === undefined);
    return { ...row, algorithm: row.algorithm ?? fitting };
  });
}

/** The list that has a key. Throws a UserError when none has it. */
export function listWith(config: GatewayConfig, keyid: string): KeyListName {
  const found = KEY_LISTS.find((list) => config[list].keys.some((row) => row.keyid === keyid));
  if (found === undefined) throw new UserError(`there is no key ${keyid} in answers.keys or encryption.keys; \`hufu keys list\` shows all`);
  return found;
}

/** gateway.yaml with a list written out: an entry that only the defaults know cannot be changed. */
export function openList(config: GatewayConfig, list: KeyListName): { readonly former: string; readonly edit: YamlEdit } {
  const former = readFileSync(config.file, 'utf8');
  const edit = editYaml(config.file, former);
  if (edit.has([list, 'keys'])) return { former, edit };
  edit.setIn(
    [list, 'keys'],
    config[list].keys.map(({ keyid, certificate, key }) => ({
      keyid,
      certificate: certificatePath(config, certificate),
      key: certificatePath(config, key),
    })),
  );
  return { former, edit };
}
