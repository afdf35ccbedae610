// The same as the ES module beside it, as a program of the old kind writes it: require, promises, pinned keys, merchant 2.
const { readFileSync } = require('node:fs');
const { createMerchant } = require('hufu-sdk');

const { GATEWAY, FORGER, CERTS, ORDER_NO: orderNo } = process.env;
const pem = (name) => readFileSync(`${CERTS}/${name}`, 'utf8');
const options = {
  merchantNumber: '800000000000002',
  certificate: pem('merchants/800000000000002.crt'),
  key: pem('merchants/800000000000002.key'),
  authority: pem('authority.crt'),
  trustedKeys: [{ keyid: 'platform-ec', pem: pem('signing/platform-ec.crt') }],
};

const tell = (what, { status, verified, accepted, outcome, value, why = null }) =>
  process.stdout.write(`${JSON.stringify({ what, status, verified, accepted, outcome, is: value?.status ?? null, why })}\n`);

const merchant = createMerchant({ ...options, url: GATEWAY });
const deceived = createMerchant({ ...options, url: FORGER });
const order = { orderNo, amountFen: 1999, currency: 'CNY', subject: '龙井茶' };
const payment = { amountFen: 1999, currency: 'CNY', method: 'OWN_BANK', payer: { accountNo: '6200000000000001' } };
const path = `/v1/orders/${orderNo}`;

merchant
  .call({ method: 'POST', path: '/v1/orders', body: order, idempotencyKey: `order-${orderNo}` })
  .then((answer) => tell('order', answer))
  .then(() => merchant.callUntilFinal({ method: 'POST', path: `${path}/payments`, body: payment, idempotencyKey: `payment-${orderNo}` }))
  .then((answer) => tell('payment', answer))
  .then(() => merchant.call({ method: 'GET', path }))
  .then((answer) => tell('query', answer))
  .then(() => deceived.call({ method: 'GET', path }))
  .then((answer) => tell('forged', answer))
  .finally(() => {
    merchant.close();
    deceived.close();
  });
