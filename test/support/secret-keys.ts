import type { SecretKey } from '../../src/keys/secret-key.ts';
import type { SecretKeys } from '../../src/keys/secret-keys.ts';

/** The same key from the beginning to the end. */
export const onlyKey = (key: SecretKey): SecretKeys => ({ writing: () => key, all: [key] });
