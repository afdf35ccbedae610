import type { Random } from './random.ts';

/** One run of a gateway process. What belongs to it ends with it. */
export type Life = { readonly name: string; alive: boolean; readonly mourners: Set<() => void> };

/** Something that waits for its turn. */
type Event = { readonly label: string; readonly dueMs: number; readonly life: Life | undefined; readonly run: () => void };

export type Scheduler = {
  /** Simulated wall clock, ms. */
  readonly nowMs: () => number;
  /**
   * Lets `run` happen at some moment from now on, in seeded order; never when `life` has ended. `delayMs` is the earliest.
   * Returns a function that takes it back.
   */
  readonly later: (label: string, run: () => void, options?: { readonly life?: Life; readonly delayMs?: number }) => () => void;
  /** Resolves at some moment not before `delayMs`. */
  readonly turn: (label: string, life?: Life, delayMs?: number) => Promise<void>;
  /** Takes one step; false when nothing waits any more. */
  readonly step: () => Promise<boolean>;
  /** A line of the story that is no step. */
  readonly note: (line: string) => void;
  /** Told every line of the story, when the step it belongs to is over. */
  readonly onLine: (listener: (line: string) => void) => void;
  readonly steps: () => number;
  readonly story: () => readonly string[];
  /** From now on events come in the order of time, in long strides. */
  readonly calm: () => void;
};

/** In a calm world time passes in strides, so that ticks are few. */
const UUID = /[0-9a-f]{8}-[0-9a-f-]{27}/g;
const STRIDE_MS = 8_000;

type Line = { readonly steps: number; readonly nowMs: number; readonly line: string };

/** The lines as people read them. Epochs are random; their names in the story are not. */
function tell(lines: readonly Line[], startMs: number): string[] {
  const epochs = new Map<string, string>();
  const nameOf = (id: string): string => {
    const name = epochs.get(id) ?? `e${epochs.size + 1}`;
    epochs.set(id, name);
    return name;
  };
  return lines.map(({ steps, nowMs, line }) => {
    const seconds = ((nowMs - startMs) / 1000).toFixed(2).padStart(8);
    return `${String(steps).padStart(5)}  ${seconds} s  ${line.replace(UUID, nameOf)}`;
  });
}

/** Everything that waits, in one list, and the one place where its order is chosen. */
export function createScheduler(
  random: Random,
  startMs: number,
  temper: { readonly timeChance: number; readonly leapChance: number },
): Scheduler {
  let nowMs = startMs;
  let steps = 0;
  let calm = false;
  let listener: (label: string) => void = () => {};
  const events: Event[] = [];
  const story: Line[] = [];
  const note = (line: string) => story.push({ steps, nowMs, line });

  /** Lets go of what has ended, and lists what is due. */
  const findReady = (): Event[] => {
    const ready: Event[] = [];
    let kept = 0;
    for (const event of events) {
      if (event.life?.alive === false) continue;
      events[kept] = event;
      kept += 1;
      if (event.dueMs <= nowMs) ready.push(event);
    }
    events.length = kept;
    return ready;
  };
  /** To the next moment at which something is due; a leap makes much due at once. */
  const passTime = (leapMs: number) => {
    let next = Number.POSITIVE_INFINITY;
    for (const { dueMs } of events) if (dueMs > nowMs && dueMs < next) next = dueMs;
    if (next !== Number.POSITIVE_INFINITY) nowMs = Math.max(next, nowMs + leapMs);
  };
  const take = (): Event | undefined => {
    let ready = findReady();
    if (ready.length === 0) {
      passTime(calm ? STRIDE_MS : random.chance(temper.leapChance) ? random.between(1_000, 9_000) : 0);
      ready = findReady();
    } else if (!calm && random.chance(temper.timeChance)) {
      passTime(0);
      ready = findReady();
    }
    const event = ready.length === 0 ? undefined : calm ? ready[0] : random.pick(ready);
    if (event) events.splice(events.indexOf(event), 1);
    return event;
  };

  const later: Scheduler['later'] = (label, run, { life, delayMs = 0 } = {}) => {
    const event = { label, dueMs: nowMs + delayMs, life, run };
    events.push(event);
    return () => {
      const at = events.indexOf(event);
      if (at >= 0) events.splice(at, 1);
    };
  };
  return {
    nowMs: () => nowMs,
    later,
    turn: (label, life, delayMs = 0) => new Promise((resolve) => void later(label, resolve, { delayMs, ...(life ? { life } : {}) })),
    step: async () => {
      const event = take();
      if (!event) return false;
      steps += 1;
      const before = story.length;
      if (event.label !== '') note(event.label);
      event.run();
      // Everything that follows without waiting for another turn is done before the next one.
      await new Promise(setImmediate);
      for (const { line } of story.slice(before)) listener(line);
      return true;
    },
    note,
    onLine: (next) => {
      listener = next;
    },
    steps: () => steps,
    story: () => tell(story, startMs),
    calm: () => {
      calm = true;
    },
  };
}
