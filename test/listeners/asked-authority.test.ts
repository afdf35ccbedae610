import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Peer } from '../../src/protocol/messages.ts';
import { eventually } from '../support/eventually.ts';
import { openDoor, REQUEST } from './listener-alone.ts';

/** A door whose authority is asked about some connections, and answers when the test says so. */
function asking(holds: (peer: Peer) => boolean) {
  const asked: Peer[] = [];
  const { promise, resolve: answer } = Promise.withResolvers<void>();
  const ready = (peer: Peer): Promise<void> | undefined => {
    if (!holds(peer)) return undefined;
    asked.push(peer);
    return promise;
  };
  return { ready, asked, answer };
}

test('a request of the first flight waits for the answer and is then served whole; the connections of others do not wait', async (t) => {
  let first = '';
  const { ready, asked, answer } = asking((peer) => peer.thumbprint === first);
  const door = await openDoor(t, { ready, ...peers(() => first) });
  first = '1';
  const waiting = door.burst(`${REQUEST}${REQUEST.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')}`);
  await eventually(() => assert.equal(asked.length, 1));
  first = '';
  assert.match(await door.burst(REQUEST.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')), /200 OK/);
  assert.equal(door.arrived.length, 1, 'only the other one');
  first = '1';
  answer();
  assert.equal((await waiting).match(/200 OK/g)?.length, 2);
  assert.deepEqual([door.arrived.length, door.faults], [3, []]);
});

/** Each connection is of another certificate: the first that `held` names, then others. */
function peers(held: () => string) {
  let next = 0;
  return {
    readPeer: () => {
      next += 1;
      return { thumbprint: held() || `other ${next}` } as Peer;
    },
  };
}

test('a peer that leaves while its authority is asked is no fault, and never a request', async (t) => {
  const { ready, asked, answer } = asking(() => true);
  const door = await openDoor(t, { ready });
  const { socket } = await door.dial();
  socket.write(REQUEST);
  await eventually(() => assert.equal(asked.length, 1));
  socket.destroy();
  answer();
  await eventually(async () => assert.match(await door.burst(REQUEST.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')), /200/));
  assert.deepEqual(door.faults, []);
});

test('a door that closes meanwhile lets nobody in', async (t) => {
  const { ready, asked, answer } = asking(() => true);
  const door = await openDoor(t, { ready });
  const waiting = door.burst(REQUEST);
  await eventually(() => assert.equal(asked.length, 1));
  const drained = door.listener.drain(1_000);
  answer();
  assert.equal(await waiting, '');
  await drained;
  assert.deepEqual([door.arrived.length, door.faults], [0, []]);
});

test('one who may not enter is closed before HTTP', async (t) => {
  const door = await openDoor(t, { mayEnter: () => false });
  assert.equal(await door.burst(REQUEST), '');
  assert.deepEqual([door.arrived.length, door.refused], [0, ['certificate']]);
});
