/** The names of the keys that are not made inside scripts; `shared.lua` holds the rest. */
export type Names = {
  /** Record of the store's epoch. */
  readonly epoch: string;
  /** Set of the merchants that have a slot. */
  readonly merchants: string;
  /** Base of a merchant's slot. The hash tag keeps everything of one merchant on one node of a cluster. */
  readonly slot: (merchantNumber: string) => string;
  /** The epoch in which a slot is open. */
  readonly slotEpoch: (merchantNumber: string) => string;
  /** String of a merchant's working keys. */
  readonly workingKeys: (merchantNumber: string) => string;
  /** Hash of all announcements by version, with the version itself and the latest of each subject. */
  readonly announcements: string;
  /** Hash of what each instance has acknowledged. */
  readonly acknowledgements: string;
  /** Hash of the notes of a topic. */
  readonly notes: (topic: string) => string;
};

/** All names begin with the prefix. */
export function namesUnder(prefix: string): Names {
  const slot = (merchantNumber: string) => `${prefix}{${merchantNumber}}`;
  return {
    epoch: `${prefix}epoch`,
    merchants: `${prefix}merchants`,
    slot,
    slotEpoch: (merchantNumber) => `${slot(merchantNumber)}:epoch`,
    workingKeys: (merchantNumber) => `${slot(merchantNumber)}:working-keys`,
    announcements: `${prefix}announcements`,
    acknowledgements: `${prefix}acknowledgements`,
    notes: (topic) => `${prefix}notes:${topic}`,
  };
}
