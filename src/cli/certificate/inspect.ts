import type { Command } from 'commander';
import { describeKey } from '../../certificates/key-pair.ts';
import { pemOf, readPem } from '../../certificates/pem.ts';
import { CertificateProblem } from '../../certificates/problem.ts';
import { type CertificateFacts, readCertificate } from '../../certificates/read.ts';
import { formatTable } from '../../lib/table.ts';
import { printName } from '../../protocol/distinguished-name.ts';
import { keyidOf } from '../../protocol/keyid.ts';
import { EXIT, WrongUse } from '../exit.ts';
import { findPathProblems, type PathChecks, pathChecksOf } from './path-checks.ts';
import { readSmallText } from './request-file.ts';
import { directoryOf, findBySerial, type SharedOptions, withDirectory } from './shared.ts';

const EXAMPLES = `
Examples:
  hufu certificate inspect certs/merchants/800000000000001.crt
  openssl s_client -connect pay.example.com:443 < /dev/null | hufu certificate inspect
  hufu certificate inspect --serial 01A4… --pem > lost.crt

Says what the gateway reads, and every reason for which it would refuse a merchant with it. --check makes those an exit status of 1.`;

type Options = SharedOptions & { check?: boolean; config?: string; serial?: string; pem?: boolean };

/** One certificate as it is shown; `problems` are those of our path checks, undefined where they do not apply. */
type Shown = {
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly problems: readonly string[] | undefined;
};

/** `hufu certificate inspect`: what the gateway makes of a certificate. */
export function addInspectCommand(parent: Command): void {
  withDirectory(parent.command('inspect').description('Show certificates as the gateway reads and judges them.'))
    .argument('[file]', 'PEM; - or nothing reads standard input')
    .option('--serial <hex>', 'instead of a file: one that an authority of the directory issued')
    .option('--pem', 'print the certificate itself, as PEM')
    .option('--check', 'exit status 1 when a merchant would be refused with the first certificate')
    .option('--config <file>', 'gateway.yaml with the authorities and switches to judge by (default HUFU_CONFIG, else the usual ones)')
    .addHelpText('after', EXAMPLES)
    .action(run);
}

async function run(file: string | undefined, options: Options): Promise<void> {
  const ders = await readDers(file, options);
  if (options.pem) {
    process.stdout.write(ders.map(pemOf).join(''));
    return;
  }
  const checks = pathChecksOf(options);
  const nowMs = Date.now();
  // Behind the first stand its issuers, which nobody connects with.
  const shown = ders.map((der, index) => show(der, index === 0 ? checks : undefined, nowMs));
  if (options.json)
    console.log(JSON.stringify(shown.map(({ fields, problems }) => ({ ...Object.fromEntries(fields), ...(problems && { problems }) }))));
  else console.log(shown.map(textOf).join('\n\n'));
  if (options.check && shown[0]?.problems?.length !== 0) process.exitCode = EXIT.refused;
}

async function readDers(file: string | undefined, options: Options): Promise<Buffer[]> {
  if (options.serial === undefined) return readPem(await readSmallText(file ?? '-'), file ?? 'standard input');
  if (file !== undefined) throw new WrongUse('name either a file or --serial');
  const { entry } = findBySerial(directoryOf(options), options.serial);
  return [Buffer.from(entry.certificate, 'base64')];
}

function show(der: Buffer, checks: PathChecks | undefined, nowMs: number): Shown {
  try {
    const facts = readCertificate(der);
    return { fields: fieldsOf(facts), problems: checks && findPathProblems(der, facts, checks, nowMs) };
  } catch (error) {
    if (!(error instanceof CertificateProblem)) throw error;
    return { fields: [], problems: [error.reason] };
  }
}

const USAGE_NAMES: Readonly<Record<string, string>> = {
  '1.3.6.1.5.5.7.3.1': 'serverAuth',
  '1.3.6.1.5.5.7.3.2': 'clientAuth',
  '1.3.6.1.5.5.7.3.3': 'codeSigning',
  '1.3.6.1.5.5.7.3.4': 'emailProtection',
  '2.5.29.37.0': 'anyExtendedKeyUsage',
};

function fieldsOf(facts: CertificateFacts): Shown['fields'] {
  const { keyUsage, extendedKeyUsage } = facts;
  return [
    ['subject', printName(facts.subject)],
    ['issuer', printName(facts.issuer)],
    ['serial', facts.serialNumber],
    ['notBefore', new Date(facts.notBeforeMs).toISOString()],
    ['notAfter', new Date(facts.notAfterMs).toISOString()],
    ['key', describeKey(facts.publicKey)],
    ['signature', facts.signatureAlgorithm],
    ['keyUsage', keyUsage === undefined ? 'not said' : [...keyUsage].join(', ')],
    ['extendedKeyUsage', extendedKeyUsage?.map((id) => USAGE_NAMES[id] ?? id).join(', ') ?? 'not said'],
    ['authority', facts.isAuthority ? 'yes' : 'no'],
    ['keyid', keyidOf(facts.publicKey)],
    ['thumbprint', facts.thumbprint],
  ];
}

function textOf({ fields, problems }: Shown): string {
  const isFit = problems?.length === 0;
  const verdict = isFit ? [['checks', 'a merchant may connect with it']] : (problems ?? []).map((problem) => ['refused', problem]);
  // The first row stands where titles stand: a list of fields has none.
  const [first = [], ...rows]: (readonly string[])[] = [...fields, ...verdict];
  return formatTable(
    first.map((title) => ({ title })),
    rows,
  ).join('\n');
}
