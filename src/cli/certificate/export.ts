import { resolve } from 'node:path';
import type { Command } from 'commander';
import { checkKeyBelongs, loadCertificateFile, loadPrivateKey, readText } from '../../certificates/files.ts';
import { readPem } from '../../certificates/pem.ts';
import { createPkcs12 } from '../../certificates/pkcs12.ts';
import { checkKeyFileMode } from '../../keys/file-mode.ts';
import { UserError } from '../../lib/user-error.ts';
import { WrongUse } from '../exit.ts';
import { checkFree, writeOnce } from './shared.ts';

/** Not an option: the command line of a process is everybody's to read. */
const PASSWORD_VARIABLE = 'HUFU_EXPORT_PASSWORD';

const EXAMPLES = `
Examples:
  hufu certificate export --certificate certs/merchants/800000000000003.crt --key certs/merchants/800000000000003.key \\
    --out tea-shop.p12 --password-file tea-shop.password
  ${PASSWORD_VARIABLE}="$(openssl rand -base64 18)" hufu certificate export ...

For Java (keyStore type PKCS12) and Windows. The password comes from a file that only you may read (its first line) or from
${PASSWORD_VARIABLE}, never from the command line; 12 to 128 characters of printable ASCII. Send it another way than the file.
A merchant who made the key makes the file: openssl pkcs12 -export -inkey KEY -in CERTIFICATE -out FILE`;

type Options = { certificate: string; key: string; out: string; name?: string; passwordFile?: string; json?: boolean };

/** `hufu certificate export`: key and chain as PKCS#12. */
export function addExportCommand(parent: Command): void {
  parent
    .command('export')
    .description('Write a key with its certificate chain as PKCS#12 (AES-256, SHA-256).')
    .requiredOption('--certificate <file>', 'PEM, with the chain behind it')
    .requiredOption('--key <file>', 'its private key, PEM')
    .requiredOption('--out <file>', 'the .p12 file to write')
    .option('--name <text>', 'alias or friendly name', 'hufu')
    .option('--password-file <file>', `password, first line (default: ${PASSWORD_VARIABLE})`)
    .option('--json', 'print JSON')
    .addHelpText('after', EXAMPLES)
    .action(run);
}

async function run(options: Options): Promise<void> {
  const file = resolve(options.out);
  checkFree(file);
  const { facts, pem } = loadCertificateFile(options.certificate);
  const privateKey = loadPrivateKey(options.key);
  checkKeyBelongs(facts, privateKey, options);
  const certificates = readPem(pem, options.certificate);
  const password = readPassword(options);
  writeOnce(file, await createPkcs12({ privateKey, certificates, friendlyName: options.name ?? 'hufu', password }), 0o600);
  if (options.json) console.log(JSON.stringify({ file, certificates: certificates.length }));
  else console.log(`${file}  key and ${certificates.length} certificates; send the password another way`);
}

function readPassword({ passwordFile }: Options): string {
  const variable = process.env[PASSWORD_VARIABLE];
  if (passwordFile === undefined && !variable) throw new WrongUse(`name a password with --password-file FILE or ${PASSWORD_VARIABLE}`);
  if (passwordFile !== undefined) checkKeyFileMode(passwordFile);
  const password = passwordFile === undefined ? (variable as string) : (readText(passwordFile).split(/\r?\n/)[0] as string);
  // Never a part of the password in the message.
  if (!/^[\x20-\x7e]{12,128}$/.test(password))
    throw new UserError('the password is not 12 to 128 characters of printable ASCII: choose another');
  return password;
}
