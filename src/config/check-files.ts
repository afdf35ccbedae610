import { type CertificateFile, checkKeyBelongs, loadCertificateFile, loadPrivateKey } from '../certificates/files.ts';
import { isForHost, keyKindOf } from '../certificates/server-names.ts';
import { UserError } from '../lib/user-error.ts';
import { ALGORITHM_NAMES, findKeyProblem } from '../protocol/algorithms.ts';
import { keyStateAt } from '../protocol/answer-key.ts';
import { jweAlgorithmOf } from '../protocol/jwe/key-management.ts';
import { merchantListeners } from './listeners.ts';
import type { Report } from './problems.ts';
import type { GatewayConfig } from './schema.ts';
import type { YamlFile, YamlPath } from './yaml-file.ts';

/** A certificate that gateway.yaml names, with the place that names it and the key that belongs to it. */
export type NamedCertificate = {
  readonly path: YamlPath;
  readonly certificate: string;
  readonly key?: { readonly path: YamlPath; readonly file: string };
  /** False for one that may be outside its validity now. Default true. */
  readonly isInUse?: boolean;
};

/** Every certificate and key file of gateway.yaml that is read: those of retired keys may be gone. */
export function namedCertificates(config: GatewayConfig, nowMs = Date.now()): NamedCertificate[] {
  const servers = merchantListeners(config).flatMap(({ name, listener }) => {
    const base = ['listeners', name];
    const row = (path: YamlPath, pair: { readonly certificate: string; readonly key: string }): NamedCertificate => ({
      path: [...path, 'certificate'],
      certificate: pair.certificate,
      key: { path: [...path, 'key'], file: pair.key },
    });
    return [row(base, listener), ...listener.certificates.map((pair, index) => row([...base, 'certificates', index], pair))];
  });
  const authorities = config.authorities.flatMap(({ certificates }, i) =>
    certificates.map((certificate, k) => ({ path: ['authorities', i, 'certificates', k], certificate })),
  );
  const alive = (list: 'answers' | 'encryption') =>
    config[list].keys.flatMap((row, i): NamedCertificate[] => {
      const { certificate, key } = row;
      const state = keyStateAt(row, nowMs);
      const common = { path: [list, 'keys', i, 'certificate'], certificate, key: { path: [list, 'keys', i, 'key'], file: key } };
      return state === 'retired' ? [] : [{ ...common, isInUse: state === 'current' }];
    });
  return [...servers, ...authorities, ...alive('answers'), ...alive('encryption')];
}

/** Whether every certificate and key can be read, is valid now, and belongs to the other. */
export function checkFiles(source: YamlFile, config: GatewayConfig, nowMs: number, report: Report): void {
  for (const named of namedCertificates(config, nowMs)) checkCertificate(source, named, nowMs, report);
  checkAuthorities(source, config, report);
  checkServerNames(source, config, report);
  checkRefusalKey(source, config, nowMs, report);
  checkEncryptionKeys(source, config, nowMs, report);
}

function checkCertificate(source: YamlFile, named: NamedCertificate, nowMs: number, report: Report): void {
  const loaded = tell(() => loadCertificateFile(named.certificate), source, named.path, report);
  if (loaded && (named.isInUse ?? true)) {
    const { notBeforeMs, notAfterMs } = loaded.facts;
    const when =
      nowMs > notAfterMs
        ? `has expired on ${iso(notAfterMs)}`
        : nowMs < notBeforeMs
          ? `is not valid before ${iso(notBeforeMs)}`
          : undefined;
    if (when) report(source.problem(named.path, `${named.certificate} ${when}; put a valid certificate there`));
  }
  const { key, certificate } = named;
  if (!key) return;
  const privateKey = tell(() => loadPrivateKey(key.file), source, key.path, report);
  if (loaded && privateKey) tell(() => checkKeyBelongs(loaded.facts, privateKey, { certificate, key: key.file }), source, key.path, report);
}

