import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import helmet from 'helmet';
import { CoreRefusal, type FailureCode, type Reply, refusalReply, replyOf, success } from './answers.ts';
import { type AssertionKeys, type ReceivedRequest, verifyAssertion } from './assertion.ts';
import { readJsonBody } from './body.ts';
import { DROP, type FaultSwitch, readFault } from './faults.ts';
import type { Database } from './ledger/database.ts';
import { readFigures } from './ledger/figures.ts';
import { type CoreOperation, OPERATIONS } from './operations.ts';
import type { Push } from './push.ts';

/** Bytes of a body; no operation needs a hundredth of it. */
const BODY_BYTES_MAX = 65_536;

export type ServerParts = {
  readonly database: Database;
  readonly keys: AssertionKeys;
  readonly clock: () => number;
  /** Development only: what tests look at and switch. Absent: the routes do not exist. */
  readonly development?: { readonly faults?: FaultSwitch };
  readonly reportError: (error: unknown) => void;
  readonly push?: Push;
};

function received(request: Request): ReceivedRequest {
  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  return { method: request.method, target: request.originalUrl, rawHeaders: request.rawHeaders, body };
}

function send(response: Response, reply: Reply | typeof DROP): void {
  if (reply === DROP) {
    response.socket?.destroy();
    return;
  }
  response.status(reply.status);
  if (reply.replayed) response.setHeader('Idempotency-Replayed', 'true');
  response.setHeader('Content-Type', 'application/json');
  response.setHeader('Content-Length', reply.body.length);
  response.end(reply.body);
}

/** What Express and its body reader found wrong, by HTTP status. */
const READ_FAILURES: Readonly<Record<number, FailureCode>> = { 413: 'BODY_TOO_LARGE', 415: 'MEDIA_TYPE_UNSUPPORTED' };

/** Every failure becomes a refusal; what nobody expected is reported and answered as INTERNAL, without a word of it. */
function refusalOf(error: unknown, reportError: (error: unknown) => void): CoreRefusal {
  if (error instanceof CoreRefusal) return error;
  const status = typeof error === 'object' && error !== null && 'status' in error ? Number(error.status) : 500;
  if (status >= 400 && status < 500) return new CoreRefusal(READ_FAILURES[status] ?? 'HTTP_INVALID');
  reportError(error);
  return new CoreRefusal('INTERNAL');
}

type Handler = (request: Request, response: Response) => Promise<void>;

/** Answers one operation: verify the assertion, meet the fault that is set, run. */
function answerOf(operation: CoreOperation, parts: ServerParts): Handler {
  return async (request, response) => {
    const arrived = received(request);
    const assertion = await verifyAssertion(arrived, operation.id, parts.keys, parts.clock());
    const parameters = request.params as Record<string, string>;
    const execute = async (): Promise<Reply> => {
      try {
        return await operation.run({ request: arrived, parameters, assertion, database: parts.database, clock: parts.clock });
      } catch (error) {
        return refusalReply(refusalOf(error, parts.reportError));
      }
    };
    let status: number | undefined;
    const executed = async (): Promise<Reply> => {
      const reply = await execute();
      status = reply.status;
      return reply;
    };
    const faults = parts.development?.faults;
    send(response, faults ? await faults.apply(request.method, request.path, executed) : await executed());
    if (status !== undefined && status < 500) parts.push?.(assertion, status);
  };
}

/** Remembers what is under way, also behind connections that have gone, so that the ledger is closed after it. */
function createTracker() {
  const underWay = new Set<Promise<void>>();
  return {
    track:
      (handler: Handler): Handler =>
      (request, response) => {
        const done = handler(request, response).finally(() => underWay.delete(done));
        underWay.add(done);
        return done;
      },
    ended: async (): Promise<void> => {
      await Promise.allSettled(underWay);
    },
  };
}

/** Routes that look into the ledger and break things on purpose; loopback and development only. */
function addDevelopmentRoutes(app: Express, parts: ServerParts): void {
  if (!parts.development) return;
  const { faults } = parts.development;
  app.get('/ledger', (_, response) => send(response, replyOf(success(200, readFigures(parts.database)))));
  if (!faults) return;
  const current = () => replyOf(success(200, { fault: faults.current() ?? null }));
  app.get('/faults', (_, response) => send(response, current()));
  app.put('/faults', (request, response) => {
    faults.set(readFault(readJsonBody(received(request))));
    send(response, current());
  });
}

/**
 * The core's HTTP face. Paths are compared as sent: case, slashes and percent signs are not folded. `ended` resolves when
 * nothing is under way any more.
 */
export function createApp(parts: ServerParts): { readonly app: Express; readonly ended: () => Promise<void> } {
  const app = express();
  const { track, ended } = createTracker();
  app.set('case sensitive routing', true).set('strict routing', true).set('etag', false).set('query parser', false);
  app.disable('x-powered-by');
  app.use(helmet());
  app.use((request, _, next) => {
    next(/[%?]/.test(request.originalUrl) || !request.originalUrl.startsWith('/') ? new CoreRefusal('OPERATION_UNKNOWN') : undefined);
  });
  app.use(express.raw({ type: () => true, limit: BODY_BYTES_MAX, inflate: false }));
  for (const operation of OPERATIONS) app[operation.method](operation.path, track(answerOf(operation, parts)));
  addDevelopmentRoutes(app, parts);
  app.use(() => {
    throw new CoreRefusal('OPERATION_UNKNOWN');
  });
  // Express tells error handlers by their four parameters.
  app.use((error: unknown, _: Request, response: Response, next: NextFunction) => {
    if (response.headersSent) next(error);
    else send(response, refusalReply(refusalOf(error, parts.reportError)));
  });
  return { app, ended };
}
