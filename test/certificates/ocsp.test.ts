import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { type OcspQuestion, readOcspAnswer } from '../../src/certificates/check-ocsp.ts';
import { createOcspRequest, issuerIdOf } from '../../src/certificates/ocsp-request.ts';
import { CertificateProblem } from '../../src/certificates/problem.ts';
import { CLIENT_AUTH } from '../support/hostile-certificate.ts';
import { issueBy, makeOcsp, OCSP_SIGNING, type OcspResponse, ocspFailure } from '../support/ocsp.ts';
import { opensslOk } from '../support/openssl.ts';
import { makePki } from '../support/pki.ts';

const pki = await makePki();
after(pki.dispose);
const authority = pki.read('merchants-authority');
const other = pki.read('server-authority');
const issuer = new X509Certificate(authority.certificatePem);
const SERIAL = 'A1B2C3';
/** Whole seconds, as answers have them. */
const NOW = Math.floor(Date.now() / 1000) * 1000;
const HOUR_MS = 3_600_000;
const question: OcspQuestion = {
  id: { ...issuerIdOf(issuer.raw), serialNumber: SERIAL },
  issuer,
  nowMs: NOW,
  isRevoked: () => false,
};
const made = (changes: Partial<OcspResponse> = {}): Buffer => makeOcsp(authority, { serial: SERIAL, thisUpdateMs: NOW, ...changes });

const taken: readonly (readonly [made: () => Buffer, status: string, endMs: number, why: string])[] = [
  [() => made(), 'good', NOW + HOUR_MS, 'signed by the authority itself'],
  [() => made({ status: 'revoked' }), 'revoked', NOW + HOUR_MS, 'revoked'],
  [() => made({ status: 'unknown' }), 'unknown', NOW + HOUR_MS, 'the responder does not know it'],
  [() => made({ nextUpdateMs: null }), 'good', NOW + 300_000, 'no nextUpdate: newer information is there at any time'],
  [() => made({ thisUpdateMs: NOW + 300_000 }), 'good', NOW + 300_000 + HOUR_MS, 'a clock five minutes ahead'],
  [() => made({ nextUpdateMs: NOW }), 'good', NOW, 'the last moment'],
  [
    () => {
      const responder = issueBy(authority, { usage: OCSP_SIGNING });
      return made({ signer: responder, certificates: [responder] });
    },
    'good',
    NOW + HOUR_MS,
    'a responder that the authority appointed',
  ],
  [
    () => {
      const responder = issueBy(authority, { usage: OCSP_SIGNING });
      return made({ signer: responder, certificates: [{ certificatePem: other.certificatePem }, responder] });
    },
    'good',
    NOW + HOUR_MS,
    'its certificate is not the first one sent',
  ],
  [
    () => {
      const responder = issueBy(authority, { usage: OCSP_SIGNING });
      const unreadable = issueBy(authority, { version: 1 });
      return made({ signer: responder, certificates: [unreadable, responder] });
    },
    'good',
    NOW + HOUR_MS,
    'a certificate of version 1 is sent along, which counts for nothing',
  ],
];
for (const [make, status, endMs, why] of taken) {
  test(`an answer is taken: ${why}`, () => {
    const answer = readOcspAnswer(make(), question);
    assert.deepEqual([answer.status, answer.endMs], [status, endMs]);
  });
}

