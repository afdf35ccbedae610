import type { CoreFaults } from './core.ts';
import type { DiskFaults } from './journal.ts';
import type { StoreFaults } from './store.ts';

/** What may befall a world beside lost messages. `that process` is the one the critical step was about. */
export type Misfortune =
  | 'that process crashes'
  | 'a process crashes'
  | 'a process is stopped'
  | 'store: loses everything'
  | 'store: its replica stops following'
  | 'store: fails over to its replica'
  | 'store: away'
  | 'core: away';

/** After which steps a misfortune may come, how often (one of these), which ones, and how often another follows soon, and which. */
export type Danger = {
  readonly after: RegExp;
  readonly chances: readonly number[];
  readonly misfortunes: readonly Misfortune[];
  readonly companionChance: number;
  readonly companions: readonly Misfortune[];
};

/** A kind of world. What it does not fix is left to the seed. */
export type Profile = {
  readonly name: string;
  readonly store?: Partial<StoreFaults>;
  readonly core?: Partial<CoreFaults>;
  readonly disk?: Partial<DiskFaults>;
  /** Misfortunes of one world, at most. */
  readonly misfortunesMax: number;
  readonly dangers: readonly Danger[];
  /** How probable an operator is who calls failed what the core is still about. */
  readonly impatience?: number;
};

const ALL: readonly Misfortune[] = [
  'that process crashes',
  'a process crashes',
  'a process is stopped',
  'store: loses everything',
  'store: loses everything',
  'store: its replica stops following',
  'store: fails over to its replica',
  'store: away',
  'core: away',
];
const ANY_STEP = /admit|journal synced|core: gets|hears|settle|hold|void|lease|replay|report|openEpoch|answers|times out/;

/** The seeds go round: everything mixed, and five kinds of worlds in which things go wrong at the worst moment. */
export const PROFILES: readonly Profile[] = [
  {
    name: 'mixed',
    misfortunesMax: 6,
    dangers: [{ after: ANY_STEP, chances: [0, 0.02, 0.05, 0.1, 0.2, 0.4], misfortunes: ALL, companionChance: 0.5, companions: ALL }],
  },
  {
    // The store is lost between a decision and its reply: nonces and admissions that only a process's memory knows.
    name: 'replies under way',
    misfortunesMax: 2,
    store: { replySurvives: 1, replyDelayed: 0.8, replyLost: 0, scriptLost: 0, timeoutMs: 10_000 },
    disk: { refuses: 0 },
    dangers: [
      {
        after: /store: admit/,
        chances: [0.1, 0.3],
        misfortunes: ['store: loses everything', 'store: its replica stops following', 'store: fails over to its replica'],
        companionChance: 0.5,
        companions: ['store: loses everything', 'store: away', 'a process is stopped'],
      },
    ],
  },
  {
    // A process dies with what it has not synced, and the store goes with it.
    name: 'slow disks',
    misfortunesMax: 4,
    disk: { slow: 0.7, refuses: 0 },
    dangers: [
      {
        after: /core: gets|hears|answers/,
        chances: [0.05, 0.2],
        misfortunes: ['that process crashes', 'a process crashes'],
        companionChance: 0.5,
        companions: ['store: loses everything', 'store: fails over to its replica'],
      },
    ],
  },
  {
    // Admissions that nobody journals are resolved by somebody else, who then dies with the store.
    name: 'forgotten admissions',
    misfortunesMax: 6,
    core: { notSent: 0 },
    disk: { slow: 0.6, refuses: 0 },
    dangers: [
      {
        after: /store: admit/,
        chances: [0.1, 0.3],
        misfortunes: ['that process crashes'],
        companionChance: 0.3,
        companions: ['store: loses everything'],
      },
      {
        after: /answers .* failed$|store: settle/,
        chances: [0.2, 0.5],
        misfortunes: ['that process crashes', 'a process is stopped'],
        companionChance: 0.8,
        companions: ['store: loses everything', 'store: loses everything', 'store: fails over to its replica'],
      },
    ],
  },
  {
    // Requests stay under way to the core while their processes know nothing, or are no more.
    name: 'slow network',
    misfortunesMax: 3,
    store: { replyLost: 0, scriptLost: 0 },
    core: { reset: 0.6, delayed: 0.8, requestLost: 0, fails: 0, notSent: 0, takesTime: 0.3 },
    dangers: [
      {
        after: /breaks under|gives up|question/,
        chances: [0, 0.1],
        misfortunes: ['that process crashes', 'store: loses everything'],
        companionChance: 0.3,
        companions: ['store: loses everything', 'a process crashes'],
      },
    ],
  },
  {
    // Outcomes stay unknown for long, and an operator who does not wait for the core is wrong about some: late successes.
    name: 'impatient operators',
    misfortunesMax: 2,
    impatience: 0.8,
    store: { replyLost: 0, scriptLost: 0 },
    core: { takesTime: 0.9, takesMsMax: 120_000, fails: 0.3, notSent: 0, requestLost: 0, reset: 0.5, answerLost: 0.5 },
    disk: { refuses: 0 },
    dangers: [
      {
        after: /operator says|pushes|store: settle/,
        chances: [0, 0.1],
        misfortunes: [
          'store: loses everything',
          'store: fails over to its replica',
          'that process crashes',
          'store: its replica stops following',
        ],
        companionChance: 0.3,
        companions: ['store: loses everything', 'a process crashes'],
      },
    ],
  },
];
