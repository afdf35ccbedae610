import { UserError } from '../lib/user-error.ts';
import type { ProfileName } from './issue.ts';

/** The authorities of an installation, as files of the certificates directory are called. */
export const AUTHORITY_FILES = {
  root: 'authority',
  server: 'server-authority',
  merchants: 'merchants-authority',
  signing: 'signing-authority',
} as const;
export type AuthorityName = keyof typeof AUTHORITY_FILES;
export const AUTHORITY_NAMES = Object.keys(AUTHORITY_FILES) as AuthorityName[];

type Rule = { readonly authority: AuthorityName; readonly days: number; readonly daysMax: number };

/** Who issues what, and for how long: usual and at most. What lives longer than this is a key that nobody has changed. */
export const ISSUING_RULES = {
  root: { authority: 'root', days: 7300, daysMax: 9131 },
  authority: { authority: 'root', days: 3650, daysMax: 5479 },
  server: { authority: 'server', days: 365, daysMax: 825 },
  merchant: { authority: 'merchants', days: 365, daysMax: 1095 },
  signing: { authority: 'signing', days: 730, daysMax: 1825 },
  encryption: { authority: 'signing', days: 730, daysMax: 1825 },
} as const satisfies Record<ProfileName, Rule>;

const DAY_MS = 86_400_000;
/** Before now, so that a clock that is a little behind accepts it at once. */
const BEGINS_BEFORE_MS = 300_000;

/**
 * The validity of a new certificate. Throws a UserError for more days than its profile may have, and for an end after that of
 * its issuer: the certificate would die unforeseen with it.
 * @param days undefined: as usual for the profile
 */
export function validityOf(
  profile: ProfileName,
  days: number | undefined,
  nowMs: number,
  issuer: { readonly notBeforeMs: number; readonly notAfterMs: number } | undefined,
): { readonly notBeforeMs: number; readonly notAfterMs: number } {
  const { days: usual, daysMax } = ISSUING_RULES[profile];
  const chosen = days ?? usual;
  if (chosen > daysMax) throw new UserError(`${chosen} days are too long for a ${profile} certificate: at most ${daysMax}`);
  const notAfterMs = nowMs + chosen * DAY_MS;
  if (issuer !== undefined && notAfterMs > issuer.notAfterMs) {
    const left = Math.floor((issuer.notAfterMs - nowMs) / DAY_MS);
    throw new UserError(
      `the certificate would outlive its authority, which ends ${new Date(issuer.notAfterMs).toISOString()}: ask for at most ${Math.max(0, left)} days, or replace the authority`,
    );
  }
  return { notBeforeMs: Math.max(nowMs - BEGINS_BEFORE_MS, issuer?.notBeforeMs ?? 0), notAfterMs };
}
