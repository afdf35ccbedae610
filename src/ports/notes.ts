/**
 * Small facts that gateways and commands share beside what is decided: names and values by topic. Losing them does no harm to money.
 * Every method is one atomic step and rejects with StoreUnavailable as those of Store do.
 */
export type Notes = {
  /** Writes values; of each name the last one counts. */
  readonly put: (topic: NoteTopic, values: Readonly<Record<string, string>>) => Promise<void>;
  /** Writes a value unless the name has one; returns what stands there then. */
  readonly claim: (topic: NoteTopic, name: string, value: string) => Promise<string>;
  readonly all: (topic: NoteTopic) => Promise<Readonly<Record<string, string>>>;
};

/**
 * `answer-keys-seen`: `MERCHANT KEYID` and the last moment (ms since 1970) at which the merchant fetched the key or asked for it by name.
 * `secrets`: what all instances hold below `keys/`, by purpose.
 */
export type NoteTopic = 'answer-keys-seen' | 'secrets';
