import { type Acknowledgement, type Announced, type Announcement, type Announcements, TOPIC } from '../../ports/announcements.ts';
import type { Names } from './names.ts';
import { type PushOptions, watchChannel } from './push.ts';
import { runScript } from './scripts.ts';
import type { Send } from './servers.ts';

/** How many announcements are read at once. */
const PAGE = 500;

/** Announcements in one hash, numbered by the server, and pushed on a channel that is called as the hash is. */
export function announcementCommands(send: Send, names: Names, push: PushOptions): Announcements {
  const append = async (changes: readonly Announced[], restored: boolean): Promise<number> => {
    const rows = changes.flatMap((change) => [
      `${TOPIC[change.kind]} ${change.subject}`,
      change.atMs,
      JSON.stringify({ ...change, restored }),
    ]);
    return (await send(names.announcements, (client) =>
      runScript(client, 'announce', names.announcements, [restored ? 1 : 0, ...rows]),
    )) as number;
  };

  /** Rows never change, so reading them after the version needs no transaction. */
  const read = async (from: number, to: number): Promise<Announcement[]> => {
    const versions = Array.from({ length: Math.min(PAGE, to - from) }, (_, i) => from + 1 + i);
    if (versions.length === 0) return [];
    const rows = await send(names.announcements, (client) =>
      client.hmget(names.announcements, ...versions.map((version) => `v${version}`)),
    );
    const found = versions.flatMap((version, i) => {
      const row = rows[i];
      return row ? [{ ...(JSON.parse(row) as Announced & { restored: boolean }), version }] : [];
    });
    return [...found, ...(await read(from + versions.length, to))];
  };

  return {
    announce: (change) => append([change], false),
    since: async (version) => {
      const present = Number((await send(names.announcements, (client) => client.hget(names.announcements, 'version'))) ?? 0);
      return { version: present, changes: await read(Math.min(version, present), present) };
    },
    restore: async (changes) => {
      for (let at = 0; at < changes.length; at += PAGE) await append(changes.slice(at, at + PAGE), true);
    },
    acknowledge: async ({ instance, ...state }) => {
      await send(names.acknowledgements, (client) => client.hset(names.acknowledgements, instance, JSON.stringify(state)));
    },
    acknowledgements: async () => {
      const all = await send(names.acknowledgements, (client) => client.hgetall(names.acknowledgements));
      return Object.entries(all).map(([instance, state]) => ({ instance, ...JSON.parse(state) }) as Acknowledgement);
    },
    watch: (onChange) => watchChannel(push, names.announcements, onChange),
  };
}
