import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, sign, X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { makeCms } from '../../tools/vectors/cms-forms.ts';
import { FORMS } from '../../tools/vectors/forms.ts';
import { OBIE_ISSUER } from '../../tools/vectors/jws-forms.ts';
import { privateKey, publicPem, signPlainly } from '../../tools/vectors/keys.ts';
import { type Form, latin1, type Message, POST } from '../../tools/vectors/message.ts';
import { nowSeconds, type Sender, send, senderOf, type Wire } from '../attacks/requests.ts';
import { CONTENT_CASES, type ContentMistake, type Maker } from '../signature/content-mistakes.ts';
import { freshNonce } from '../signature/request-maker.ts';
import { runHufu } from '../support/process.ts';
import { MERCHANT_1, type System, startSystem } from '../support/system.ts';

/** Mistakes with JWS and CMS, made by a client over TLS: named by the gateway, and by `hufu verify` from the recorded message. */

const BUDGETS = 'answers: { budgetPerSecond: 10000, budgetBurst: 100000 }\ndoctor: { attemptsPerSecond: 100000, attemptsBurst: 1000000 }';
const OTHER = generateKeyPairSync('ec', { namedCurve: 'P-256' });

/** The key of the vectors for JWS, another one of the same merchant, and certificates in messages for CMS. */
function configure(folder: string): void {
  const file = join(folder, 'merchants', `${MERCHANT_1}.yaml`);
  mkdirSync(join(folder, 'keys'));
  const write = (name: string, pem: string): string => {
    writeFileSync(join(folder, 'keys', `${name}.pem`), pem);
    return join(folder, 'keys', `${name}.pem`);
  };
  const rows = [
    `  - { publicKey: ${write('jws', publicPem('p256'))}, keyid: ${POST.keyid}, algorithm: ecdsa-p256-sha256 }\n`,
    `  - { publicKey: ${write('other', OTHER.publicKey.export({ type: 'spki', format: 'pem' }) as string)}, keyid: key-other }\n`,
  ];
  const text = readFileSync(file, 'utf8').replace(/^keys:\n/m, `keys:\n${rows.join('')}`);
  const more = `signatures: [rfc9421, jws, jws-obie, cms]\nkeySources: [registered, message]\nsignatureOptions: { jws: { issuer: ${OBIE_ISSUER} } }\n`;
  writeFileSync(file, `${text}${more}`);
}

