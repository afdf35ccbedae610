import { createPublicKey } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { findCertificate } from '../../config/check-files.ts';
import type { GatewayConfig } from '../../config/schema.ts';
import { readJournals } from '../../journal/journals.ts';
import type { JournalRecord } from '../../journal/record.ts';
import { type Place, searchJournal } from '../../journal/search.ts';
import { openWithAny } from '../../keys/answer-seal.ts';
import { type Keyring, loadKeyring } from '../../keys/keyring.ts';
import { UserError } from '../../lib/user-error.ts';
import { evidenceAad } from '../../pipeline/evidence.ts';
import { type AlgorithmName, defaultAlgorithm, isAlgorithmName } from '../../protocol/algorithms.ts';
import { HEADER, SIGNATURE_LABEL } from '../../protocol/headers.ts';
import { findMember, readByteSequence } from '../../protocol/signature-base.ts';
import { MAC_ALGORITHM } from '../../protocol/working-key.ts';
import { readConfiguration } from '../change.ts';
import { aboutOf } from './find.ts';
import { opensslForm, verifyLine } from './openssl.ts';

export type EvidenceOptions = { profile: string; config?: string; data?: string; out?: string; json?: boolean };

type Data = Readonly<Record<string, string | undefined>>;
type Records = {
  readonly own: readonly Place[];
  readonly request: Data;
  readonly answers: readonly Data[];
  /** The key that its keyid meant when the request was signed, DER in base64. */
  readonly spki: string | undefined;
};

/** One signature as openssl checks it: what was signed, the signature in openssl's form, the key. */
type Proof = {
  readonly name: string;
  readonly algorithm: AlgorithmName;
  readonly signed: Buffer;
  readonly isDigest: boolean;
  readonly signature: Buffer;
  readonly keyPem: string;
};

/**
 * `hufu journal evidence`: everything that proves what a merchant asked and what it was told, in a folder that openssl alone can
 * check. The path and query of the request are in it in clear.
 */
export async function evidence(requestId: string, options: EvidenceOptions): Promise<void> {
  const config = readConfiguration(options);
  const records = await collect(config.journal.directory, requestId);
  const keyring = loadKeyring({ secretsDirectory: config.secretsDirectory });
  const proofs = [requestProof(records, requestId, keyring), ...answerProofs(records, requestId, keyring, config)];
  const directory = resolve(options.out ?? `evidence-${requestId}`);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const write = (name: string, content: string | Buffer) => writeFileSync(join(directory, name), content, { mode: 0o600 });
  for (const { name, signed, signature, keyPem } of proofs) {
    write(`${name}.signed`, signed);
    write(`${name}.signature`, signature);
    write(`${name}.key.pem`, keyPem);
  }
  write('records.jsonl', `${records.own.map(({ line }) => line.json.toString()).join('\n')}\n`);
  write('verify.sh', scriptOf(proofs));
  if (options.json) console.log(JSON.stringify({ directory, proofs: proofs.map(({ name, algorithm }) => ({ name, algorithm })) }));
  else console.log(`${directory}: ${proofs.map(({ name }) => name).join(', ')}; check with: sh ${join(directory, 'verify.sh')}`);
}

/** All records about a request, from every journal of this host: another instance may have resolved it. */
async function collect(root: string, requestId: string): Promise<Records> {
  const own: Place[] = [];
  const admissions = new Set<unknown>();
  const key = createKeyFinder(requestId);
  for (const { directory } of await readJournals(root))
    for await (const place of searchJournal(directory)) {
      const { record } = place.line;
      key.look(directory, record);
      const about = aboutOf(record);
      if (about.requestId === requestId && about.admissionId !== undefined) admissions.add(about.admissionId);
      if (about.requestId === requestId || (about.admissionId !== undefined && admissions.has(about.admissionId))) own.push(place);
    }
  const dataOf = (type: JournalRecord['type']) =>
    own.flatMap(({ line: { record } }) => (record.type === type && 'data' in record ? [record.data as Data] : []));
  const [request] = dataOf('request');
  if (!request)
    throw new UserError(
      `no journal of this host knows an accepted request ${requestId}; \`hufu journal find --request ${requestId}\` looks for all records`,
    );
  return { own, request, answers: dataOf('answer'), spki: key.find(request.keyid ?? '') };
}

