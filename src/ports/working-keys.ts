import type { Store } from './store.ts';

/**
 * Where the working keys of each merchant lie: one text for each, opaque to the store, changed by compare-and-set. Lost with the
 * store, on purpose: merchants then sign in again. Every method is one step and rejects with StoreUnavailable as those of Store do.
 */
export type WorkingKeyShelf = {
  /** '' when nothing lies there. */
  readonly read: (merchantNumber: string) => Promise<string>;
  /** Puts `after` in place of `before` and keeps it at least until `untilMs`; false, with nothing changed, when something else lies there. */
  readonly replace: (command: {
    readonly merchantNumber: string;
    readonly before: string;
    readonly after: string;
    readonly untilMs: number;
    readonly nowMs: number;
  }) => Promise<boolean>;
};

/** A store that also keeps working keys. */
export type KeyKeepingStore = Store & { readonly workingKeys: WorkingKeyShelf };
