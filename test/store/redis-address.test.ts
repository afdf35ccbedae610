import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UserError } from '../../src/lib/user-error.ts';
import { readRedisAddress } from '../../src/store/redis/address.ts';

const PLAIN = { host: 'store', port: 6379, db: 0, protocol: 3 };

const good = [
  // address                                    what it means                                                  why
  ['redis://store', PLAIN, 'the port and the database have defaults'],
  ['redis://store:6380/2', { ...PLAIN, port: 6380, db: 2 }, 'port and database'],
  ['rediss://store', { ...PLAIN, tls: {} }, 'TLS with the names and authorities Node trusts'],
  ['redis://[::1]:6380', { ...PLAIN, host: '::1', port: 6380 }, 'the brackets belong to the URL, not to the address'],
  ['redis://:p%40ss@store', { ...PLAIN, password: 'p@ss' }, 'a password is percent-encoded in a URL'],
  ['redis://hufu:p%2Fs@store', { ...PLAIN, username: 'hufu', password: 'p/s' }, 'an ACL user'],
  ['redis://store?protocol=2', { ...PLAIN, protocol: 2 }, 'proxies that know no RESP3'],
  ['redis://store?prefix=bank:', { ...PLAIN, prefix: 'bank:' }, 'two installations on one server'],
  [
    'redis+sentinel://u:p@a:1,b/mymaster/2?sentinelPassword=w',
    {
      sentinels: [
        { host: 'a', port: 1 },
        { host: 'b', port: 26_379 },
      ],
      name: 'mymaster',
      role: 'master',
      db: 2,
      username: 'u',
      password: 'p',
      sentinelPassword: 'w',
      protocol: 3,
    },
    'a master that Sentinels name',
  ],
  [
    'rediss+sentinel://a/m',
    {
      sentinels: [{ host: 'a', port: 26_379 }],
      name: 'm',
      role: 'master',
      db: 0,
      enableTLSForSentinelMode: true,
      sentinelTLS: {},
      tls: {},
      protocol: 3,
    },
    'TLS to the Sentinels too',
  ],
  [
    'rediss+cluster://[::1]:7000,b',
    {
      nodes: [
        { host: '::1', port: 7000 },
        { host: 'b', port: 6379 },
      ],
      tls: {},
      protocol: 3,
    },
    'nodes of a Cluster',
  ],
] as const;
for (const [address, expected, why] of good) {
  test(`readRedisAddress reads ${address}: ${why}`, () => assert.deepEqual(readRedisAddress(address), expected));
}

const bad = [
  // address                                        what the message says            why
  ['store:6379', /scheme/, 'a host and port parse as a URL of another scheme'],
  ['', /not a URL/, 'nothing'],
  ['redis://:secret@a,b', /several hosts/, 'one server has one host'],
  ['redis+sentinel://:secret@a', /which master/, 'Sentinels watch several'],
  ['redis+cluster://:secret@a/1', /only one/, 'a Cluster has database 0 only'],
  ['redis+cluster://a?sentinelPassword=secret', /query parameter/, 'there are no Sentinels'],
  ['http://user:secret@store', /scheme/, 'another scheme'],
  ['redis://', /host/, 'no host'],
  ['redis://:secret@store/x', /database/, 'a database is a number'],
  ['redis://:secret%@store', /% escape/, 'a broken escape'],
  ['redis://:secret@store?commandTimeout=0', /query parameter/, 'the client library would take any option from here'],
  ['redis://:secret@store?constructor=1', /query parameter/, 'a name that every object has'],
  ['redis://:secret@store?protocol=4', /be 2 or 3/, 'no such protocol'],
  ['redis://:secret@store?prefix={x}:', /prefix/, 'a brace would change the hash tag'],
] as const;
for (const [address, says, why] of bad) {
  test(`readRedisAddress refuses ${address.replace('secret', '...')}: ${why}`, () => {
    assert.throws(
      () => readRedisAddress(address),
      (error: Error) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, says);
        assert.doesNotMatch(error.message, /secret|\n/, 'an address may hold a password');
        return true;
      },
    );
  });
}
