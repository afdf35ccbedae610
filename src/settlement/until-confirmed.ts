/** Commands that must reach the store, however long it is away: settle, hold, release, void. */
export type UntilConfirmed = {
  /**
   * Runs a command now and again, with growing pauses, until it resolves to true: false means that the store did nothing,
   * since it is being rebuilt. Never rejects; `what` is for the log.
   */
  readonly run: (what: string, command: () => Promise<boolean>) => void;
  /** Resolves when nothing is outstanding, or after `timeoutMs`; tells how many are left. */
  readonly drain: (timeoutMs: number) => Promise<number>;
};

export type UntilConfirmedOptions = {
  /** Told of each failed try. */
  readonly onFailure: (what: string, error: unknown) => void;
  /** Lets time pass; by default without keeping the process alive. */
  readonly pause?: (ms: number) => Promise<void>;
};

const FIRST_PAUSE_MS = 50;
const PAUSE_MS_MAX = 2_000;

const pauseUnreferenced = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms).unref());

/** A command that still fails when the process ends is repeated by the replay of the journal. */
export function createUntilConfirmed({ onFailure, pause = pauseUnreferenced }: UntilConfirmedOptions): UntilConfirmed {
  let outstanding = 0;
  let whenIdle: (() => void) | undefined;
  const attempt = async (what: string, command: () => Promise<boolean>): Promise<void> => {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)) {
      try {
        if (await command()) return;
      } catch (error) {
        onFailure(what, error);
      }
      await pause(pauseMs);
    }
  };
  return {
    run: (what, command) => {
      outstanding += 1;
      void attempt(what, command).then(() => {
        outstanding -= 1;
        if (outstanding === 0) whenIdle?.();
      });
    },
    drain: async (timeoutMs) => {
      if (outstanding === 0) return 0;
      let timer: NodeJS.Timeout | undefined;
      await Promise.race([
        new Promise<void>((resolve) => {
          whenIdle = resolve;
        }),
        new Promise<void>((resolve) => {
          timer = setTimeout(resolve, timeoutMs);
        }),
      ]);
      clearTimeout(timer);
      return outstanding;
    },
  };
}
