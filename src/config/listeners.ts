import { findNetworkProblem } from '../lib/networks.ts';
import { UserError } from '../lib/user-error.ts';
import { parseName } from '../protocol/distinguished-name.ts';
import { describe } from './check-shape.ts';
import { isLoopback } from './loopback.ts';
import type { Report } from './problems.ts';
import type { GatewayConfig, Profile, WrittenListeners } from './schema.ts';
import { hint } from './suggest.ts';
import type { YamlFile, YamlPath } from './yaml-file.ts';

/** Ports that the environment sets. */
export type ListenerPorts = {
  readonly internet?: number | undefined;
  readonly dedicated?: number | undefined;
  readonly status?: number | undefined;
};

type WithCertificates = {
  readonly certificate: string;
  readonly key: string;
  readonly certificates: readonly { readonly certificate: string; readonly key: string }[];
};

/** Defaults of the profile, ports of the environment, absolute paths. */
export function resolveListeners(
  { internet, dedicated, balancer, status, outcomes }: WrittenListeners,
  profile: Profile,
  ports: ListenerPorts,
  absolute: (path: string) => string,
): GatewayConfig['listeners'] {
  const withPaths = <L extends WithCertificates>(listener: L): L => ({
    ...listener,
    certificate: absolute(listener.certificate),
    key: absolute(listener.key),
    certificates: listener.certificates.map(({ certificate, key }) => ({ certificate: absolute(certificate), key: absolute(key) })),
  });
  const standardAddress = profile === 'development' ? '127.0.0.1' : '0.0.0.0';
  return {
    internet: { ...withPaths(internet), address: internet.address ?? standardAddress, port: ports.internet ?? internet.port },
    ...(dedicated && { dedicated: { ...withPaths(dedicated), port: ports.dedicated ?? dedicated.port } }),
    ...(balancer && { balancer: withPaths(balancer) }),
    status: { ...status, port: ports.status ?? status.port },
    ...(outcomes && { outcomes }),
  };
}

/** The listeners for merchants that are on, with their key in gateway.yaml. */
export function merchantListeners({ listeners }: Pick<GatewayConfig, 'listeners'>) {
  const { internet, dedicated, balancer } = listeners;
  return (
    [
      ['internet', internet],
      ['dedicated', dedicated],
      ['balancer', balancer],
    ] as const
  ).flatMap(([name, listener]) => (listener ? [{ name, listener }] : []));
}

/** What no single key of a listener can tell. */
export function checkListeners(source: YamlFile, config: GatewayConfig, report: Report): void {
  for (const { name, listener } of merchantListeners(config)) {
    const path = ['listeners', name];
    checkAuthorityNames(source, config, [...path, 'authorities'], listener.authorities, report);
    if (config.profile === 'development' && !isLoopback(listener.address))
      report(source.problem([...path, 'address'], 'the development profile listens on loopback only; use 127.0.0.1 or ::1'));
    if (name !== 'internet' && ['0.0.0.0', '::'].includes(listener.address))
      report(
        source.problem(
          [...path, 'address'],
          `listeners.${name}.address: name one address of this machine; all of them would be reached from the internet too`,
        ),
      );
    if ('networks' in listener) checkNetworks(source, [...path, 'networks'], listener.networks, report);
    if ('proxies' in listener) checkNetworks(source, [...path, 'proxies'], listener.proxies, report);
  }
  const { balancer, outcomes } = config.listeners;
  if (outcomes && !isLoopback(outcomes.address))
    report(
      source.problem(
        ['listeners', 'outcomes', 'address'],
        'listeners.outcomes.address: plain HTTP from the core is taken on loopback only; put the end of a tunnel before it',
      ),
    );
  if (!balancer) return;
  checkAuthorityNames(source, config, ['listeners', 'balancer', 'balancerAuthorities'], balancer.balancerAuthorities, report);
  checkPins(source, balancer.balancers, report);
}

function checkAuthorityNames(source: YamlFile, config: GatewayConfig, path: YamlPath, names: readonly string[], report: Report): void {
  const known = config.authorities.map(({ name }) => name);
  for (const [index, name] of names.entries()) {
    if (!known.includes(name))
      report(source.problem([...path, index], `there is no authority ${describe(name)} in authorities${hint(name, known)}`));
  }
}

function checkNetworks(source: YamlFile, path: YamlPath, networks: readonly string[], report: Report): void {
  for (const [index, text] of networks.entries()) {
    const problem = findNetworkProblem(text);
    if (problem) report(source.problem([...path, index], `${path.slice(-2).join('.')}: ${problem}, found ${describe(text)}`));
  }
}

function checkPins(source: YamlFile, pins: NonNullable<GatewayConfig['listeners']['balancer']>['balancers'], report: Report): void {
  for (const [index, { publicKey, subject }] of pins.entries()) {
    const path = ['listeners', 'balancer', 'balancers', index];
    if (publicKey === undefined && subject === undefined) report(source.problem(path, 'name the balancer by publicKey, subject or both'));
    if (subject === undefined) continue;
    try {
      parseName(subject);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      report(source.problem([...path, 'subject'], error.message));
    }
  }
}