function checkAuthorities(source: YamlFile, config: GatewayConfig, report: Report): void {
  for (const [i, { certificates }] of config.authorities.entries()) {
    for (const [k, file] of certificates.entries()) {
      const loaded = findCertificate(file);
      if (loaded && !loaded.facts.isAuthority)
        report(
          source.problem(
            ['authorities', i, 'certificates', k],
            `${file} is not the certificate of an authority (basicConstraints CA:TRUE)`,
          ),
        );
    }
  }
}

/** A further server certificate that no client would ever be shown is a mistake: one for no host of ours, or a second of its kind. */
function checkServerNames(source: YamlFile, config: GatewayConfig, report: Report): void {
  for (const { name, listener } of merchantListeners(config)) {
    const first = findCertificate(listener.certificate);
    const taken = new Set(
      first && config.hosts.filter((host) => isForHost(first.x509, host)).map((host) => `${keyKindOf(first.x509)} ${host}`),
    );
    for (const [index, { certificate }] of listener.certificates.entries()) {
      const loaded = findCertificate(certificate);
      if (!loaded) continue;
      const uses = config.hosts.filter((host) => isForHost(loaded.x509, host)).map((host) => `${keyKindOf(loaded.x509)} ${host}`);
      const problem =
        uses.length === 0
          ? 'is for none of `hosts`'
          : uses.every((use) => taken.has(use))
            ? 'is never shown: an earlier certificate with the same kind of key is for the same hosts'
            : undefined;
      if (problem) report(source.problem(['listeners', name, 'certificates', index, 'certificate'], `${certificate} ${problem}`));
      for (const use of uses) taken.add(use);
    }
  }
}

/** Refusals are signed before anything about the sender is proven, so their key must be a cheap one. */
function checkRefusalKey(source: YamlFile, config: GatewayConfig, nowMs: number, report: Report): void {
  const rows = config.answers.keys.map((row, index) => ({ row, index, state: keyStateAt(row, nowMs) }));
  const read = rows
    .filter(({ state }) => state !== 'retired')
    .map((found) => ({ ...found, key: findCertificate(found.row.certificate)?.facts.publicKey }));
  const forAll = read.filter(({ state, row }) => state === 'current' && row.sharePercent === 100);
  if (forAll.every(({ key }) => key !== undefined && key.asymmetricKeyType === 'rsa'))
    report(
      source.problem(
        ['answers', 'keys'],
        'answers.keys: at least one that is current for all merchants must be an EC or Ed25519 key, since refusals are signed with it',
        'key',
      ),
    );
  for (const { key, index } of read) {
    if (key && !ALGORITHM_NAMES.some((name) => findKeyProblem(name, key) === undefined))
      report(
        source.problem(
          ['answers', 'keys', index, 'certificate'],
          'this key fits none of the signature algorithms; use P-256, P-384, Ed25519, or RSA of at least 2048 bits',
        ),
      );
  }
}

function checkEncryptionKeys(source: YamlFile, config: GatewayConfig, nowMs: number, report: Report): void {
  for (const [i, row] of config.encryption.keys.entries()) {
    if (keyStateAt(row, nowMs) === 'retired') continue;
    const key = findCertificate(row.certificate)?.facts.publicKey;
    if (key && !jweAlgorithmOf(key))
      report(
        source.problem(
          ['encryption', 'keys', i, 'certificate'],
          'this key cannot be encrypted to; use RSA of at least 2048 bits, P-256 or P-384',
        ),
      );
  }
}

/** The certificate of a file, when it can be read. */
export function findCertificate(file: string): CertificateFile | undefined {
  try {
    return loadCertificateFile(file);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/** Runs a step; what it says to the user becomes a problem at a place. */
export function tell<T>(step: () => T, source: YamlFile, path: YamlPath, report: Report): T | undefined {
  try {
    return step();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    report(source.problem(path, error.message));
    return undefined;
  }
}

const iso = (ms: number): string => new Date(ms).toISOString();
