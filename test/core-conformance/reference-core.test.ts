import { MERCHANT_1, MERCHANT_2, RICH_PAYER, startCoreProcess } from '../support/core.ts';
import { coreConformance } from './suite.ts';

coreConformance('reference core', async () => {
  const core = await startCoreProcess();
  return {
    baseUrl: core.url,
    sign: core.signer.sign,
    merchantNumber: MERCHANT_1,
    otherMerchantNumber: MERCHANT_2,
    payerAccountNo: RICH_PAYER,
    dispose: core.dispose,
  };
});
