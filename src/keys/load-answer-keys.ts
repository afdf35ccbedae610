import { alipaySerialOf } from '../certificates/alipay-serial.ts';
import { isDevelopmentCertificate } from '../certificates/development-set.ts';
import { checkKeyBelongs, loadCertificateFile, loadPrivateKey } from '../certificates/files.ts';
import { checkKeyPolicy, isWithinValidity } from '../certificates/policy.ts';
import { CertificateProblem } from '../certificates/problem.ts';
import { UserError } from '../lib/user-error.ts';
import { type AlgorithmName, findKeyProblem } from '../protocol/algorithms.ts';
import { keyStateAt, type WrittenKeyState } from '../protocol/answer-key.ts';
import { type AnswerKeys, createAnswerKeys, type HeldKey, isCheap } from './answer-keys.ts';
import { checkKeyFileMode } from './file-mode.ts';
import { createSigner, fittingAlgorithm } from './signer.ts';

/** A key that signs answers, as the configuration names it. Paths are absolute or relative to the process's folder. */
export type AnswerKey = WrittenKeyState & {
  readonly keyid: string;
  readonly certificate: string;
  readonly key: string;
  /** Default: the first of the algorithm table that fits the key. */
  readonly algorithm?: AlgorithmName | undefined;
  /** 1 to 100; default 100. */
  readonly sharePercent?: number | undefined;
};

export type AnswerKeysOptions = {
  readonly answerKeys: readonly AnswerKey[];
  /** Production also refuses everything that `hufu up` made. */
  readonly production?: boolean | undefined;
  readonly nowMs: number;
};

/**
 * Reads and checks all keys that are not retired. Throws a UserError that names the file for the first that is missing, unfit, not its
 * partner's or readable by others, for a current one outside its validity, and when no current key is left to sign refusals with.
 */
export function loadAnswerKeys({ answerKeys, production, nowMs }: AnswerKeysOptions): AnswerKeys {
  const isRetired = (row: AnswerKey): boolean => keyStateAt(row, nowMs) === 'retired';
  const held = answerKeys.filter((row) => !isRetired(row)).map((row) => loadAnswerKey(row, production ?? false, nowMs));
  const signsForAll = ({ signer, written, sharePercent }: HeldKey): boolean =>
    isCheap(signer) && sharePercent === 100 && keyStateAt(written, nowMs) === 'current';
  if (!held.some(signsForAll))
    throw new UserError(
      'answers.keys has no P-256, P-384 or Ed25519 key that is current for all merchants: name one, refusals are signed with it',
    );
  return createAnswerKeys(
    held,
    answerKeys.filter(isRetired).map(({ keyid }) => keyid),
  );
}

function loadAnswerKey(row: AnswerKey, production: boolean, nowMs: number): HeldKey {
  const { keyid, certificate, key, algorithm, sharePercent = 100, state, currentFrom, retiringFrom, retiredFrom } = row;
  const { facts, x509 } = loadCertificateFile(certificate);
  if (production && isDevelopmentCertificate(facts))
    throw new UserError(`${certificate} was issued by a development authority: production needs a certificate of your own authority`);
  checkKeyFileMode(key);
  const privateKey = loadPrivateKey(key);
  checkKeyBelongs(facts, privateKey, { certificate, key });
  try {
    checkKeyPolicy(facts);
  } catch (cause) {
    throw cause instanceof CertificateProblem ? new UserError(`${certificate} cannot be used: ${cause.reason}`, { cause }) : cause;
  }
  if (keyStateAt(row, nowMs) === 'current' && !isWithinValidity(facts, nowMs))
    throw new UserError(`${certificate} is not valid now (until ${new Date(facts.notAfterMs).toISOString()}): renew it`);
  const name = algorithm ?? fittingAlgorithm(privateKey, key);
  const problem = findKeyProblem(name, privateKey);
  if (problem !== undefined) throw new UserError(`${key} does not fit its algorithm: ${problem}`);
  const moments = { ...(currentFrom && { currentFrom }), ...(retiringFrom && { retiringFrom }), ...(retiredFrom && { retiredFrom }) };
  return {
    signer: createSigner(keyid, name, privateKey),
    certificate: {
      keyid,
      algorithm: name,
      serial: facts.serialNumber,
      alipaySerial: alipaySerialOf(facts),
      pem: x509.toString(),
      notBeforeMs: facts.notBeforeMs,
      notAfterMs: facts.notAfterMs,
      ...moments,
    },
    der: x509.raw,
    written: { state, ...moments },
    sharePercent,
  };
}
