import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { End } from '../certificates/expiry.ts';
import { findCertificate } from '../config/check-files.ts';
import { type ConfigurationProblem, checkNone, fileProblem, type Report } from '../config/problems.ts';
import type { GatewayConfig } from '../config/schema.ts';
import type { YamlFile } from '../config/yaml-file.ts';
import { lengthPrefixed } from '../lib/bytes.ts';
import { ALGORITHM_NAMES, type AlgorithmName, findKeyProblem } from '../protocol/algorithms.ts';
import { keyStateAt } from '../protocol/answer-key.ts';
import { type LimitRule, type MerchantKey, SHARED_SCOPES } from '../protocol/merchant.ts';
import { SCHEME_ANSWERS } from '../protocol/scheme-names.ts';
import { loadBlocked } from './blocked.ts';
import { indexKeys } from './key-index.ts';
import { findOddRules, findUnlimited } from './lint.ts';
import { openMerchantFiles } from './merchant-files.ts';
import { loadMerchants, type Merchants } from './merchants.ts';
import { loadOperations, type Operations } from './operations.ts';
import { loadPlans } from './plans.ts';
import { compilePolicy, loadPolicy, type Policy } from './policy.ts';
import { checkOperations, warnOfListless } from './policy-operations.ts';
import { compileRoutes } from './routes.ts';
import type { Binding, Snapshot } from './snapshot.ts';
import { FOR_EVER_MS } from './validity.ts';

/** Merchants, plans and operations as gateway.yaml names them, compiled. Throws ConfigurationProblems with everything that is wrong. */
export function loadRegistry(config: GatewayConfig): Snapshot {
  return readRegistry(config).snapshot;
}

/** The access policy of a configuration as it is written; undefined when it cannot be read. */
export const loadPolicyOf = (config: GatewayConfig): Policy | undefined => loadPolicy(config.policy, undefined, () => undefined);

/** What a configuration without merchants means. */
export const NO_MERCHANT = 'there is no merchant in this folder, so nobody is served: write one with `hufu merchant add`';

/** As loadRegistry, with what works but is probably not meant, for `hufu check`. */
export function readRegistry(config: GatewayConfig): { readonly snapshot: Snapshot; readonly warnings: readonly ConfigurationProblem[] } {
  const problems: ConfigurationProblem[] = [];
  const warnings: ConfigurationProblem[] = [];
  const report: Report = (problem) => void problems.push(problem);
  const operations = loadOperationsOnce(config.operations, problems);
  // Names of operations that could not be read would only be told as unknown a second time.
  const ids = problems.length > 0 ? undefined : new Set(operations.routable.map(({ id }) => id));
  const plans = loadPlans(config.plans, ids, report);
  const merchants = loadMerchants(config.merchants, { plans: plans?.plans, operations: ids, files: openMerchantFiles(config) }, report);
  if (CLUSTER.test(config.store)) checkNoneShared(plans, merchants, report);
  const policy = loadPolicy(config.policy, ids, report);
  const warn: Report = (problem) => void warnings.push(problem);
  if (policy && ids) checkOperations(policy, operations.routable, config, report, warn);
  const blocked = loadBlocked(config, report);
  checkAnswerAlgorithms(config, merchants, report);
  for (const [name, { rules }] of plans?.plans ?? [])
    for (const { rule, message } of findOddRules(rules, operations.routable, Date.now()))
      warnings.push(plans?.source.problem(plans.placeOf(name, rule), message, 'key') as ConfigurationProblem);
  if (ids) checkLimits(merchants, operations, config.profile === 'production' ? report : (problem) => void warnings.push(problem));
  checkNone(distinct(problems));
  const accessOf = compilePolicy(policy as Policy, operations.routable);
  warnings.push(...warnOfListless(reachingOf(merchants), operations.routable, accessOf));
  if (merchants.byNumber.size === 0) warnings.push(fileProblem(config.merchants, NO_MERCHANT));
  return { snapshot: compileSnapshot(config, merchants, operations, { blocked, accessOf }), warnings };
}

let compiled: { readonly text: string; readonly operations: Operations } | undefined;

