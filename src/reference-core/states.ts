/**
 * State machines of the core: from each state, the states that may follow. Others are illegal, in code and by a trigger
 * of the database, which is made from these tables.
 */
export const ORDER_STATES = {
  CREATED: ['PAYING', 'CLOSED'],
  PAYING: ['PAID', 'CREATED'],
  PAID: ['PARTLY_REFUNDED', 'REFUNDED'],
  PARTLY_REFUNDED: ['REFUNDED'],
  REFUNDED: [],
  /** A success that came after the close is refunded automatically. */
  CLOSED: ['LATE_PAID'],
  LATE_PAID: ['REFUNDED'],
} as const satisfies Record<string, readonly string[]>;

export const ATTEMPT_STATES = {
  INIT: ['SENT'],
  SENT: ['SUCCESS', 'FAILED', 'UNKNOWN'],
  UNKNOWN: ['SUCCESS', 'FAILED', 'REVERSING'],
  REVERSING: ['REVERSED', 'SUCCESS'],
  REVERSED: [],
  SUCCESS: [],
  FAILED: [],
} as const satisfies Record<string, readonly string[]>;

export type OrderStatus = keyof typeof ORDER_STATES;
export type AttemptStatus = keyof typeof ATTEMPT_STATES;

/** SQL condition that holds for a step from OLD.status to NEW.status which the machine does not have. */
export function illegalStep(machine: Readonly<Record<string, readonly string[]>>): string {
  const legal = Object.entries(machine).flatMap(([from, next]) => next.map((to) => `(OLD.status = '${from}' AND NEW.status = '${to}')`));
  return `OLD.status <> NEW.status AND NOT (${legal.join(' OR ')})`;
}

/** SQL list of the states of a machine. */
export function stateList(machine: Readonly<Record<string, readonly string[]>>): string {
  return Object.keys(machine)
    .map((name) => `'${name}'`)
    .join(', ');
}