const appointed = (changes: Parameters<typeof issueBy>[1], by = authority): Buffer => {
  const responder = issueBy(by, { usage: OCSP_SIGNING, ...changes });
  return made({ signer: responder, certificates: [responder] });
};
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
const refused: readonly (readonly [make: () => Buffer, reason: RegExp, why: string])[] = [
  [() => made({ signer: stranger }), /has not signed/, 'a stranger signed it'],
  [() => made({ signer: other }), /has not signed/, 'another authority of ours signed it'],
  [() => made({ signer: other, certificates: [other] }), /not of the same authority/, 'another authority, its certificate along'],
  [() => appointed({}, other), /not of the same authority/, 'a responder of another authority'],
  [
    () => appointed({ signer: stranger.privateKey }),
    /not of the same authority/,
    "a responder certificate in the authority's name, self-made",
  ],
  [() => appointed({ usage: CLIENT_AUTH }), /not for signing OCSP/, 'a merchant of the authority answers for itself'],
  [() => appointed({ usage: '2.5.29.37.0' }), /not for signing OCSP/, 'anyExtendedKeyUsage'],
  [() => appointed({ extensions: [] }), /not for signing OCSP/, 'no extended key usage'],
  [() => appointed({ notAfterMs: NOW - 1000 }), /outside its validity/, 'the responder has expired'],
  [() => appointed({ signature: 'ecdsa-sha1' }), /SHA-256/, 'the responder is certified with SHA-1'],
  [() => made({ digest: 'sha1' }), /has not signed/, 'signed with SHA-1'],
  [() => made({ signer: weak }), /has not signed/, 'a key of another kind'],
  [
    () => made({ signer: stranger, certificates: [issueBy(authority, { usage: OCSP_SIGNING })] }),
    /neither .* has signed/,
    "a stranger signed it and sends a true responder's certificate along",
  ],
  [() => made({ serial: 'A1B2C4' }), /other certificates/, 'about another certificate'],
  [() => made({ about: other }), /other certificates/, "about another authority's certificate of the same number"],
  [() => made({ about: other, aboutKey: authority }), /other certificates/, 'our key under another name'],
  [() => made({ aboutKey: other }), /other certificates/, 'our name with another key'],
  [() => made({ idHash: 'sha256' }), /other certificates/, 'an id with another hash than we asked with'],
  [() => made({ thisUpdateMs: NOW - 2 * HOUR_MS, nextUpdateMs: NOW - 1000 }), /out of date/, 'stale by a second'],
  [() => made({ thisUpdateMs: NOW - 301_000, nextUpdateMs: null }), /out of date/, 'without nextUpdate, older than five minutes'],
  [() => made({ thisUpdateMs: NOW + 301_000 }), /future/, 'from the future'],
  [() => made({ producedAtMs: NOW + 301_000 }), /future/, 'produced in the future'],
  [() => made({ nextUpdateMs: NOW - 1000 }), /out of date/, 'it ends before it begins'],
  [() => made({ critical: '1.2.3.4' }), /critical extension/, 'a critical extension that nobody knows'],
  [() => made({ certificates: Array.from({ length: 5 }, () => other) }), /more than 4/, 'many certificates, each of which costs'],
  [() => ocspFailure(3), /try later/, 'an unsigned "try later"'],
  [() => ocspFailure(1), /could not read/, 'an unsigned "malformed request"'],
  [() => ocspFailure(99), /neither success/, 'an unsigned status that nobody knows'],
  [() => ocspFailure(0), /well-formed/, 'success without an answer'],
  [() => Buffer.from('<html>sorry</html>'), /well-formed/, 'a web page'],
  [() => Buffer.alloc(0), /well-formed/, 'nothing'],
  [() => made().subarray(0, -1), /well-formed/, 'cut off'],
  [() => Buffer.concat([made(), Buffer.alloc(1)]), /well-formed/, 'a byte too many'],
];
for (const [make, reason, why] of refused) {
  test(`an answer is not taken: ${why}`, () => {
    assert.throws(
      () => readOcspAnswer(make(), question),
      (error: unknown) => {
        assert.ok(error instanceof CertificateProblem, String(error));
        assert.match(error.reason, reason);
        return true;
      },
    );
  });
}

test("a responder whose own certificate is on the authority's list does not count", () => {
  const responder = issueBy(authority, { usage: OCSP_SIGNING });
  const bytes = made({ signer: responder, certificates: [responder] });
  assert.throws(() => readOcspAnswer(bytes, { ...question, isRevoked: (serial) => serial === responder.serialNumber }), /revoked/);
});

test('openssl reads our question, and we read its answer', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'hufu-ocsp-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = (name: string) => join(directory, name);
  const asked = ['01', '7F', '80', 'FF00', SERIAL, 'E5EC2DC5091997559911B395504775F3'];
  for (const [i, serialNumber] of asked.entries()) {
    writeFileSync(file('request'), createOcspRequest({ ...question.id, serialNumber }));
    const text = opensslOk(['ocsp', '-reqin', file('request'), '-req_text', '-noverify']);
    assert.match(text, new RegExp(`Serial Number: ${serialNumber}\\n`));
    const isRevoked = i % 2 === 1;
    const row = [isRevoked ? 'R' : 'V', '400101000000Z', isRevoked ? '260101000000Z' : '', serialNumber, 'unknown', '/CN=x'].join('\t');
    writeFileSync(file('index'), `${row}\n`);
    const signer = ['-rsigner', authority.certificate, '-rkey', authority.key, '-rmd', 'sha256'];
    const options = ['-index', file('index'), '-CA', authority.certificate, ...signer, '-nmin', '5', '-respout', file('response')];
    opensslOk(['ocsp', '-reqin', file('request'), ...options]);
    const answer = readOcspAnswer(readFileSync(file('response')), { ...question, id: { ...question.id, serialNumber }, nowMs: Date.now() });
    assert.equal(answer.status, isRevoked ? 'revoked' : 'good', serialNumber);
  }
});

test('any bytes are an answer that the authority gave or a CertificateProblem', () => {
  const good = made({ status: 'revoked' });
  const mutated = fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, byte]) => {
    const bytes = Buffer.from(good);
    bytes[at] = byte;
    return bytes;
  });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated), (bytes) => {
      try {
        assert.equal(readOcspAnswer(bytes, question).status, 'revoked');
      } catch (error) {
        assert.ok(error instanceof CertificateProblem, String(error));
      }
    }),
    { numRuns: 2_000 },
  );
});
