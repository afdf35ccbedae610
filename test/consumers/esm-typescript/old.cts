// The types of the CommonJS half, from TypeScript that is CommonJS itself.
import sdk = require('hufu-sdk');

const options: sdk.MerchantOptions = { url: 'https://x', certificate: '', key: '', authority: '' };
// @ts-expect-error a path is needed
export const answer: Promise<sdk.Answer> = sdk.createMerchant(options).call({ method: 'GET' });
