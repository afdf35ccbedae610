import { Refusal } from '../protocol/errors.ts';
import { allHeaders, COVERED_WHEN_SENT, HEADER } from '../protocol/headers.ts';
import { authorityOf, type Component, identityOf, type RequestFacts, serialiseComponent } from '../protocol/signature-base.ts';
import { findComponentValue } from './components.ts';

/** A request as the signature sees it. */
export type SignedMessage = RequestFacts & { readonly body: Uint8Array };

/** The identifier of a covered component, and the value it has in this request: a line of the signature base. */
export type Covered = readonly [identifier: string, value: string];

const ALWAYS: readonly string[] = ['@method', '@target-uri'];
const WITH_BODY: readonly string[] = [HEADER.contentDigest, HEADER.contentType];
/** Headers that decide something, so that a second line would be a second reading. */
const SENT_ONCE: readonly string[] = ['host', HEADER.contentType, ...COVERED_WHEN_SENT];

const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::[0-9]{1,5})?$/;

/**
 * The covered components with their values, in order, if the signature covers what contract.md section 3 demands of this request.
 * The gateway decides what must be covered; the sender can only add. Throws HTTP_INVALID for a request whose Host is not one of ours
 * or that sends a deciding header twice, else SIGNATURE_COVERAGE or SIGNATURE_INVALID.
 */
export function checkCoverage(request: SignedMessage, components: readonly Component[], hosts: ReadonlySet<string>): Covered[] {
  checkHost(request, hosts);
  const covered = new Set(components.map(identityOf));
  if (covered.size !== components.length) throw new Refusal('SIGNATURE_COVERAGE', { detail: 'A component is listed twice.' });
  for (const name of requiredBy(request)) {
    // Only the plain component counts: one with parameters is another reading of the field.
    if (!covered.has(`"${name}"`))
      throw new Refusal('SIGNATURE_COVERAGE', { detail: `The signature must cover ${name}.`, members: { component: name } });
  }
  return components.map((component) => [serialiseComponent(component), checkValue(request, component)]);
}

/** What decides something and is signed in RFC 9421 only. Merchant-Number may be sent: it must be the merchant of the key. */
const UNCOVERED: readonly string[] = COVERED_WHEN_SENT.filter((name) => name !== HEADER.merchantNumber);

/** The same demands where a scheme signs no headers: what it leaves open must not be sent. Throws HTTP_INVALID or SIGNATURE_COVERAGE. */
export function checkUncovered(request: SignedMessage, hosts: ReadonlySet<string>): void {
  checkHost(request, hosts);
  const sent = UNCOVERED.find((name) => allHeaders(request.rawHeaders, name).length > 0);
  if (sent !== undefined)
    throw new Refusal('SIGNATURE_COVERAGE', {
      detail: `${sent} is not signed in this scheme and must not be sent.`,
      members: { component: sent },
    });
}

function requiredBy({ body, rawHeaders }: SignedMessage): string[] {
  const whenSent = COVERED_WHEN_SENT.filter((name) => allHeaders(rawHeaders, name).length > 0);
  return [...ALWAYS, ...(body.length > 0 ? WITH_BODY : []), ...whenSent];
}

/**
 * Host and target make `@target-uri`, so both must be plain: exactly one known Host, an origin-form target; and no header that decides is
 * sent twice. Throws HTTP_INVALID.
 */
export function checkHost({ rawHeaders, target }: SignedMessage, hosts: ReadonlySet<string>): void {
  for (const name of SENT_ONCE) {
    if (allHeaders(rawHeaders, name).length > 1) throw new Refusal('HTTP_INVALID', { detail: `${name} is sent more than once.` });
  }
  if (!target.startsWith('/')) throw new Refusal('HTTP_INVALID', { detail: 'The target is not in origin form.' });
  const name = HOST.exec(authorityOf(rawHeaders))?.[1];
  if (name === undefined || !(hosts.has(name) || hosts.has(name.replace(/^\[|\]$/g, '')))) {
    throw new Refusal('HTTP_INVALID', { detail: 'The Host is not a name of this gateway.' });
  }
}

function checkValue(request: SignedMessage, component: Component): string {
  const value = findComponentValue(request, component);
  if (value === undefined)
    throw new Refusal('SIGNATURE_COVERAGE', {
      detail: 'A covered component is absent from the request, or not one that a request can have.',
    });
  // The signature base is ASCII, one line for each component (RFC 9421 section 2.5).
  if (!/^[\t\x20-\x7e]*$/.test(value)) throw new Refusal('SIGNATURE_INVALID', { detail: 'A covered component is not printable ASCII.' });
  return value;
}