/**
 * Finds what a keyid meant when a request was signed: the last note before it in its own journal; where that has left for an archive the
 * first one after it; and then one in another journal. A keyid may be given to another key later.
 */
function createKeyFinder(requestId: string) {
  const before = new Map<string, string>();
  const after = new Map<string, string>();
  const elsewhere = new Map<string, string>();
  let own: string | undefined;
  let here = new Map<string, string>();
  let place: string | undefined;
  return {
    look: (directory: string, record: JournalRecord): void => {
      if (directory !== place) {
        here = new Map();
        place = directory;
      }
      if (record.type === 'request' && (record.data as Data).requestId === requestId) {
        own = directory;
        for (const [keyid, spki] of here) before.set(keyid, spki);
      }
      if (record.type !== 'key') return;
      const { keyid = '', spki = '' } = record.data as Data;
      here.set(keyid, spki);
      if (own === directory && !after.has(keyid)) after.set(keyid, spki);
      if (own !== directory) elsewhere.set(keyid, spki);
    },
    find: (keyid: string): string | undefined => before.get(keyid) ?? after.get(keyid) ?? elsewhere.get(keyid),
  };
}

function openBase(keyring: Keyring, of: 'request' | 'answer', requestId: string, { sealedBase = '' }: Data): Buffer {
  const base = openWithAny(keyring.answerSealKeys, Buffer.from(sealedBase, 'base64'), evidenceAad(of, requestId));
  if (!base) throw new UserError(`the signature base of the ${of} cannot be opened: answer-seal.key is not the key it was sealed with`);
  return base;
}

function requestProof({ request, spki }: Records, requestId: string, keyring: Keyring): Proof {
  const { keyid = '', algorithm, scheme, signature = '', signedDigest = '' } = request;
  if (algorithm === MAC_ALGORITHM)
    throw new UserError(`request ${requestId} has a MAC under the working key ${keyid}: it proves nothing to anybody but us`);
  if (spki === undefined || !isAlgorithmName(algorithm)) throw new UserError(`no journal holds the key ${keyid} that signed this request`);
  const key = createPublicKey({ key: Buffer.from(spki, 'base64'), format: 'der', type: 'spki' });
  const base = openBase(keyring, 'request', requestId, request);
  // Where the body itself was signed, what the journal has is the digest of all that was signed.
  const isDigest = scheme !== 'rfc9421';
  return {
    name: 'request',
    algorithm,
    signed: isDigest ? Buffer.from(signedDigest, 'base64') : base,
    isDigest,
    signature: opensslForm(algorithm, Buffer.from(signature, 'base64')),
    keyPem: key.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

/** Retired keys prove what they signed too, as long as their certificates are kept. */
function answerProofs({ answers }: Records, requestId: string, keyring: Keyring, config: GatewayConfig): Proof[] {
  return answers.map((answer, i) => {
    const keyid = /;keyid="([^"]*)"/.exec(answer.signatureInput ?? '')?.[1];
    const row = config.answers.keys.find((each) => each.keyid === keyid);
    const publicKey = row && findCertificate(row.certificate)?.facts.publicKey;
    const member = findMember([HEADER.signature, answer.signature ?? ''], HEADER.signature, SIGNATURE_LABEL);
    const signature = member === undefined ? undefined : readByteSequence(member);
    if (!publicKey || !signature) throw new UserError(`the key ${keyid} that signed the answer is no longer among answers.keys`);
    const algorithm = row?.algorithm ?? defaultAlgorithm(publicKey);
    return {
      name: answers.length === 1 ? 'answer' : `answer-${i + 1}`,
      algorithm,
      signed: openBase(keyring, 'answer', requestId, answer),
      isDigest: false,
      signature: opensslForm(algorithm, signature),
      keyPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    };
  });
}

const scriptOf = (proofs: readonly Proof[]): string => `#!/bin/sh
# Checks with openssl alone that each text was signed by the key beside it. Whose keys they are, the contract says.
# NAME.signed is what was signed: the signature base of RFC 9421 section 2.5, with the digest of the body in it; for another scheme
# the SHA-256 of all that was signed.
set -e
cd "$(dirname "$0")"
${proofs.map(verifyLine).join('\n')}
`;
