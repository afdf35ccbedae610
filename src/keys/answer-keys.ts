import type { Signer } from '../ports/signer.ts';
import type { AlgorithmName } from '../protocol/algorithms.ts';
import { isInShare, type KeyState, keyStateAt, nextKeyChangeMs, type WrittenKeyState } from '../protocol/answer-key.ts';
import type { KeyHint } from '../protocol/key-hint.ts';

/** One published key: its state as of the moment it was asked for. Moments are ms since 1970, absent where none is written. */
export type PublishedCertificate = {
  readonly keyid: string;
  readonly algorithm: AlgorithmName;
  /** Serial number of the certificate, upper-case hexadecimal. */
  readonly serial: string;
  /** The same as Alipay computes it. */
  readonly alipaySerial: string;
  /** The certificate alone, without its chain. */
  readonly pem: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly state: Exclude<KeyState, 'retired'>;
  readonly currentFrom?: string;
  readonly retiringFrom?: string;
  readonly retiredFrom?: string;
};

/** A key that is not retired yet, with what is published about it. */
export type HeldKey = {
  readonly signer: Signer;
  readonly certificate: Omit<PublishedCertificate, 'state'>;
  /** The certificate alone, as schemes send it along. */
  readonly der: Uint8Array;
  readonly written: WrittenKeyState;
  /** For how many of a hundred merchants it signs while it is current. */
  readonly sharePercent: number;
};

/** What merchants may know: keys that are published, and the names of those that nobody may trust any more. */
export type Publication = {
  readonly certificates: readonly PublishedCertificate[];
  readonly retired: readonly string[];
  /** Keyids and serial numbers of all published ones. */
  readonly names: readonly string[];
};

/** Chooses among the keys that sign answers, as they stand at a moment. Immutable; a reload makes another. */
export type AnswerKeys = {
  /** The key for a merchant's answers, by its preference or by what the request asked for; undefined: none has that algorithm now. */
  readonly choose: (
    merchant: { readonly number: string; readonly answerAlgorithm: AlgorithmName },
    hint: KeyHint | undefined,
    nowMs: number,
  ) => HeldKey | undefined;
  /** Signs what is answered before a request's signature verified: an EC or Ed25519 key, since RSA would cost us 15 times as much. */
  readonly forRefusals: (merchantNumber: string | undefined, nowMs: number) => Signer;
  /** The same object until something changes, so that what is made of it can be kept. */
  readonly publication: (nowMs: number) => Publication;
};

/** The keys by what they may do, from one change of state to the next. */
type View = {
  readonly fromMs: number;
  readonly untilMs: number;
  /** Those of a part of the merchants first, smallest part first; among equals the order of the configuration. */
  readonly current: readonly HeldKey[];
  /** Announced and retiring ones: only for who asks for them by name. */
  readonly onRequest: readonly HeldKey[];
  readonly publication: Publication;
};

/**
 * @param held in the order of the configuration
 * @param retired keyids of keys that are written as retired and were not read
 */
export function createAnswerKeys(held: readonly HeldKey[], retired: readonly string[]): AnswerKeys {
  let view: View | undefined;
  const viewAt = (nowMs: number): View => {
    if (view === undefined || nowMs < view.fromMs || nowMs >= view.untilMs) view = createView(held, retired, nowMs);
    return view;
  };
  return {
    choose: ({ number, answerAlgorithm }, hint, nowMs) => {
      const now = viewAt(nowMs);
      return (hint && asked(now, hint, number, answerAlgorithm)) ?? signing(now, number, ({ algorithm }) => algorithm === answerAlgorithm);
    },
    forRefusals: (number, nowMs) =>
      (signing(viewAt(nowMs), number, isCheap) ?? (held.find(({ signer }) => isCheap(signer)) as HeldKey)).signer,
    publication: (nowMs) => viewAt(nowMs).publication,
  };
}

export const isCheap = ({ algorithm }: Pick<Signer, 'algorithm'>): boolean => !algorithm.startsWith('rsa-');

/** A certificate outside its validity proves nothing to anybody: before it the key is only announced, after it as good as retired. */
function stateOf({ written, certificate }: HeldKey, nowMs: number): KeyState {
  const state = keyStateAt(written, nowMs);
  if (nowMs > certificate.notAfterMs) return 'retired';
  return nowMs < certificate.notBeforeMs && state === 'current' ? 'announced' : state;
}

function createView(held: readonly HeldKey[], retired: readonly string[], nowMs: number): View {
  const states = held.map((key) => ({ key, state: stateOf(key, nowMs) }));
  const published = states.flatMap(({ key, state }) => (state === 'retired' ? [] : [{ ...key.certificate, state }]));
  const ends = held.flatMap(({ certificate }) => [certificate.notBeforeMs, certificate.notAfterMs + 1]).filter((ms) => ms > nowMs);
  const having = (...wanted: readonly KeyState[]): HeldKey[] => states.filter(({ state }) => wanted.includes(state)).map(({ key }) => key);
  return {
    fromMs: nowMs,
    untilMs: Math.min(
      nextKeyChangeMs(
        held.map(({ written }) => written),
        nowMs,
      ),
      ...ends,
    ),
    current: having('current').sort((a, b) => a.sharePercent - b.sharePercent),
    onRequest: having('announced', 'retiring'),
    publication: {
      certificates: published,
      names: published.flatMap(({ keyid, serial }) => [keyid, serial]),
      // Said for ever, so never of a certificate that has only run out: it may be renewed under the same name.
      retired: [...retired, ...held.filter(({ written }) => keyStateAt(written, nowMs) === 'retired').map(({ signer }) => signer.keyid)],
    },
  };
}

/** Without a merchant only a key for all of them counts. */
function signing({ current }: View, merchantNumber: string | undefined, fits: (signer: Signer) => boolean): HeldKey | undefined {
  const isFor = ({ signer, sharePercent }: HeldKey): boolean =>
    merchantNumber === undefined ? sharePercent >= 100 : isInShare(signer.keyid, merchantNumber, sharePercent);
  const fitting = current.filter(({ signer }) => fits(signer));
  return fitting.find(isFor) ?? fitting.at(-1);
}

/** By keyid or serial any published key when the hint is signed, else a current one; by algorithm alone a current one. */
function asked(now: View, hint: KeyHint, merchantNumber: string, preferred: AlgorithmName): HeldKey | undefined {
  const { keyid, serial, algorithm, isCovered } = hint;
  if (keyid === undefined && serial === undefined)
    return isCovered && algorithm !== preferred ? signing(now, merchantNumber, (signer) => signer.algorithm === algorithm) : undefined;
  const candidates = isCovered ? [...now.current, ...now.onRequest] : now.current;
  return candidates.find(
    ({ signer, certificate }) =>
      (signer.keyid === (keyid ?? serial) || (serial !== undefined && certificate.serial === serial.toUpperCase())) &&
      (algorithm === undefined || signer.algorithm === algorithm),
  );
}
