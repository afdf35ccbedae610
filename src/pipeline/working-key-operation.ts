import { GRACE_MS } from '../encryption/key-rows.ts';
import { answerBinding, encryptionKeyOf } from '../encryption/seal-answer.ts';
import type { WorkingKeys } from '../encryption/working-keys.ts';
import { Refusal } from '../protocol/errors.ts';
import { encryptJwe } from '../protocol/jwe/compact.ts';
import type { CoreAnswer, Journalled } from '../protocol/messages.ts';
import { keyCheckValueOf, MAC_ALGORITHM, type WorkingKeyPurpose } from '../protocol/working-key.ts';

/** What the schema of the operation has made sure of. */
type Asked = { readonly purpose: WorkingKeyPurpose; readonly requestNo: string };

const ALGORITHMS: Readonly<Record<WorkingKeyPurpose, string>> = { encryption: 'A256KW', mac: MAC_ALGORITHM };

/**
 * Sign-in (签到): gives the merchant a working key as an encrypted JWK (RFC 7517 section 7), which only its registered key opens. The
 * operation keeps no claim: the same `requestNo` gives the same key, freshly encrypted, so that a lost answer costs nothing.
 */
export function createWorkingKeyOperation(workingKeys: WorkingKeys, nowMs: () => number): (journalled: Journalled) => Promise<CoreAnswer> {
  return async (journalled) => {
    const { merchant, value } = journalled;
    const { purpose, requestNo } = value as Asked;
    const wrapping = encryptionKeyOf(merchant, nowMs());
    if (!wrapping) throw new Refusal('ENCRYPTION_KEY_MISSING');
    const { keyid, key, notBeforeMs, notAfterMs } = await workingKeys.issue(merchant.number, purpose, requestNo);
    const algorithm = ALGORITHMS[purpose];
    const jwk = JSON.stringify({
      kty: 'oct',
      kid: keyid,
      alg: algorithm === MAC_ALGORITHM ? 'HS256' : algorithm,
      k: key.export().toString('base64url'),
    });
    const answer = {
      keyid,
      purpose,
      algorithm,
      wrappedKey: encryptJwe(Buffer.from(jwk), wrapping, answerBinding(journalled, '/wrappedKey'), 'jwk+json'),
      keyCheckValue: keyCheckValueOf(purpose, key),
      notBefore: new Date(notBeforeMs).toISOString(),
      notAfter: new Date(notAfterMs).toISOString(),
      graceSeconds: GRACE_MS / 1000,
    };
    return { status: 201, contentType: 'application/json', body: Buffer.from(JSON.stringify(answer)) };
  };
}