/** Compiling schemas is by far the most of a load, and documents change seldom: those of the last good load are kept. */
function loadOperationsOnce(files: readonly string[], problems: ConfigurationProblem[]): Operations {
  const text = textOf(files);
  if (text !== undefined && compiled?.text === text) return compiled.operations;
  const operations = loadOperations(files, (problem) => void problems.push(problem));
  if (text !== undefined && problems.length === 0) compiled = { text, operations };
  return operations;
}

/** Names and content, hashed; undefined when a file cannot be read, which is told by whoever reads it next. */
function textOf(files: readonly string[]): string | undefined {
  try {
    const hash = createHash('sha256');
    for (const file of files) hash.update(lengthPrefixed([file, readFileSync(file)]));
    return hash.digest('hex');
  } catch {
    return undefined;
  }
}

/** A component that several operations share is looked at for each; its mistakes are told once. */
function distinct(problems: readonly ConfigurationProblem[]): ConfigurationProblem[] {
  return [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()];
}

const keyWords = (algorithms: readonly AlgorithmName[]): string =>
  algorithms.map((name) => (name.startsWith('rsa-') ? 'an RSA key' : 'a P-256 key')).join(' and ');

/** Whether one of our keys can sign with the algorithm that each merchant wants. Keys that cannot be read are told elsewhere. */
function checkAnswerAlgorithms(config: GatewayConfig, { byNumber, sources }: Merchants, report: Report): void {
  const current = config.answers.keys.filter((row) => keyStateAt(row, Date.now()) === 'current');
  const keys = current.map(({ certificate, algorithm }) => ({ algorithm, publicKey: findCertificate(certificate)?.facts.publicKey }));
  const able = new Set<AlgorithmName>();
  for (const { algorithm, publicKey } of keys) {
    if (publicKey === undefined) return;
    const fitting = ALGORITHM_NAMES.find((name) => findKeyProblem(name, publicKey) === undefined);
    const signsWith = algorithm ?? fitting;
    if (signsWith) able.add(signsWith);
  }
  for (const { number, answerAlgorithm, signatures } of byNumber.values()) {
    const source = sources.get(number) as NonNullable<ReturnType<typeof sources.get>>;
    const unable = [...signatures].find((name) => SCHEME_ANSWERS[name].some((algorithm) => !able.has(algorithm)));
    if (unable)
      report(
        source.problem(
          ['signatures'],
          `answers under ${unable} need ${keyWords(SCHEME_ANSWERS[unable])}, and answers.keys in gateway.yaml has none`,
        ),
      );
    if (!able.has(answerAlgorithm))
      report(source.problem(['answers', 'algorithm'], `no current key of answers.keys in gateway.yaml signs with ${answerAlgorithm}`));
  }
}

const CLUSTER = /^rediss?\+cluster:/;
const NOT_ON_CLUSTER =
  'which a Redis Cluster cannot decide in one step with the rest; use redis:// or redis+sentinel:// as the store, or a scope of the merchant';

/** No rule is counted over all merchants: their counters would live on another node than the merchant's. */
function checkNoneShared(plans: ReturnType<typeof loadPlans>, { byNumber, sources }: Merchants, report: Report): void {
  const isShared = (rule: LimitRule): boolean => rule.kind !== 'amount' && SHARED_SCOPES.includes(rule.scope);
  const told = new Set<LimitRule>();
  for (const [name, { rules }] of plans?.plans ?? []) {
    for (const rule of rules.filter(isShared)) {
      told.add(rule);
      const problem = plans?.source.problem(
        plans.placeOf(name, rule.name),
        `${rule.name} is counted over all merchants, ${NOT_ON_CLUSTER}`,
        'key',
      );
      if (problem) report(problem);
    }
  }
  for (const { number, rules } of byNumber.values()) {
    for (const rule of rules.filter((own) => isShared(own) && !told.has(own))) {
      const problem = sources.get(number)?.problem(['overrides'], `${rule.name} is counted over all merchants, ${NOT_ON_CLUSTER}`);
      if (problem) report(problem);
    }
  }
}

