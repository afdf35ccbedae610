import type { Notes } from '../../ports/notes.ts';
import type { Names } from './names.ts';
import type { Send } from './servers.ts';

/** Notes in one hash for each topic. */
export const noteCommands = (send: Send, names: Names): Notes => ({
  put: async (topic, values) => {
    if (Object.keys(values).length > 0) await send(names.notes(topic), (client) => client.hset(names.notes(topic), values));
  },
  claim: async (topic, name, value) => {
    // Values are never removed, so whoever was first still stands there.
    const [, found] = await Promise.all([
      send(names.notes(topic), (client) => client.hsetnx(names.notes(topic), name, value)),
      send(names.notes(topic), (client) => client.hget(names.notes(topic), name)),
    ]);
    return found ?? value;
  },
  all: (topic) => send(names.notes(topic), (client) => client.hgetall(names.notes(topic))),
});
