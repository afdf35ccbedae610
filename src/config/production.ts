import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isDevelopmentCertificate } from '../certificates/development-set.ts';
import { findCertificate, namedCertificates } from './check-files.ts';
import { isLoopback } from './loopback.ts';
import { fileProblem, type Report } from './problems.ts';
import type { GatewayConfig } from './schema.ts';
import type { YamlFile } from './yaml-file.ts';

/** What only the development profile may do (contract.md section 1). */
export function checkProduction(source: YamlFile, config: GatewayConfig, checksFiles: boolean, report: Report): void {
  const core = new URL(config.core.url);
  if (core.protocol === 'http:' && !isLoopback(core.hostname))
    report(
      source.problem(['core', 'url'], 'core.url: production speaks plain HTTP only to this host; use https:// or a local end of a tunnel'),
    );
  const risk = config.risk && new URL(config.risk.url);
  if (risk?.protocol === 'http:' && !isLoopback(risk.hostname))
    report(source.problem(['risk', 'url'], 'risk.url: production speaks plain HTTP only to this host; use https://'));
  if (config.instances.length > 1 && config.store.startsWith('sqlite:'))
    report(source.problem(['store'], 'store: more than one instance needs redis://, since a SQLite file serves one host only'));
  if (!checksFiles) return;
  checkNoDevelopmentCertificates(source, config, report);
  checkKeysArePrivate(source, config, report);
}

function checkNoDevelopmentCertificates(source: YamlFile, config: GatewayConfig, report: Report): void {
  for (const { path, certificate } of namedCertificates(config)) {
    const facts = findCertificate(certificate)?.facts;
    if (facts && isDevelopmentCertificate(facts))
      report(source.problem(path, `${certificate} is a development certificate; production needs one of your own authority`));
  }
}

function checkKeysArePrivate(source: YamlFile, config: GatewayConfig, report: Report): void {
  for (const { key } of namedCertificates(config)) {
    const problem = key && findExposure(key.file);
    if (problem) report(source.problem(key.path, problem));
  }
  for (const file of secretFiles(config.secretsDirectory)) {
    const problem = findExposure(file);
    if (problem) report(fileProblem(file, problem));
  }
}

/** Keys of the gateway itself; they are made later when the directory is not there yet. */
function secretFiles(directory: string): string[] {
  if (!existsSync(directory) || !statSync(directory).isDirectory()) return [];
  return readdirSync(directory)
    .filter((name) => name.endsWith('.key'))
    .map((name) => join(directory, name));
}

/** Why a key file is not private; undefined when only its owner may read it, or it is not there (which is told elsewhere). */
function findExposure(file: string): string | undefined {
  if (process.platform === 'win32' || !existsSync(file)) return undefined;
  const mode = statSync(file).mode & 0o777;
  if ((mode & 0o077) === 0) return undefined;
  return `${file} may be read by others (mode ${mode.toString(8)}); run: chmod 600 ${file}`;
}
