import type { Notes } from '../../ports/notes.ts';
import type { Connection } from './connection.ts';
import type { Names } from './names.ts';

/** Notes in one hash for each topic. */
export const noteCommands = ({ send }: Connection, names: Names): Notes => ({
  put: async (topic, values) => {
    if (Object.keys(values).length > 0) await send((client) => client.hset(names.notes(topic), values));
  },
  claim: async (topic, name, value) => {
    // Values are never removed, so whoever was first still stands there.
    const [, found] = await Promise.all([
      send((client) => client.hsetnx(names.notes(topic), name, value)),
      send((client) => client.hget(names.notes(topic), name)),
    ]);
    return found ?? value;
  },
  all: (topic) => send((client) => client.hgetall(names.notes(topic))),
});
