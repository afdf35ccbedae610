import { Command } from 'commander';
import { createAuthorityCommand } from './authority.ts';
import { addExportCommand } from './export.ts';
import { addInspectCommand } from './inspect.ts';
import { addIssueCommand } from './issue.ts';
import { addListCommand } from './list.ts';
import { addRenewCommand } from './renew.ts';
import { addCrlCommand, addRevokeCommand } from './revoke.ts';
import { addSignCommand } from './sign.ts';

const HELP = `
Examples:
  hufu certificate authority init --organisation 示例银行
  hufu certificate sign --request shop.csr --merchant 800000000000003 --organisation 示例茶行
  hufu certificate renew --certificate certs/merchants/800000000000003.crt --replace
  hufu certificate revoke --certificate certs/merchants/800000000000003.crt --reason superseded
  hufu certificate crl

Each authority keeps an index beside its key: what it issued, renewed and revoked, when, and by whom. docs/certificates.md tells more.`;

/** `hufu certificate`: authorities and what they issue, from the first day to the last. */
export function createCommand(): Command {
  const command = new Command('certificate').description(
    'Make authorities; issue, sign, renew, revoke, list, inspect and export certificates.',
  );
  command.addHelpText('after', HELP).addCommand(createAuthorityCommand());
  for (const add of [
    addIssueCommand,
    addSignCommand,
    addRenewCommand,
    addRevokeCommand,
    addCrlCommand,
    addListCommand,
    addInspectCommand,
    addExportCommand,
  ])
    add(command);
  return command;
}
