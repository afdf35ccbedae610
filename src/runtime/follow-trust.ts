import type { GatewayConfig } from '../config/schema.ts';
import { type ListenerAuthority, loadAuthorities, sameAuthorities } from '../identity/authorities.ts';
import type { Doors } from './doors.ts';

type Current = { readonly config: GatewayConfig; readonly authorities: readonly ListenerAuthority[] };

/** Whom the gateway trusts and how it shows itself: as the configuration says that is in use now. */
export type Trust = {
  readonly current: () => Current;
  /** See ReloadOptions.prepare. Throws a UserError when anything cannot be used; then nothing was changed. */
  readonly prepare: (config: GatewayConfig) => () => void;
  /** The doors are open: from now on they follow. */
  readonly hold: (doors: Pick<Doors, 'prepare' | 'closeUnserved'>) => void;
  readonly closeUnserved: () => number;
};

/** @param onClosed so many connections were closed, because they hung on an authority that is gone */
export function followTrust(config: GatewayConfig, onClosed: (connections: number) => void): Trust {
  let current: Current = { config, authorities: loadAuthorities(config.authorities, config.identity) };
  let doors: Pick<Doors, 'prepare' | 'closeUnserved'> | undefined;
  return {
    current: () => current,
    prepare: (next) => {
      const loaded = loadAuthorities(next.authorities, next.identity);
      // What was verified under a list is remembered with the list.
      const authorities = sameAuthorities(current.authorities, loaded) ? current.authorities : loaded;
      const exchange = doors?.prepare(next, authorities);
      return () => {
        current = { config: next, authorities };
        if (exchange) onClosed(exchange());
      };
    },
    hold: (opened) => {
      doors = opened;
    },
    closeUnserved: () => doors?.closeUnserved() ?? 0,
  };
}
