import type { RateState, RateStep } from '../ports/store.ts';
import { HEADER } from '../protocol/headers.ts';
import type { RateRule } from '../protocol/merchant.ts';

/** A structured-field string (RFC 9651 section 3.3.3); rule names are plain ASCII by their schema, anything else is left out. */
const quoted = (name: string): string => `"${name.replace(/[^\x20-\x7e]/g, '').replace(/["\\]/g, '\\$&')}"`;

/**
 * `RateLimit-Policy` and `RateLimit` as a flat header list; empty where no rate applies. `q` requests in `w` seconds; `r` left at
 * once, `t` seconds until nothing is owed any more. Rules on trial are not told.
 *
 * @see draft-ietf-httpapi-ratelimit-headers, sections 3 and 4
 */
export function rateHeadersOf(rules: readonly RateRule[], steps: readonly RateStep[], states: readonly RateState[]): string[] {
  if (rules.length === 0 || states.length === 0) return [];
  const told = rules.flatMap((rule, i) => (rule.shadow ? [] : [{ ...rule, ...(steps[i] as RateStep), ...(states[i] as RateState) }]));
  if (told.length === 0) return [];
  const policies = told.map(({ name, allow, perMs }) => {
    const windowSeconds = Math.max(1, Math.ceil(perMs / 1000));
    return `${quoted(name)};q=${Math.floor((allow * windowSeconds * 1000) / perMs)};w=${windowSeconds}`;
  });
  const limits = told.map(
    ({ name, incrementUs, toleranceUs, remaining }) =>
      `${quoted(name)};r=${remaining};t=${Math.ceil((toleranceUs - remaining * incrementUs) / 1_000_000)}`,
  );
  return [HEADER.rateLimitPolicy, policies.join(', '), HEADER.rateLimit, limits.join(', ')];
}
