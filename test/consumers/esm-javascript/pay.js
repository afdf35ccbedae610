// Creates an order, pays and queries it, and asks once more over a line where somebody changes answers. Prints what it was told.
import { readFileSync } from 'node:fs';
import { createMerchant } from 'hufu-sdk';

const { GATEWAY, FORGER, CERTS, ORDER_NO: orderNo } = process.env;
const pem = (name) => readFileSync(`${CERTS}/${name}`, 'utf8');
const options = {
  merchantNumber: '800000000000001',
  certificate: pem('merchants/800000000000001.crt'),
  key: pem('merchants/800000000000001.key'),
  authority: pem('authority.crt'),
  platformAuthority: pem('signing-authority.crt'),
};

const tell = (what, { status, verified, accepted, outcome, value, why = null }) =>
  process.stdout.write(`${JSON.stringify({ what, status, verified, accepted, outcome, is: value?.status ?? null, why })}\n`);

const merchant = createMerchant({ ...options, url: GATEWAY });
const order = { orderNo, amountFen: 1999, currency: 'CNY', subject: '龙井茶' };
tell('order', await merchant.call({ method: 'POST', path: '/v1/orders', body: order, idempotencyKey: `order-${orderNo}` }));
const payment = { amountFen: 1999, currency: 'CNY', method: 'OWN_BANK', payer: { accountNo: '6200000000000001' } };
const request = { method: 'POST', path: `/v1/orders/${orderNo}/payments`, body: payment, idempotencyKey: `payment-${orderNo}` };
tell('payment', await merchant.callUntilFinal(request));
tell('query', await merchant.call({ method: 'GET', path: `/v1/orders/${orderNo}` }));
merchant.close();

const deceived = createMerchant({ ...options, url: FORGER });
tell('forged', await deceived.call({ method: 'GET', path: `/v1/orders/${orderNo}` }));
deceived.close();
