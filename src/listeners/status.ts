import express from 'express';
import helmet from 'helmet';
import { listenPlain, type PlainListener } from './plain-http.ts';

/** One dependency and whether money can move as far as it is concerned. */
export type Readiness = { readonly name: string; readonly ready: boolean; readonly detail: string };

export type StatusOptions = {
  readonly address: string;
  readonly port: number;
  readonly readiness: () => readonly Readiness[];
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  /** The listener failed after it was open; nothing else may end with it. */
  readonly onFault: (error: Error) => void;
};

/** For operators and probes, on an address of its own: `/livez` (the process runs), `/readyz` (it can serve money), `/healthz` (both, in words), `/metrics`. */
export function listenStatus(options: StatusOptions): Promise<PlainListener> {
  const app = express();
  app.disable('etag').set('query parser', false);
  app.use(helmet());
  const ready = () => {
    const dependencies = options.readiness();
    return { ready: dependencies.every((dependency) => dependency.ready), dependencies };
  };
  app.get('/livez', (_request, response) => void response.json({ live: true }));
  app.get('/readyz', (_request, response) => {
    const body = ready();
    response.status(body.ready ? 200 : 503).json(body);
  });
  app.get('/healthz', (_request, response) => void response.json({ live: true, ...ready() }));
  app.get('/metrics', async (_request, response) => {
    const { contentType, text } = await options.metrics();
    response.set('content-type', contentType).send(text);
  });
  app.use(
    (_request, response) => void response.status(404).json({ error: 'There is no such page; try /livez, /readyz, /healthz or /metrics.' }),
  );
  return listenPlain(app, options);
}
