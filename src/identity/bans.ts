import { type Announced, ONCE, TOPIC } from '../ports/announcements.ts';

/** What was announced and is in force, beside what the files say: the stricter of the two counts. */
export type Bans = {
  readonly isSuspended: (merchantNumber: string) => boolean;
  /** A mark of protocol/marks. */
  readonly isBlocked: (mark: string) => boolean;
  /** A binding of protocol/marks. */
  readonly isUnbound: (binding: string) => boolean;
  /** The last change about each subject, to give back to a store that was lost. */
  readonly latest: () => readonly Announced[];
};

/** Further changes on top of what is known, in the order of their versions. Of one subject the last counts. */
export function foldBans(changes: readonly Announced[], known: readonly Announced[] = []): Bans {
  const latest = new Map<string, Announced>();
  for (const change of [...known, ...changes]) {
    if (!ONCE.has(change.kind)) latest.set(`${TOPIC[change.kind]} ${change.subject}`, change);
  }
  const subjectsOf = (kind: Announced['kind']): ReadonlySet<string> =>
    new Set([...latest.values()].filter((change) => change.kind === kind).map(({ subject }) => subject));
  const [suspended, blocked, unbound] = [subjectsOf('suspend'), subjectsOf('block'), subjectsOf('unbind')];
  return {
    isSuspended: (merchantNumber) => suspended.has(merchantNumber),
    isBlocked: (mark) => blocked.has(mark),
    isUnbound: (binding) => unbound.has(binding),
    latest: () => [...latest.values()],
  };
}
