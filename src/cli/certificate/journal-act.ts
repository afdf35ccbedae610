import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { IssuedEntry } from '../../certificates/authority-index.ts';
import { systemClock } from '../../lib/clock.ts';
import { UserError } from '../../lib/user-error.ts';
import { openStore } from '../../runtime/open-store.ts';
import { locate, readOnly } from '../locate.ts';
import { type ActingOptions, actorOf } from './shared.ts';

/** What an authority did: which command, about what, and how things stood before and after. C1 data only. */
export type Act = { readonly act: string; readonly subject: string; readonly before: object | ''; readonly after: object | '' };

/** What the journal tells of a certificate. */
export const summaryOf = ({ serial, subject, profile, notAfter, keyid, thumbprint }: IssuedEntry): object => ({
  serial,
  subject,
  profile,
  notAfter,
  keyid,
  thumbprint,
});

const SQLITE = 'sqlite:';

/**
 * Tells an authority's act to the gateways, each of which writes it to its journal, as for any other change of an operator; one that
 * does not run does so at its next start. An authority on a machine without the gateway's configuration has its index only.
 * Throws a UserError when there is a store and it cannot be told: the act itself stands.
 */
export async function journalActs(options: ActingOptions, directory: string, acts: readonly Act[]): Promise<void> {
  const config = findConfig(directory);
  if (config === undefined) return;
  const common = { kind: 'certificate', actor: actorOf(options), reason: options.note ?? '', atMs: systemClock.nowMs() } as const;
  const textOf = (state: object | ''): string => (state === '' ? '' : JSON.stringify(state));
  try {
    const store = await openStore({ ...config, profile: 'development' }, () => undefined);
    try {
      for (const { act, subject, before, after } of acts)
        await store.announcements.announce({ ...common, subject: `${act} ${subject}`, before: textOf(before), after: textOf(after) });
    } finally {
      await store.close();
    }
  } catch (cause) {
    throw new UserError(
      `this is done and in the authority's index, but no journal has it: the store cannot be told (${(cause as Error).message}); mend the store, and keep the index with the journals`,
      { cause },
    );
  }
}

/** The configuration whose gateways use these certificates, or the one that was named; undefined when there is none, or no gateway has ever run. */
function findConfig(directory: string) {
  const places = locate({}, process.env);
  if (places.config === undefined) return undefined;
  const config = readOnly(places, process.env);
  const isOurs = resolve(config.certificatesDirectory) === directory || Boolean(process.env.HUFU_CONFIG);
  const file = config.store.startsWith(SQLITE) ? config.store.slice(SQLITE.length) : undefined;
  return isOurs && (file === undefined || existsSync(file)) ? config : undefined;
}
