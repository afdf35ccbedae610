import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { contentDigest } from '../../src/protocol/content-digest.ts';
import type { ReceivedAnswer } from '../../src/sdk/answer.ts';
import { type Language, programOf } from '../../tools/language-tools.ts';
import { PROJECT } from '../docs/pages.ts';
import { type Deed, type Deliver, type Middlebox, startMiddlebox, withHeader } from '../support/middlebox.ts';
import { cleanEnvironment } from '../support/process.ts';
import { MERCHANT_1, MERCHANT_2, type System, startSystem } from '../support/system.ts';

/** The examples in other languages pay through a real gateway, over a bad line, and refuse what somebody in the middle makes of its answers. */

/** How an example is started; `prepare` is done once. Without optimising, Java starts sooner. */
type Example = {
  readonly language: Language;
  readonly prefix: string;
  readonly command: (program: string, directory: string) => string[] | Promise<string[]>;
};

const GO = { GOFLAGS: '-mod=mod', GOPROXY: 'off', GOTELEMETRY: 'off', GO111MODULE: 'auto' };
const EXAMPLES: readonly Example[] = [
  { language: 'python', prefix: 'PY', command: (program) => [program, '-B', 'examples/python/pay.py'] },
  {
    ...{ language: 'java', prefix: 'JAVA' },
    command: (program) => [program, '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', 'examples/java/Pay.java'],
  },
  { language: 'php', prefix: 'PHP', command: (program) => [program, 'examples/php/pay.php'] },
  {
    ...{ language: 'go', prefix: 'GO' },
    // As `go run` does, which would not pass on the exit status.
    command: async (program, directory) => {
      const binary = join(directory, 'pay');
      await promisify(execFile)(program, ['build', '-o', binary, 'examples/go/pay.go'], {
        cwd: PROJECT,
        env: cleanEnvironment({ ...GO, GOCACHE: join(directory, 'go-cache'), GOPATH: join(directory, 'go') }),
      });
      return [binary];
    },
  },
];

type Ran = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

async function run([program = '', ...args]: readonly string[], environment: NodeJS.ProcessEnv): Promise<Ran> {
  const child = spawn(program, args, { cwd: PROJECT, env: cleanEnvironment(environment), stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const late = setTimeout(() => child.kill('SIGKILL'), 60_000);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(late);
  return { code, stdout, stderr };
}

/** Answers of the gateway as a forger changes them, and what an example must say. One delivery each, of one and the same order. */
type Forgery = {
  readonly why: string;
  readonly forge: (answer: ReceivedAnswer, earlier: ReceivedAnswer) => ReceivedAnswer;
  /** Brings the request over another merchant's connection. */
  readonly over?: string;
  readonly said: RegExp;
};

const otherBody = (answer: ReceivedAnswer): Buffer => Buffer.from(answer.body.toString().replace('1999', '9999'));
const NOT_BOUND = /NOT verified: the signature does not fit this answer and our request/;
const FORGERIES: readonly Forgery[] = [
  { why: 'another status', forge: (answer) => ({ ...answer, status: 200 }), said: NOT_BOUND },
  { why: 'another body', forge: (answer) => ({ ...answer, body: otherBody(answer) }), said: /NOT verified: the body is not the one/ },
  {
    why: 'another body with its digest',
    forge: (answer) => {
      const body = otherBody(answer);
      return { ...answer, body, rawHeaders: withHeader(answer.rawHeaders, 'content-digest', contentDigest(body)) };
    },
    said: NOT_BOUND,
  },
  { why: 'the answer to another delivery', forge: (_, earlier) => earlier, said: NOT_BOUND },
  {
    why: 'an answer to another certificate',
    over: MERCHANT_2,
    forge: (answer) => answer,
    said: /NOT verified: .* given to another certificate/,
  },
  {
    why: 'no signature',
    forge: (answer) => ({ ...answer, rawHeaders: withHeader(answer.rawHeaders, 'signature') }),
    said: /NOT verified: the answer carries no signature/,
  },
];

describe('examples in other languages', { timeout: 170_000, concurrency: 2 }, () => {
  let system: System;
  let directory: string;
  const boxes: Middlebox[] = [];
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'hufu-examples-'));
    system = await startSystem();
  });
  after(async () => {
    await Promise.all(boxes.map((box) => box.close()));
    await system?.dispose();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Runs an example through a middlebox that does the deed. Its waits are short, the others as they are. */
  async function runThrough(deed: Deed, command: readonly string[], more: NodeJS.ProcessEnv): Promise<Ran> {
    const box = await startMiddlebox(system.pki, system.gateways[0]?.url ?? '', MERCHANT_1, deed);
    boxes.push(box);
    return run(command, { HUFU_URL: box.url, HUFU_CERTS: system.pki.directory, HUFU_FIRST_WAIT_SECONDS: '0.02', ...more });
  }

  for (const { language, prefix, command } of EXAMPLES) {
    describe(language, () => {
      let line: string[];
      before(async () => {
        line = await command(programOf(language), directory);
      });

      test('pays once over a line that swallows one answer and cuts off another, and verifies what it is told', async () => {
        let payments = 0;
        const badLine: Deed = async (request, deliver) => {
          const answer = await deliver(request);
          if (!request.target.endsWith('/payments')) return answer;
          payments += 1;
          return (['silence', 'cut'] as const)[payments - 1] ?? answer;
        };
        const { code, stdout, stderr } = await runThrough(badLine, line, { HUFU_TIMEOUT_SECONDS: '2' });
        assert.equal(code, 0, stdout + stderr);
        const [, orderNo = ''] = /^order (\S+): HTTP 201 CREATED, verified$/m.exec(stdout) ?? [];
        assert.ok(orderNo.startsWith(`${prefix}-`), stdout);
        assert.match(stdout, /^payment \S+: HTTP 201 SUCCEEDED, verified$/m);
        assert.match(stdout, /^query \S+: HTTP 200 PAID, verified$/m);
        // A busy machine may make it wait too long once more; the order is paid once all the same.
        assert.ok(payments >= 3 && (stderr.match(/\/payments: outcome unknown, no answer: /g)?.length ?? 0) >= 2, stderr);
        const { orders } = await system.figures();
        assert.deepEqual(
          orders.filter((order) => order.orderNo === orderNo).map(({ count, amountFen }) => [count, amountFen]),
          [[1, 1999]],
        );
      });

      test('believes none of six forged answers, takes no new key and does not pay', async () => {
        const keys = new Set<string>();
        let [delivery, earlier] = [0, undefined as ReceivedAnswer | undefined];
        const forger: Deed = async (request, deliver: Deliver) => {
          const { forge, over } = FORGERIES[delivery++] as Forgery;
          keys.add(request.rawHeaders[request.rawHeaders.findIndex((name) => /^idempotency-key$/i.test(name)) + 1] as string);
          const answer = await deliver(request, over);
          const forged = forge(answer, earlier ?? answer);
          earlier = answer;
          return forged;
        };
        const { code, stdout, stderr } = await runThrough(forger, line, {});
        assert.equal(code, 2, stdout + stderr);
        assert.equal(stdout, '');
        const said = stderr.split('\n').filter((text) => text.includes(': outcome unknown, '));
        assert.equal(said.length, FORGERIES.length, stderr);
        for (const [i, { why, said: pattern }] of FORGERIES.entries()) assert.match(said[i] ?? '', pattern, why);
        assert.match(stderr, new RegExp(`still unknown, .*Keep the key order-${prefix}-\\S+, take no new one`));
        assert.equal(keys.size, 1);
      });
    });
  }
});
