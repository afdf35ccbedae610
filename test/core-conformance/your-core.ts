// Examines a core that runs elsewhere. With a test system of yours listening:
//   CORE_URL=http://127.0.0.1:7001 CORE_ASSERTION_KEY=assertion.key CORE_MERCHANTS=800000000000001,800000000000002 \
//   CORE_PAYER=6200000000000001 node --test test/core-conformance/your-core.ts
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createAssertionSigner } from '../support/core.ts';
import { coreConformance } from './suite.ts';

function readVariable(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; the first lines of this file show all that is needed`);
  return value;
}

const privateKey = createPrivateKey(readFileSync(readVariable('CORE_ASSERTION_KEY')));
const [merchantNumber = '', otherMerchantNumber = ''] = readVariable('CORE_MERCHANTS').split(',');
coreConformance(readVariable('CORE_URL'), async () => ({
  baseUrl: readVariable('CORE_URL').replace(/\/$/, ''),
  sign: createAssertionSigner({ privateKey, publicKey: createPublicKey(privateKey) }).sign,
  merchantNumber,
  otherMerchantNumber,
  payerAccountNo: readVariable('CORE_PAYER'),
  dispose: async () => undefined,
}));
