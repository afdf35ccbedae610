import type { Notes } from './notes.ts';
import type { Store } from './store.ts';

/** What changed. Each kind but `reload`, `settle` and `certificate`, which happen once, has an opposite: of a subject's rows the last one counts. */
export type AnnouncementKind = 'suspend' | 'resume' | 'block' | 'unblock' | 'unbind' | 'bind' | 'reload' | 'settle' | 'certificate';

/** An operator's change, told to every process (contract.md section 2). Every row also says: read your configuration anew. */
export type Announced = {
  readonly kind: AnnouncementKind;
  /**
   * `suspend`, `resume`: a merchant number. `block`, `unblock`: a mark of protocol/marks. `unbind`, `bind`: a binding of
   * protocol/marks. `reload`: what was changed, for people. `settle`: a claim of protocol/marks, its outcome in `after`.
   * `certificate`: what an authority did, and to which certificate, for people.
   */
  readonly subject: string;
  /** Who did it: the user's name. */
  readonly actor: string;
  /** Why, in the actor's words; may be empty where none is asked for. */
  readonly reason: string;
  /** Wall-clock milliseconds of the change. Where two histories meet again after a loss, the later one counts. */
  readonly atMs: number;
  /** What stood there before and after, for the journal; C1 data only. */
  readonly before: string;
  readonly after: string;
};

export type Announcement = Announced & {
  readonly version: number;
  /** Given back to the store after a loss: it is in the journals already. */
  readonly restored: boolean;
};

/** How far an instance is. */
export type Acknowledgement = {
  readonly instance: string;
  readonly version: number;
  /** What kept it from taking its own files; empty when nothing did. */
  readonly problem: string;
};

/**
 * Changes that bite in every process, under one version number that only grows as long as the store keeps its data.
 * Every method is one atomic step and rejects with StoreUnavailable as those of Store do.
 */
export type Announcements = {
  /** Appends a change; returns its version. */
  readonly announce: (change: Announced) => Promise<number>;
  /** All changes after a version, oldest first, and the present version; it is lower than asked for when the store lost some. Cheap when there is none. */
  readonly since: (version: number) => Promise<{ readonly version: number; readonly changes: readonly Announcement[] }>;
  /** Gives changes back that the store may have lost: each is appended unless the store has one about its subject that is as late or later. */
  readonly restore: (changes: readonly Announced[]) => Promise<void>;
  readonly acknowledge: (acknowledgement: Acknowledgement) => Promise<void>;
  /** One for each instance that ever acknowledged, in no order. */
  readonly acknowledgements: () => Promise<readonly Acknowledgement[]>;
  /**
   * Where the store can push: calls back soon after a change, until the returned function is called. A call may be lost, late or
   * needless, so it only says when to ask `since` again, earlier than one would by oneself.
   */
  readonly watch?: (onChange: () => void) => () => void;
};

/** A store that also carries announcements and notes. */
export type AnnouncingStore = Store & { readonly announcements: Announcements; readonly notes: Notes };

/** The one topic that a change and its opposite share. */
export const TOPIC: Readonly<Record<AnnouncementKind, string>> = {
  suspend: 'merchant',
  resume: 'merchant',
  block: 'certificate',
  unblock: 'certificate',
  unbind: 'binding',
  bind: 'binding',
  reload: 'reload',
  settle: 'claim',
  certificate: 'certificate act',
};

/** Kinds that happen once: they are not given back to a store that was lost. */
export const ONCE: ReadonlySet<AnnouncementKind> = new Set(['reload', 'settle', 'certificate']);
