import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import * as asn1js from 'asn1js';
import fc from 'fast-check';
import * as pkijs from 'pkijs';
import { readChildren, readElement, TAG } from '../../src/certificates/der.ts';
import { readDerSignature, writeDerSignature } from '../../src/certificates/ecdsa-signature.ts';
import { CertificateProblem } from '../../src/certificates/problem.ts';
import { type CmsSignature, readCms } from '../../src/certificates/read-cms.ts';
import { signCms } from '../../src/certificates/write-cms.ts';
import { createSigner } from '../../src/keys/signer.ts';
import { sha256 } from '../../src/lib/bytes.ts';
import { type AlgorithmName, defaultAlgorithm, verifyBytes } from '../../src/protocol/algorithms.ts';
import { openssl, opensslOk } from '../support/openssl.ts';
import { type Leaf, makePki, type Pki } from '../support/pki.ts';

const CONTENT = Buffer.from('a block\n\n{"a":1}');
const reasonOf = (bytes: Uint8Array): string => {
  try {
    readCms(bytes);
    return 'read';
  } catch (error) {
    assert.ok(error instanceof CertificateProblem, String(error));
    return error.reason;
  }
};
const verifies = ({ algorithm, attributes, signature }: CmsSignature, { publicKey }: Leaf, content = CONTENT): boolean =>
  verifyBytes(algorithm, publicKey, attributes?.signed ?? content, signature) &&
  (attributes === undefined || sha256(content).equals(attributes.messageDigest));

