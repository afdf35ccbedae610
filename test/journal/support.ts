import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type JournalOptions, type OpenJournal, openJournal } from '../../src/journal/journal.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { AdmittedFact, Fact, NonceFact, OutcomeFact, VoidedFact } from '../../src/ports/journal.ts';
import type { Signer } from '../../src/ports/signer.ts';
import { signBytes } from '../../src/protocol/algorithms.ts';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });

/** The public half of the key that signs the tests' journals. */
export const journalPublicKey: KeyObject = publicKey;

export const journalSigner: Signer = {
  keyid: 'journal-test',
  algorithm: 'ecdsa-p256-sha256',
  sign: (data) => signBytes('ecdsa-p256-sha256', privateKey, data),
};

const opened = new WeakMap<TestContext, OpenJournal[]>();

/** A folder that ends with the test, after the journals that were opened in it. */
export async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'hufu-journal-'));
  t.after(async () => {
    for (const journal of opened.get(t) ?? []) await journal.close();
    await rm(directory, { recursive: true, force: true });
  });
  return directory;
}

export type Opened = { readonly journal: OpenJournal; readonly alarms: string[]; readonly folder: string };

/** Opens a journal that is closed when the test's folder ends. */
export async function openTestJournal(t: TestContext, directory: string, options: Partial<JournalOptions> = {}): Promise<Opened> {
  const alarms: string[] = [];
  const journal = await openJournal({
    directory,
    instance: 'gateway-1',
    signer: journalSigner,
    clock: systemClock,
    groupMsMax: 2,
    groupRecordsMax: 64,
    segmentBytesMax: 1024 * 1024,
    onAlarm: (line) => alarms.push(line),
    ...options,
  });
  opened.set(t, [...(opened.get(t) ?? []), journal]);
  return { journal, alarms, folder: join(directory, options.instance ?? 'gateway-1') };
}

export const nonce = (n: number): NonceFact => ({
  type: 'nonce',
  merchantNumber: '800000000000001',
  admissionId: `a${n}`,
  nonce: `nonce-${n}`,
  nonceUntilMs: 2_000_000_000_000,
});

export const admitted = (n: number, add = 100): AdmittedFact => ({
  ...nonce(n),
  type: 'admitted',
  keyHash: `key-${n}`,
  fingerprint: `fingerprint-${n}`,
  expiresAtMs: 2_000_000_000_000,
  deadlineMs: 2_000_000_000_000,
  keepUntilMs: 4_000_000_000_000,
  resolve: { operationId: 'payments.create', requestId: `r${n}`, derivedKey: `d${n}`, parameters: {}, repeat: { '/amountFen': add } },
  reservation: [{ counter: 'amount:day', add, windowEndsMs: 4_000_000_000_000 }],
});

export const outcome = (n: number, kind: OutcomeFact['outcome'] = 'succeeded'): OutcomeFact => ({
  type: 'outcome',
  merchantNumber: '800000000000001',
  admissionId: `a${n}`,
  keyHash: `key-${n}`,
  outcome: kind,
  by: 'answered',
});

export const voided = (n: number): VoidedFact => ({
  type: 'voided',
  merchantNumber: '800000000000001',
  admissionId: `a${n}`,
  keyHash: `key-${n}`,
});

export async function collect(facts: AsyncIterable<Fact>): Promise<Fact[]> {
  const all: Fact[] = [];
  for await (const fact of facts) all.push(fact);
  return all;
}

export const segmentFile = (folder: string, number: number): string => join(folder, `${String(number).padStart(8, '0')}.journal`);

/** Replaces a file's bytes by what `change` makes of them. */
export async function damage(path: string, change: (bytes: Buffer) => Buffer): Promise<void> {
  await writeFile(path, change(await readFile(path)));
}
