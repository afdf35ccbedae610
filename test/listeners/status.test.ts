import assert from 'node:assert/strict';
import { Server } from 'node:net';
import { test } from 'node:test';
import { listenStatus } from '../../src/listeners/status.ts';

test('a fault of the status listener, as when no file is left to accept with, is told and ends nothing', async (t) => {
  const servers: Server[] = [];
  const { listen } = Server.prototype;
  t.mock.method(Server.prototype, 'listen', function (this: Server, ...args: Parameters<Server['listen']>) {
    servers.push(this);
    return listen.apply(this, args);
  });
  const faults: string[] = [];
  const status = await listenStatus({
    address: '127.0.0.1',
    port: 0,
    readiness: () => [],
    metrics: async () => ({ contentType: 'text/plain', text: '' }),
    onFault: ({ message }) => faults.push(message),
  });
  servers[0]?.emit('error', new Error('accept EMFILE'));
  assert.deepEqual(faults, ['accept EMFILE']);
  assert.equal((await fetch(`http://127.0.0.1:${status.port}/livez`)).status, 200);
  await status.close();
});
