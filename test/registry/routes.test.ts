import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Operation } from '../../src/protocol/operation.ts';
import { loadOperations } from '../../src/registry/operations.ts';
import { compileRoutes } from '../../src/registry/routes.ts';

const { routable } = loadOperations([new URL('../../config/operations/payments.yaml', import.meta.url).pathname], ({ message }) =>
  assert.fail(message),
);
const findRoute = compileRoutes(routable);

const FOUND = [
  ['POST', '/v1/orders', 'orders.create', {}],
  ['GET', '/v1/orders/A-1', 'orders.get', { orderNo: 'A-1' }],
  ['POST', '/v1/orders/A-1/payments', 'payments.create', { orderNo: 'A-1' }],
  ['POST', '/v1/orders/payments/payments', 'payments.create', { orderNo: 'payments' }],
  ['POST', '/v1/orders/close/close', 'orders.close', { orderNo: 'close' }],
  ['GET', '/v1/orders/constructor', 'orders.get', { orderNo: 'constructor' }],
  ['GET', '/v1/platform-certificates', 'platform.certificates', {}],
] as const;
for (const [method, path, id, parameters] of FOUND) {
  test(`${method} ${path} is ${id}`, () => {
    const route = findRoute(method, path);
    assert.equal(route?.operation.id, id);
    assert.deepEqual(route?.pathParameters, parameters);
  });
}

// Threat G2 and its neighbours: another spelling is another path, and no path of ours.
const EVASIONS = [
  ['GET', '/V1/orders/A', 'case of the first segment'],
  ['GET', '/v1/Orders/A', 'case of the second'],
  ['get', '/v1/orders/A', 'case of the method'],
  ['HEAD', '/v1/orders/A', 'a method that is not offered'],
  ['OPTIONS', '/v1/orders', 'a method that is not offered'],
  ['GET', '/v1//orders/A', 'a double slash'],
  ['GET', '//v1/orders/A', 'a double slash in front, which is a host elsewhere'],
  ['GET', '/v1/orders//', 'an empty parameter'],
  ['GET', '/v1/orders/', 'an empty parameter'],
  ['POST', '/v1/orders/', 'a trailing slash'],
  ['GET', '/v1/orders/A/', 'a trailing slash'],
  ['POST', '/v1/orders.', 'a trailing dot'],
  ['POST', '/v1/orders ', 'a trailing space'],
  ['GET', '/v1/orders%2FA', 'an encoded slash'],
  ['GET', '/v1/orders/A%2Fpayments', 'an encoded slash in a parameter'],
  ['GET', '/v1/orders/A%2e', 'an encoded dot'],
  ['GET', '/v1/%6Frders/A', 'an encoded letter'],
  ['GET', '/v1/orders/.', 'a segment that others drop'],
  ['GET', '/v1/orders/..', 'a segment that others resolve'],
  ['POST', '/v1/orders/../payments', 'a segment that others resolve, within'],
  ['GET', '/v1/./orders/A', 'a dot segment'],
  ['GET', '/v1/orders/..;/A', 'a parameter of a segment, as some servers strip it'],
  ['GET', '/v1/orders/A;b=c', 'a parameter of a segment'],
  ['GET', '/v1/orders/A,B', 'a comma'],
  ['GET', '/v1/orders\\A', 'a backslash'],
  ['GET', '/v1/orders/Ａ', 'a letter beyond ASCII'],
  ['GET', '/v1/orders/A?x=1', 'a query: the caller cuts it off before'],
  ['GET', '/v1/orders/A#x', 'a fragment'],
  ['GET', '/v1/orders/A\u0000', 'a NUL'],
  ['GET', '/v1/orders/A\n', 'a line break'],
  ['GET', 'v1/orders/A', 'no slash in front'],
  ['GET', 'https://localhost/v1/orders/A', 'an absolute form'],
  ['GET', '*', 'an asterisk form'],
  ['GET', '', 'nothing'],
  ['GET', '/', 'the root'],
  ['GET', '/v1/orders/{orderNo}', 'the template itself'],
  ['GET', `/v1/orders/${'A'.repeat(3000)}`, 'more than a path may be long'],
  ['GET', `/v1/executions/${'A'.repeat(43)}`, 'an operation that is only between gateway and core'],
  ['GET', '/v1/__proto__', 'a name that objects inherit'],
] as const;
for (const [method, path, why] of EVASIONS) {
  test(`no route: ${why} (${method} ${JSON.stringify(path.slice(0, 40))})`, () => assert.equal(findRoute(method, path), undefined));
}

const SEGMENTS = ['a', 'b', 'A', '{x}', '{y}', 'a.b'];
const template = fc.array(fc.constantFrom(...SEGMENTS), { minLength: 1, maxLength: 4 }).map((segments) => {
  const names = new Set<string>();
  // Names are unique in a template.
  return `/${segments.map((segment, index) => (segment.startsWith('{') && names.size === names.add(segment).size ? `{p${index}}` : segment)).join('/')}`;
});
const shape = (path: string): string => path.replaceAll(/\{[^}]*\}/g, '{}');
const path = fc
  .array(fc.constantFrom('a', 'b', 'A', 'a.b', 'zz', '..', '.', '', 'a%62', 'a;b', '{x}', '-_~.'), { minLength: 1, maxLength: 5 })
  .map((segments) => `/${segments.join('/')}`);

test('compiled routes find what a plain list of regular expressions finds', () => {
  fc.assert(
    fc.property(fc.uniqueArray(template, { minLength: 1, maxLength: 8, selector: shape }), path, (templates, asked) => {
      const operations = templates.map((one, index) => ({ id: `o${index}`, method: 'GET', path: one }) as Operation);
      const route = compileRoutes(operations)('GET', asked);
      const expected = model(templates, asked);
      assert.deepEqual(route && { path: route.operation.path, parameters: { ...route.pathParameters } }, expected);
    }),
    { numRuns: 500 },
  );
});

/** Literals first, from the left; then the first expression that matches the whole path. */
function model(templates: readonly string[], asked: string): { path: string; parameters: Record<string, string> } | undefined {
  const rank = (one: string): string =>
    one
      .split('/')
      .map((segment) => (segment.startsWith('{') ? '1' : '0'))
      .join('');
  for (const one of [...templates].sort((a, b) => (rank(a) < rank(b) ? -1 : 1))) {
    const names: string[] = [];
    const source = one.replaceAll('.', '\\.').replaceAll(/\{([^}]*)\}/g, (_, name: string) => {
      names.push(name);
      return '(?!\\.{1,2}(?:/|$))([A-Za-z0-9._~-]+)';
    });
    const match = new RegExp(`^${source}$`).exec(asked);
    if (match) return { path: one, parameters: Object.fromEntries(names.map((name, index) => [name, match[index + 1] as string])) };
  }
  return undefined;
}