describe('detached CMS signatures', () => {
  let pki: Pki;
  let folder: string;
  let leaves: Readonly<Record<'rsa' | 'ec', Leaf>>;
  const file = (name: string) => join(folder, name);
  before(async () => {
    pki = await makePki();
    folder = mkdtempSync(join(tmpdir(), 'hufu-cms-'));
    writeFileSync(file('content'), CONTENT);
    leaves = { rsa: pki.read('merchants/800000000000001'), ec: pki.read('merchants/800000000000002') };
  });
  after(() => {
    rmSync(folder, { recursive: true });
    pki.dispose();
  });

  /** openssl signs the content; `args` change how. */
  const sign = (leaf: Leaf, ...args: string[]): Buffer => {
    const how = ['-signer', leaf.certificate, '-inkey', leaf.key, '-outform', 'DER', '-out', file('p7'), '-binary', '-md', 'sha256'];
    opensslOk(['cms', '-sign', '-in', file('content'), ...how, ...args]);
    return readFileSync(file('p7'));
  };

  for (const kind of ['rsa', 'ec'] as const) {
    for (const [args, why] of [
      [[], 'as openssl does by itself'],
      [['-nosmimecap'], 'without capabilities'],
      [['-noattr'], 'without signed attributes'],
      [['-cades'], 'with the certificate named in the attributes'],
    ] as const) {
      test(`${kind}, read and verified: ${why}`, () => {
        const read = readCms(sign(leaves[kind], ...args));
        const certificate = new X509Certificate(leaves[kind].certificatePem);
        assert.deepEqual(Buffer.from(read.chain[0] as Uint8Array), certificate.raw);
        assert.equal(read.serialNumber, certificate.serialNumber);
        assert.equal(read.attributes === undefined, why === 'without signed attributes');
        assert.ok(verifies(read, leaves[kind]));
        assert.ok(!verifies(read, leaves[kind], Buffer.from('other')));
      });
    }
  }

  const refused: readonly (readonly [args: readonly string[], reason: RegExp, why: string])[] = [
    [['-nodetach'], /content of its own/, 'the content inside'],
    [['-md', 'sha384'], /not SHA-256/, 'another digest'],
    [['-md', 'sha1'], /not SHA-256/, 'a weak digest'],
    [['-keyid'], /version/, 'the signer named by key identifier'],
    [['-keyopt', 'rsa_padding_mode:pss'], /neither RSA/, 'RSA-PSS'],
    [['-stream', '-indef'], /well-formed/, 'BER'],
    [['-econtent_type', 'id-ct-xml'], /plain data|well-formed/, 'another content type'],
    [['-receipt_request_all', '-receipt_request_to', 'a@b.c'], /not known/, 'an attribute that asks for something'],
  ];
  for (const [args, reason, why] of refused) {
    test(`refused: ${why}`, (t) => {
      let bytes: Buffer;
      try {
        bytes = sign(leaves.rsa, ...args);
      } catch (error) {
        return t.diagnostic(`not run: this openssl does not do it (${String(error).slice(0, 80)})`);
      }
      assert.match(reasonOf(bytes), reason);
    });
  }

  test('refused: two signers', () => {
    const { ec } = leaves;
    assert.match(reasonOf(sign(leaves.rsa, '-signer', ec.certificate, '-inkey', ec.key)), /more than one/);
  });

  test('without certificates the signer is named and there is no chain', () => {
    const read = readCms(sign(leaves.ec, '-nocerts'));
    assert.deepEqual(read.chain, []);
    assert.ok(verifies(read, leaves.ec));
  });

  test('the certificate of the signer comes first, however many come along', () => {
    const read = readCms(sign(leaves.ec, '-certfile', leaves.rsa.certificate));
    assert.ok(read.chain.length >= 2);
    assert.deepEqual(Buffer.from(read.chain[0] as Uint8Array), new X509Certificate(leaves.ec.certificatePem).raw);
  });

  for (const name of ['platform-ec', 'platform-rsa'] as const) {
    const signed = async () => {
      const leaf = pki.read(`signing/${name}`);
      const algorithm: AlgorithmName = defaultAlgorithm(leaf.privateKey);
      const certificate = new X509Certificate(leaf.certificatePem).raw;
      return { leaf, bytes: await signCms(CONTENT, certificate, createSigner(name, algorithm, leaf.privateKey), Date.now()) };
    };
    test(`what we sign with ${name}, openssl, pkijs and we verify`, async () => {
      const { leaf, bytes } = await signed();
      assert.ok(verifies(readCms(bytes), leaf));
      writeFileSync(file('ours'), bytes);
      const chain = ['-CAfile', pki.read('signing-authority').certificate, '-partial_chain'];
      const verify = ['cms', '-verify', '-inform', 'DER', '-in', file('ours'), '-binary', '-purpose', 'any', ...chain];
      opensslOk([...verify, '-content', file('content'), '-out', file('out')]);
      writeFileSync(file('changed'), `${CONTENT} `);
      assert.notEqual(openssl([...verify, '-content', file('changed'), '-out', file('out')]).status, 0);
      const info = new pkijs.ContentInfo({ schema: asn1js.fromBER(Uint8Array.from(bytes).buffer).result });
      const data = new pkijs.SignedData({ schema: info.content });
      assert.ok(await data.verify({ signer: 0, data: Uint8Array.from(CONTENT).buffer }));
    });
  }

  test('refused: signed attributes in another order', () => {
    const whole = sign(leaves.ec, '-nosmimecap');
    const signed = readCms(whole).attributes?.signed as Buffer;
    const attributes = readChildren(readElement(signed, TAG.set)).map((attribute) => Buffer.from(attribute.whole));
    const inside = whole.indexOf(Buffer.concat(attributes));
    const [type, time, digest] = attributes as [Buffer, Buffer, Buffer];
    assert.ok(inside > 0);
    for (const order of [
      [time, type, digest],
      [digest, type, time],
    ])
      assert.match(
        reasonOf(Buffer.concat([whole.subarray(0, inside), ...order, whole.subarray(inside + signed.length - 2)])),
        /order of DER/,
      );
  });

  test('property: no other byte of a message is read as the same signature and verifies', () => {
    const whole = sign(leaves.ec);
    const certificates = readCms(whole).chain.map((der) => ({ from: whole.indexOf(der), to: whole.indexOf(der) + der.length }));
    const isCertificate = (at: number): boolean => certificates.some(({ from, to }) => at >= from && at < to);
    let accepted = 0;
    fc.assert(
      fc.property(fc.nat({ max: whole.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bytes = Buffer.from(whole);
        bytes[at] = (bytes[at] as number) ^ flip;
        let read: CmsSignature;
        try {
          read = readCms(bytes);
        } catch (error) {
          assert.ok(error instanceof CertificateProblem, String(error));
          return;
        }
        if (!verifies(read, leaves.ec)) return;
        accepted += 1;
        // The certificates are not part of what is signed: their own signature is checked elsewhere.
        assert.ok(read.chain.length === 0 || isCertificate(at), `byte ${at}`);
      }),
      { numRuns: 400 },
    );
    assert.ok(accepted < 400);
  });
  test('property: bytes of any kind give a reading or a refusal, nothing else', () => {
    const whole = sign(leaves.rsa);
    const cut = fc
      .tuple(fc.nat({ max: whole.length }), fc.uint8Array({ maxLength: 8 }))
      .map(([at, more]) => Buffer.concat([whole.subarray(0, at), more, whole.subarray(at)]));
    fc.assert(
      fc.property(fc.oneof(cut, fc.uint8Array({ maxLength: 300 })), (bytes) => {
        reasonOf(bytes);
      }),
      { numRuns: 300 },
    );
    assert.match(reasonOf(Buffer.alloc(16_385, 0x30)), /too large/);
  });
});

test('an ECDSA signature has one spelling in DER', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), (raw) => {
      assert.deepEqual(readDerSignature(writeDerSignature(raw), 32), Buffer.from(raw));
    }),
  );
  for (const [hex, why] of [
    ['3006020100020101', ''],
    ['300702020001020101', 'a leading zero'],
    ['3006020180020101', 'a negative number'],
    ['30060201010201', 'cut'],
    ['300602010102010100', 'a byte more'],
    ['3081060201010201010', 'an odd digit'],
    ['308106020101020101', 'a long form of the length'],
    ['3009020101020101020101', 'three numbers'],
    [`3026022100${'00'.repeat(32)}020101`, 'a number that is too long'],
  ] as const) {
    const read = () => readDerSignature(Buffer.from(hex, 'hex'), 32);
    if (why === '') assert.equal(read().length, 64);
    else assert.throws(read, CertificateProblem, why);
  }
});