/** Every active merchant has a bound on each operation that moves money. */
function checkLimits({ byNumber, sources }: Merchants, { routable }: Operations, report: Report): void {
  const nowMs = Date.now();
  const unlimited = new Map<unknown, ReturnType<typeof findUnlimited>>();
  for (const merchant of byNumber.values()) {
    if (merchant.status !== 'active') continue;
    const isCommon = merchant.operations === undefined;
    const found = (isCommon && unlimited.get(merchant.rules)) || findUnlimited(merchant, routable, nowMs);
    if (isCommon) unlimited.set(merchant.rules, found);
    for (const { id } of found) {
      const problem = sources
        .get(merchant.number)
        ?.problem(['plan'], `no amount limit of the plan or its overrides covers ${id}; production refuses that`);
      if (problem) report(problem);
    }
  }
}

function compileSnapshot(
  config: GatewayConfig,
  merchants: Merchants,
  operations: Operations,
  rest: Pick<Snapshot, 'blocked' | 'accessOf'>,
): Snapshot {
  const { byNumber, byBinding, byKeyid, keysByNumber } = merchants;
  const byId = new Map(operations.all.map((operation) => [operation.id, operation]));
  const nobody: readonly Binding[] = [];
  const none: readonly MerchantKey[] = [];
  return {
    version: versionOf(config, merchants),
    hosts: new Set(config.hosts),
    bodyBytesMax: Math.max(0, ...operations.routable.filter(({ hasBody }) => hasBody).map(({ bodyBytesMax }) => bodyBytesMax)),
    merchantNumbers: [...byNumber.keys()],
    findMerchant: (number) => byNumber.get(number),
    findBound: (bindingKey) => byBinding.get(bindingKey) ?? nobody,
    ...rest,
    findKey: (keyid) => byKeyid.get(keyid),
    findRegistered: indexKeys(byKeyid.values()),
    keysOf: (number) => keysByNumber.get(number) ?? none,
    findRoute: compileRoutes(operations.routable),
    findOperation: (id) => byId.get(id),
    ends: () => endsOf(merchants),
  };
}

const reachingOf = ({ byNumber, sources }: Merchants) =>
  [...byNumber.values()].map((merchant) => ({ merchant, source: sources.get(merchant.number) as YamlFile }));

function endsOf({ byBinding, byKeyid }: Merchants): End[] {
  const names = [...byBinding.values()].flat().map(({ merchantNumber, notAfterMs, certificateNotAfterMs = FOR_EVER_MS }): End => {
    return { kind: 'merchant_certificate', name: `merchant ${merchantNumber}`, notAfterMs: Math.min(notAfterMs, certificateNotAfterMs) };
  });
  const keys = [...byKeyid.values()].map(
    ({ keyid, merchantNumbers, notAfterMs }): End => ({
      kind: 'merchant_key',
      name: `merchant ${merchantNumbers[0]}, key ${keyid}`,
      notAfterMs,
    }),
  );
  return [...names, ...keys].filter(({ notAfterMs }) => notAfterMs < FOR_EVER_MS);
}

/** SHA-256 over everything the snapshot was made of: the files' text, and what was taken from certificates and keys. */
function versionOf(config: GatewayConfig, { sources, byBinding, byKeyid, byNumber }: Merchants): string {
  const hash = createHash('sha256');
  for (const file of [config.file, config.plans, config.policy, ...config.operations])
    hash.update(lengthPrefixed([file, readFileSync(file)]));
  for (const { file, content } of sources.values()) hash.update(lengthPrefixed([file, content]));
  for (const key of byBinding.keys()) hash.update(lengthPrefixed([key]));
  for (const { keyid, notAfterMs, notBeforeMs } of byKeyid.values()) hash.update(lengthPrefixed([keyid, `${notBeforeMs} ${notAfterMs}`]));
  for (const { number, encryptionKeys = [] } of byNumber.values())
    for (const { keyid, notAfterMs, notBeforeMs } of encryptionKeys)
      hash.update(lengthPrefixed([number, keyid, `${notBeforeMs} ${notAfterMs}`]));
  return hash.digest('hex');
}
