import type {
  Admitted,
  Arrived,
  Forwarded,
  Identified,
  Journalled,
  Known,
  Opened,
  Reply,
  Routed,
  Sealed,
  Settled,
  Verified,
} from '../protocol/messages.ts';

/** How far a request came: what a refusal may say, sign and log depends on it. */
export type Reached = Arrived | Identified | Routed | Verified | Opened | Admitted | Known;

/** The stages of `handle`, wired by runtime/gateway. Each returns facts; only `pipeline/event` logs and counts. */
export type Stages = {
  readonly identify: (arrived: Arrived) => Identified;
  readonly route: (identified: Identified) => Routed;
  readonly bound: (routed: Routed) => void;
  readonly verify: (routed: Routed) => Verified | Promise<Verified>;
  readonly open: (verified: Verified) => Promise<Opened>;
  readonly admit: (opened: Opened) => Promise<Admitted | Known>;
  readonly screen: (admitted: Admitted) => Admitted | Promise<Admitted>;
  readonly recall: (known: Known) => Promise<Reply>;
  readonly journal: (admitted: Admitted) => Promise<Journalled>;
  readonly forward: (journalled: Journalled) => Promise<Forwarded>;
  readonly settle: (forwarded: Forwarded) => Settled;
  readonly seal: (reached: Reached | Settled, reply: Reply) => Promise<Sealed>;
  readonly refuse: (reached: Reached, error: unknown) => Promise<Sealed>;
};

type Stage = (request: never, ...rest: never[]) => unknown;

/** Wraps a stage so that it notes its own duration (monotonic, ms) in the request's times, whether it returns or throws. */
function timed<S extends Stage>(name: string, stage: S, monotonicMs: () => number): S {
  const wrapped = (request: Arrived, ...rest: unknown[]): unknown => {
    const startedMs = monotonicMs();
    const note = () => {
      request.times[name] = monotonicMs() - startedMs;
    };
    try {
      const result = (stage as unknown as (...all: unknown[]) => unknown)(request, ...rest);
      if (!(result instanceof Promise)) {
        note();
        return result;
      }
      return result.finally(note);
    } catch (error) {
      note();
      throw error;
    }
  };
  return wrapped as unknown as S;
}

/** The same stages, each noting its time. */
export function timedStages(stages: Stages, monotonicMs: () => number): Stages {
  return Object.fromEntries(Object.entries(stages).map(([name, stage]) => [name, timed(name, stage as Stage, monotonicMs)])) as Stages;
}
