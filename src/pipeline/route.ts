import { minuteOfDay } from '../lib/business-time.ts';
import { Refusal } from '../protocol/errors.ts';
import type { Identified, Routed } from '../protocol/messages.ts';
import type { Operation } from '../protocol/operation.ts';
import type { Snapshot } from '../registry/snapshot.ts';
import { checkAddress, checkChannel } from './access.ts';

const twoDigits = (value: number): string => String(value).padStart(2, '0');
const clockText = (minute: number): string => `${twoDigits(Math.floor(minute / 60))}:${twoDigits(minute % 60)}`;

/** Whether a minute of the day lies in business hours; hours that pass midnight have from > to. */
function isWithin(window: NonNullable<Operation['window']>, minute: number): boolean {
  const { fromMinute, toMinute } = window;
  return fromMinute <= toMinute ? minute >= fromMinute && minute < toMinute : minute >= fromMinute || minute < toMinute;
}

/** The path of a raw target, without its query. Nothing is decoded or normalised: another spelling is another path. */
export const pathOf = (target: string): string => {
  const mark = target.indexOf('?');
  return mark === -1 ? target : target.slice(0, mark);
};

function checkBodySize(operation: Operation, bodyBytes: number): void {
  if (!operation.hasBody && bodyBytes > 0) throw new Refusal('HTTP_INVALID', { detail: 'This operation has no body.', closes: true });
  if (bodyBytes > operation.bodyBytesMax) throw new Refusal('BODY_TOO_LARGE', { members: { bodyBytesMax: operation.bodyBytesMax } });
}

/** Finds the operation and asks whether this merchant may call it here and now. */
export function createRoute(options: {
  snapshot: () => Snapshot;
  timeZone: string;
  nowMs: () => number;
}): (identified: Identified) => Routed {
  return (identified) => {
    const { merchant, channel, method, target } = identified;
    checkAddress(identified);
    const { findRoute, accessOf } = options.snapshot();
    const found = findRoute(method, pathOf(target));
    if (!found) throw new Refusal('OPERATION_UNKNOWN');
    const { operation, pathParameters } = found;
    if (merchant.operations && !merchant.operations.has(operation.id)) throw new Refusal('OPERATION_NOT_ENABLED');
    if (!operation.channels.includes(channel) || !merchant.channels.includes(channel)) throw new Refusal('CHANNEL_NOT_ALLOWED');
    const accessRules = accessOf(operation.id, merchant.kind ?? 'merchant');
    checkChannel(accessRules, identified);
    const { window } = operation;
    if (window && !isWithin(window, minuteOfDay(options.nowMs(), options.timeZone))) {
      throw new Refusal('OUTSIDE_WINDOW', {
        detail: `This operation is open from ${clockText(window.fromMinute)} to ${clockText(window.toMinute)} (${options.timeZone}).`,
        members: { opensAt: clockText(window.fromMinute), closesAt: clockText(window.toMinute) },
      });
    }
    checkBodySize(operation, identified.body.length);
    return { ...identified, operation, accessRules, pathParameters };
  };
}