describe('the signature doctor on JWS and CMS, over the wire and offline', { timeout: 120_000 }, () => {
  let system: System;
  let m1: Sender;
  before(async () => {
    system = await startSystem({ settings: BUDGETS, configure });
    m1 = senderOf(system, MERCHANT_1);
  });
  after(() => system?.dispose());

  const draftOf = (form: Form): Form => ({
    ...form,
    draft: { ...form.draft, host: m1.host, createdAtSeconds: nowSeconds(), nonce: freshNonce() },
  });
  const makerOf = (form: Form, key = privateKey(form.key)): Maker => ({
    form,
    sign: (base) => signPlainly(form.algorithm, key, base),
    signAs: (digest, base, options) => sign(digest, base, { key, ...options }),
    signOther: (base) => signPlainly('ecdsa-p256-sha256', OTHER.privateKey, base),
  });
  const jws = (name: string): Maker => makerOf(draftOf(FORMS.find((form) => `${form.scheme}/${form.name}` === name) as Form));
  /** The certificate of the connection signs. */
  const cms = (): Maker => {
    const { certificatePem, keyPem } = m1.leaf;
    const algorithm = 'rsa-v1_5-sha256';
    const kind = { algorithm, hasAttributes: true, certificate: new X509Certificate(certificatePem).raw } as const;
    const form: Form = {
      scheme: 'cms',
      name: 'post-rsa',
      about: '',
      algorithm,
      key: 'rsa',
      draft: POST,
      make: (draft, by) => makeCms(kind, draft, by),
    };
    return makerOf(draftOf(form), createPrivateKey(keyPem));
  };
  const makers: Readonly<Record<string, () => Maker>> = {
    'jws/post-es256': () => jws('jws/post-es256'),
    'jws-obie/3.1.4-es256': () => jws('jws-obie/3.1.4-es256'),
    'cms/post-rsa': cms,
  };

  const wireOf = ({ method, target, headers, body }: Message): Wire => {
    const lines = [...headers, ['Content-Length', String(body.length)] as const].map(([name, value]) => `${name}: ${value}\r\n`);
    const bytes = latin1(`${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n${body}`);
    return { bytes, request: { method, target, rawHeaders: headers.flat() } };
  };
  const record = (name: string, { bytes }: Wire): readonly string[] => {
    const end = bytes.indexOf('\r\n\r\n');
    const [headers, body] = [join(system.directory, `${name}.txt`), join(system.directory, `${name}.body`)];
    writeFileSync(headers, bytes.subarray(0, end + 4));
    writeFileSync(body, bytes.subarray(end + 4));
    return ['--headers', headers, '--body', body];
  };

  /** Ids by form; what is not here needs no wire to be seen (test/signature/doctor-content.test.ts). */
  const CHOSEN: Readonly<Record<string, readonly string[]>> = {
    'jws/post-es256': [
      'body-reserialised',
      'other-key',
      'query-dropped',
      'wrong-host',
      'milliseconds-for-seconds',
      'der-signature',
      'payload-encoding',
      'b64-of-the-other-profile',
      'other-content-signed',
    ],
    'jws-obie/3.1.4-es256': ['body-line-end-not-signed', 'der-signature', 'header-not-encoded'],
    'cms/post-rsa': [
      'body-reserialised',
      'base-crlf',
      'query-dropped',
      'wrong-host',
      'block-line-missing',
      'other-content-signed',
      'attached-content',
      'clock-off',
    ],
  };
  const casesOf = (name: string): readonly ContentMistake[] => CONTENT_CASES[name] ?? CONTENT_CASES['jws/post-es256'] ?? [];

  for (const [name, ids] of Object.entries(CHOSEN)) {
    for (const id of ids) {
      test(`${name} ${id}`, async () => {
        const { make, code = 'SIGNATURE_MISMATCH' } = casesOf(name).find((made) => made.id === id) as ContentMistake;
        const wire = wireOf(make((makers[name] as () => Maker)()));
        const told = await send(m1, wire);
        assert.ok(told);
        assert.deepEqual(
          [told.status, told.code, told.verified, told.accepted, told.value.mistake],
          [401, code, true, false, id],
          told.body.toString(),
        );
        record(`${name.replace('/', '-')}-${id}`, wire);
      });
    }
    test(`${name}: without a mistake it is accepted`, async () => {
      const { form, sign: right } = (makers[name] as () => Maker)();
      // Two of the forms send the same key of the same order: the second is a replay. The third has no key.
      const body = form.scheme === 'jws-obie' ? form.draft.body.replace('A-1', 'A-2') : form.draft.body;
      const { message } = form.make({ ...form.draft, body }, right);
      assert.equal((await send(m1, wireOf(message)))?.status, 201);
    });
  }

  test('hufu verify --explain names the same from files', async () => {
    const key = (name: string): string => join(system.directory, 'config-gateway-1', 'keys', `${name}.pem`);
    const hosts = ['--hosts', 'localhost', '127.0.0.1'];
    const ofJws = ['--certificate', key('jws'), '--other-keys', key('other'), ...hosts];
    const ofCms = ['--merchant', MERCHANT_1, '--certs', system.pki.directory, ...hosts];
    for (const [name, id, options] of [
      ['jws-post-es256', 'other-key', ofJws],
      ['jws-obie-3.1.4-es256', 'header-not-encoded', ofJws],
      ['cms-post-rsa', 'query-dropped', ofCms],
    ] as const) {
      const files = ['--headers', join(system.directory, `${name}-${id}.txt`), '--body', join(system.directory, `${name}-${id}.body`)];
      const { code, stdout, stderr } = await runHufu(['verify', '--explain', ...files, ...options]);
      assert.equal(code, 1, stderr);
      assert.match(stdout, new RegExp(`^mistake: ${id}$`, 'm'), stdout);
    }
  });
});
