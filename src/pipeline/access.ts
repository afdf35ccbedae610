import { placesOf } from '../lib/json-pointer.ts';
import { type Access, type AccessDecision, type AccessRule, type Control, NO_RULE, ruleFor } from '../protocol/access.ts';
import { Refusal } from '../protocol/errors.ts';
import type { Identified, Opened } from '../protocol/messages.ts';
import type { Channel } from '../protocol/operation.ts';
import { MAC_ALGORITHM } from '../protocol/working-key.ts';

/** What the access policy looks at once a request is opened. */
export type Opening = Pick<
  Opened,
  'merchant' | 'operation' | 'channel' | 'key' | 'value' | 'workingKey' | 'opened' | 'amountFen' | 'accessRules'
>;

const CHANNEL_WORDS: Readonly<Record<Channel, string>> = { internet: 'the internet', dedicated: 'the dedicated line' };

function channelRefusal(rule: AccessRule | undefined): Refusal {
  const allowed = Object.keys(rule?.allow ?? {}) as Channel[];
  const words = allowed.map((channel) => CHANNEL_WORDS[channel]).join(' or ');
  const detail =
    words === '' ? 'No rule of the access policy allows this request.' : `The access policy allows this request only over ${words}.`;
  return new Refusal('CHANNEL_NOT_ALLOWED', { detail, members: { rule: rule?.id ?? NO_RULE, allowed } });
}

/** The address list of the merchant. The address is that of the peer, or what a trusted balancer told by the PROXY protocol; no header counts. */
export function checkAddress({ merchant, address }: Pick<Identified, 'merchant' | 'address'>): void {
  if (merchant.networks && !merchant.networks.has(address)) throw new Refusal('IP_NOT_ALLOWED', { members: { address } });
}

/** What can be refused before anybody's signature is verified: no amount would help. */
export function checkChannel(access: Access, { merchant, channel }: Pick<Identified, 'merchant' | 'channel'>): void {
  const last = access.at(-1);
  if (!access.some(({ allow }) => allow[channel] !== undefined)) throw channelRefusal(last?.aboveFen === undefined ? last : undefined);
  if (access.length === 1 && last?.aboveFen === undefined && last?.allow[channel]?.includes('networks')) checkHasList(merchant, last.id);
}

function checkHasList({ networks }: Opening['merchant'], rule: string): void {
  if (networks) return;
  const detail = 'The access policy demands an address list, and none is registered for this merchant.';
  throw new Refusal('IP_NOT_ALLOWED', { detail, members: { rule } });
}

/** Decides about an opened request: the first rule that is about its amount, and what that demands. Throws a Refusal that names the rule. */
export function decideAccess(request: Opening): AccessDecision {
  const { accessRules, operation, amountFen = operation.amount === undefined ? 0 : Infinity, channel } = request;
  const rule = ruleFor(accessRules, amountFen);
  const controls = rule?.allow[channel];
  if (!rule || !controls) throw channelRefusal(rule);
  for (const control of controls) CHECKS[control]?.(request, rule.id);
  return { rule: rule.id, controls };
}

/** Controls that the request itself shows; the others are looked at before it is forwarded (pipeline/screen.ts). */
const CHECKS: Readonly<Partial<Record<Control, (request: Opening, rule: string) => void>>> = {
  networks: ({ merchant }, rule) => checkHasList(merchant, rule),
  encryption: ({ operation, value, opened = [] }, rule) => {
    for (const { pointer: pattern } of operation.dataClasses) {
      const clear = placesOf(value, pattern).find(
        ({ pointer }) => !opened.some((place) => pointer === place || pointer.startsWith(`${place}/`)),
      );
      if (clear) throw new Refusal('FIELD_NOT_ENCRYPTED', { members: { pointer: clear.pointer, rule } });
    }
  },
  'mac-key': ({ key, workingKey }, rule) => {
    if (key.algorithm === MAC_ALGORITHM || workingKey) return;
    throw new Refusal('WORKING_KEY_REQUIRED', { members: { rule } });
  },
};
