import { payerOf } from '../admission/command.ts';
import { keyedName } from '../admission/scopes.ts';
import type { Risk, RiskQuestion, RiskVerdict } from '../forward/risk.ts';
import { findAt } from '../lib/json-pointer.ts';
import type { Journal } from '../ports/journal.ts';
import { Refusal } from '../protocol/errors.ts';
import type { Admitted } from '../protocol/messages.ts';
import type { Unforwarded } from '../settlement/unforwarded.ts';
import type { Withdraw } from '../settlement/withdraw.ts';

/** The risk service and when it is asked. */
export type RiskHook = {
  readonly ask: Risk['ask'];
  readonly asks: 'all' | 'writes';
  readonly onFailure: Readonly<Record<'A1' | 'A2', 'open' | 'closed'>>;
};

export type ScreenOptions = {
  /** Absent: off. */
  readonly risk?: RiskHook | undefined;
  /** Names payers and devices; see admission/scopes. */
  readonly payerKey: Uint8Array;
  readonly journal: Pick<Journal, 'append'>;
  readonly unforwarded: Unforwarded;
  readonly withdraw: Withdraw;
};

/**
 * Asks the risk service about an admitted request, before anything of it is in the journal as admitted or leaves for the core. Admission
 * comes first, so that repeats, floods and what is over its limits are never asked about, and so that a refusal can say `not_executed`: this
 * process owns the claim and has sent nothing. Whatever is refused here is given back; the key may be sent again.
 */
export function createScreen(options: ScreenOptions): (admitted: Admitted) => Admitted | Promise<Admitted> {
  const { risk } = options;
  return (admitted) => {
    const { controls } = admitted.access;
    const isDemanded = controls.includes('risk') || controls.includes('step-up');
    if (!risk) return isDemanded ? giveBack(options, admitted, withoutService(controls.includes('step-up'))) : admitted;
    if (!isDemanded && risk.asks === 'writes' && admitted.operation.method === 'GET') return admitted;
    return screen(options, risk, admitted, isDemanded);
  };
}

async function screen(options: ScreenOptions, risk: RiskHook, admitted: Admitted, isDemanded: boolean): Promise<Admitted> {
  const question = questionOf(admitted, options.payerKey);
  const verdict = await risk.ask(question);
  if (verdict.verdict === 'pass' && (verdict.confirmed || !question.confirmation)) return { ...admitted, risk: 'pass' };
  const isOpen = !isDemanded && risk.onFailure[admitted.operation.level] === 'open';
  if (verdict.verdict === 'unavailable' && isOpen) return { ...admitted, risk: 'let-through' };
  return giveBack(options, admitted, refusalOf(verdict, admitted.access.rule));
}

function refusalOf(verdict: RiskVerdict, rule: string): Refusal {
  if (verdict.verdict === 'unavailable') return new Refusal('RISK_UNAVAILABLE', { retryAfterSeconds: 1, cause: verdict.reason });
  const reference = 'reference' in verdict ? { reference: verdict.reference } : {};
  if (verdict.verdict === 'reject') return new Refusal('RISK_REJECTED', { members: { ...reference } });
  // Also a pass that nobody confirmed, where the rule demands it.
  return new Refusal('RISK_STEP_UP', { members: { rule, ...reference } });
}

const NO_CONFIRMATION = 'This request must be confirmed, and no service here can tell that it is; use another channel or ask the operator.';

const withoutService = (needsConfirmation: boolean): Refusal =>
  needsConfirmation
    ? new Refusal('RISK_STEP_UP', { detail: NO_CONFIRMATION, retry: 'never' })
    : new Refusal('RISK_UNAVAILABLE', { retryAfterSeconds: 1, cause: 'the policy demands risk and there is no section risk' });

/** Frees what the admission holds. Its nonce is spent: that of a claim is noted here, since no `admitted` will. */
function giveBack({ withdraw, journal, unforwarded }: ScreenOptions, admitted: Admitted, refusal: Refusal): never {
  const { merchant, admissionId, nonce, claim } = admitted;
  void withdraw({ merchantNumber: merchant.number, admissionId, ...(claim && { keyHash: claim.keyHash }) });
  if (claim) {
    journal.append({ type: 'nonce', merchantNumber: merchant.number, admissionId, nonce, nonceUntilMs: claim.nonceUntilMs });
    unforwarded.journalled(admissionId);
  }
  throw refusal;
}

function questionOf(admitted: Admitted, payerKey: Uint8Array): RiskQuestion {
  const { requestId, merchant, operation, channel, address, access, amountFen, currency, value } = admitted;
  const payer = payerOf(admitted, payerKey);
  const device = operation.device === undefined ? undefined : findAt(value, operation.device);
  return {
    requestId,
    merchantNumber: merchant.number,
    merchantKind: merchant.kind ?? 'merchant',
    operation: operation.id,
    level: operation.level,
    access: operation.method === 'GET' ? 'read' : 'write',
    channel,
    address,
    rule: access.rule,
    confirmation: access.controls.includes('step-up'),
    ...(amountFen !== undefined && { amountFen }),
    ...(currency !== undefined && { currency }),
    ...(payer !== undefined && { payer }),
    ...(typeof device === 'string' && { device: keyedName(payerKey, 'device', device) }),
  };
}
