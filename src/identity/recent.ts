/** Keeps the values that were used last; the one not used for longest goes first. */
export type Recent<Value> = {
  readonly find: (key: string) => Value | undefined;
  readonly keep: (key: string, value: Value) => void;
  /** The one not used for longest first. */
  readonly all: () => Value[];
};

/** @param max how many values are kept */
export function createRecent<Value>(max: number): Recent<Value> {
  const values = new Map<string, Value>();
  const keep = (key: string, value: Value): void => {
    values.delete(key);
    values.set(key, value);
    if (values.size > max) values.delete(values.keys().next().value as string);
  };
  return {
    keep,
    all: () => [...values.values()],
    find: (key) => {
      const value = values.get(key);
      if (value !== undefined) keep(key, value);
      return value;
    },
  };
}
