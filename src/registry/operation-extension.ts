import { checkShape } from '../config/check-shape.ts';
import { type HufuExtension, X_HUFU } from '../config/operation-schema.ts';
import type { Report } from '../config/problems.ts';
import { FEN_MAX } from '../lib/money.ts';
import type { Operation } from '../protocol/operation.ts';
import { child, type Place, tellAt } from './place.ts';
import { isAlwaysThere, schemasAt } from './schema-walk.ts';

type Method = Operation['method'];

/** Reads `x-hufu` of an operation; undefined after its problems were reported. */
export function readExtension(operation: Place, report: Report): HufuExtension | undefined {
  const place = child(operation, 'x-hufu');
  if (place.value !== undefined) return checkShape(place.source, X_HUFU, report, place.path, place.value);
  tellAt(operation, 'x-hufu is missing: it says level, outcome and more (docs/config.md)', report, 'key');
  return undefined;
}

/** A write that the core executes on accounts or funds: it needs an Idempotency-Key, outcome rules and a way to resolve. */
export const isGuardedWrite = (method: Method, { level, answeredBy }: HufuExtension): boolean =>
  method !== 'GET' && level === 'A2' && answeredBy === 'core';

/** What the keys of `x-hufu` must fulfil together. */
export function checkExtension(place: Place, method: Method, extension: HufuExtension, report: Report): void {
  const { idempotency, level, limits, resolve, answeredBy, internal, merchant, amount } = extension;
  const tell = (key: string, message: string): void => tellAt(child(place, key), message, report, 'key');
  const isGuarded = isGuardedWrite(method, extension);
  if (isGuarded && idempotency === 'none') tell('idempotency', 'a write of level A2 needs idempotency: required');
  if (isGuarded && !resolve)
    tellAt(place, 'a write of level A2 needs resolve, or an unknown outcome could never be found out', report, 'key');
  if (isGuarded && limits === undefined) tellAt(place, 'a write of level A2 needs limits: totals, single or none', report, 'key');
  if (answeredBy === 'gateway' && idempotency === 'required')
    tell('idempotency', 'what the gateway itself answers keeps no claim; repeating it must be harmless by itself');
  if (method === 'GET' && idempotency === 'required') tell('idempotency', 'a GET changes nothing and takes no Idempotency-Key');
  if (method === 'GET' && limits !== undefined && limits !== 'none') tell('limits', 'a GET moves no money, so it has no limits');
  if (method !== 'GET' && level === 'A1') tell('level', 'a write is of level A2; A1 is read only');
  if (internal && method !== 'GET') tell('internal', 'an internal operation only asks: it is a GET');
  if (resolve?.notFound === 'never')
    tellAt(
      child(child(place, 'resolve'), 'notFound'),
      'never is a dead end: such a request could never be settled; use afterExpiry',
      report,
    );
  if (method === 'GET' && merchant.length > 0) tell('merchant', 'a GET has no body to take the merchant number from');
  if (limits !== undefined && limits !== 'none' && (amount === undefined || extension.currency === undefined))
    tell('limits', `limits: ${limits} needs amount and currency`);
  if (amount !== undefined && (limits === undefined || limits === 'none'))
    tell('amount', 'amount is given but nothing limits it; set limits: totals or single');
}

/** Whether the places that `x-hufu` names are in the schema of the body, are of the right type and cannot be left out. */
export function checkBodyPointers(place: Place, extension: HufuExtension, body: Place | undefined, report: Report): void {
  for (const [index, pointer] of extension.merchant.entries())
    checkPointer(child(child(place, 'merchant'), index), pointer, body, ['string'], false, report);
  if (extension.amount !== undefined) {
    checkPointer(child(place, 'amount'), extension.amount, body, ['integer'], true, report);
    checkAmountBounds(child(place, 'amount'), extension.amount, body, report);
  }
  if (extension.currency !== undefined) checkPointer(child(place, 'currency'), extension.currency, body, ['string'], true, report);
  if (extension.payer !== undefined) checkPointer(child(place, 'payer'), extension.payer, body, ['string'], false, report);
  if (extension.device !== undefined) checkPointer(child(place, 'device'), extension.device, body, ['string'], false, report);
}

function checkPointer(
  place: Place,
  pointer: string,
  body: Place | undefined,
  types: readonly string[],
  isNeeded: boolean,
  report: Report,
): void {
  const found = body ? schemasAt(body, pointer) : [];
  if (!body || found.length === 0) {
    tellAt(place, `the body's schema has no ${pointer}`, report);
    return;
  }
  if (!found.some((schema) => types.includes(String(child(schema, 'type').value))))
    tellAt(place, `${pointer} must be of type ${types.join(' or ')}`, report);
  if (isNeeded && !isAlwaysThere(body, pointer))
    tellAt(place, `${pointer} must be required, or a request without it would pass the limits`, report);
}

function checkAmountBounds(place: Place, pointer: string, body: Place | undefined, report: Report): void {
  const within = (body ? schemasAt(body, pointer) : []).some((schema) => {
    const [minimum, maximum] = [child(schema, 'minimum').value, child(schema, 'maximum').value];
    return typeof minimum === 'number' && minimum >= 0 && typeof maximum === 'number' && maximum <= FEN_MAX;
  });
  if (!within) tellAt(place, `${pointer} needs minimum 0 or more and maximum ${FEN_MAX} or less (whole fen)`, report);
}
