// What it costs to prove who sent a request, and to open what it encrypts: microseconds of one core for each, side by side.
//   node bench/verification-cost.ts [milliseconds for each row, default 1000]
import { createPrivateKey, createPublicKey, createSecretKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { formatTable } from '../src/lib/table.ts';
import { type AlgorithmName, signBytes, verifyBytes } from '../src/protocol/algorithms.ts';
import type { Binding } from '../src/protocol/jwe/binding.ts';
import { decryptJwe, encryptJwe, readJwe } from '../src/protocol/jwe/compact.ts';
import { type JweKey, jweAlgorithmOf } from '../src/protocol/jwe/key-management.ts';
import { macOf, verifyMacOf } from '../src/protocol/working-key.ts';

const BASE = randomBytes(600);
const BINDING: Binding = {
  of: 'request',
  merchant: '800000000000001',
  method: 'POST',
  target: '/v1/orders/A/payments',
  request: 'pay-A',
  pointer: '/payer/accountNo',
};
const PLAINTEXT = Buffer.from('"6200000000000001"');

type Row = readonly [what: string, sender: () => unknown, gateway: () => unknown];
type Pair = { readonly publicKey: KeyObject; readonly privateKey: KeyObject };

function signatureRow(algorithm: AlgorithmName, { publicKey, privateKey }: Pair): Row {
  // Read from PEM, as the gateway reads them: keys of a generator are slower.
  const [own, theirs] = [
    createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })),
  ];
  const signature = signBytes(algorithm, own, BASE);
  return [algorithm, () => signBytes(algorithm, own, BASE), () => verifyBytes(algorithm, theirs, BASE, signature)];
}

function encryptionRow(what: string, to: KeyObject, own: KeyObject): Row {
  const algorithm = jweAlgorithmOf(to) ?? 'A256KW';
  const key = (of: KeyObject): JweKey => ({ keyid: 'k', algorithm, key: of });
  const sealed = encryptJwe(PLAINTEXT, key(to), BINDING);
  return [what, () => encryptJwe(PLAINTEXT, key(to), BINDING), () => decryptJwe(readJwe(sealed), key(own))];
}

function rows(): Row[] {
  const secret = createSecretKey(randomBytes(32));
  const mac = macOf(secret, BASE);
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return [
    ['hmac-sha256', () => macOf(secret, BASE), () => verifyMacOf(secret, BASE, mac)],
    signatureRow('ecdsa-p256-sha256', ec),
    signatureRow('rsa-v1_5-sha256', rsa),
    encryptionRow('field: A256KW (working key)', secret, secret),
    encryptionRow('field: ECDH-ES+A256KW, P-256', ec.publicKey, ec.privateKey),
    encryptionRow('field: RSA-OAEP-256, 2048 bits', rsa.publicKey, rsa.privateKey),
  ];
}

/** Microseconds for one call: the median of ten slices of the time. */
function cost(act: () => unknown, durationMs: number): number {
  const slices = Array.from({ length: 10 }, () => {
    const startedMs = performance.now();
    let count = 0;
    while (performance.now() - startedMs < durationMs / 10) {
      for (let i = 0; i < 8; i += 1) act();
      count += 8;
    }
    return ((performance.now() - startedMs) * 1000) / count;
  });
  return slices.sort((a, b) => a - b)[5] as number;
}

const durationMs = Number(process.argv[2] ?? 1000);
const micros = (act: () => unknown): string => cost(act, durationMs).toFixed(1);
const columns = [{ title: 'microseconds' }, { title: 'sender', align: 'right' }, { title: 'gateway', align: 'right' }] as const;
console.log(
  formatTable(
    columns,
    rows().map(([what, sender, gateway]) => [what, micros(sender), micros(gateway)]),
  ).join('\n'),
);
