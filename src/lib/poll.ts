/** Something that is looked at again and again. */
export type Poll = {
  /** Looks now, or joins the look that is under way. */
  readonly look: () => Promise<void>;
  readonly start: () => void;
  readonly stop: () => void;
};

/** Looks every `everyMs` milliseconds, never twice at once, and keeps no process alive for it. `lookOnce` must not reject. */
export function createPoll(lookOnce: () => Promise<void>, everyMs: number): Poll {
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> | undefined;
  const look = (): Promise<void> => {
    looking ??= lookOnce().finally(() => {
      looking = undefined;
    });
    return looking;
  };
  return {
    look,
    start: () => {
      timer = setInterval(() => void look(), everyMs);
      timer.unref();
    },
    stop: () => clearInterval(timer),
  };
}
