// What the compiler must accept and refuse; nothing here is run.
import { type Answer, type CallRequest, createMerchant, type MerchantOptions, UserError, type Verdict, verifyAnswer } from 'hufu-sdk';

const options: MerchantOptions = { url: 'https://x', certificate: '', key: '', authority: '' };

export async function pay(): Promise<string> {
  const answer: Answer = await createMerchant(options).call({ method: 'GET', path: '/v1/orders/A1' });
  // @ts-expect-error an outcome is one of three words
  if (answer.outcome === 'pending') return '';
  // @ts-expect-error an answer cannot be changed
  answer.verified = true;
  // @ts-expect-error what an answer holds is to be looked at before it is used
  const status: string = answer.value.status;
  switch (answer.outcome) {
    case 'succeeded':
    case 'failed':
    case 'unknown':
      return status;
  }
}

// @ts-expect-error the certificate is missing
createMerchant({ url: 'https://x', key: '', authority: '' });
// @ts-expect-error a misspelt option
createMerchant({ ...options, timeOutMs: 5 });
// @ts-expect-error undefined is not a key
const request: CallRequest = { method: 'POST', path: '/v1/orders', idempotencyKey: undefined };
const verdict: Verdict = verifyAnswer({ status: 200, rawHeaders: [], body: Buffer.alloc(0) }, {} as never);
// @ts-expect-error whether it was accepted is only known of what is verified
verdict.accepted;
if (verdict.verified) verdict.accepted satisfies boolean;
else verdict.why satisfies string;
export const error: Error = new UserError(String(request.path));
