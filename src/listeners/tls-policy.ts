import { constants } from 'node:crypto';
import type { TlsOptions } from 'node:tls';

/**
 * Mozilla's server-side TLS guideline 6.0, configuration "intermediate": TLS 1.3 and 1.2, six AEAD
 * suites for 1.2, the client's order of preference, since all of them are good. Node's defaults would still offer CBC and its
 * own order. No renegotiation, no 0-RTT (Node offers none), HTTP/1.1 only. A test compares it with the guideline's file.
 */
export const TLS_POLICY = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: [
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    'ECDHE-RSA-CHACHA20-POLY1305',
  ].join(':'),
  ecdhCurve: 'X25519MLKEM768:X25519:prime256v1:secp384r1',
  honorCipherOrder: false,
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  ALPNProtocols: ['http/1.1'],
} as const satisfies TlsOptions;
