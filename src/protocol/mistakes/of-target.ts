import { authorityOf } from '../signature-base.ts';
import { type Suspect, verifiesFor } from './suspect.ts';
import type { SignatureMistake } from './table.ts';

/** Schemes that sign scheme and host, not only the path. */
const WITH_HOST = ['rfc9421', 'jws', 'cms'];
/** Schemes that sign the path, or a URL with it. */
const WITH_PATH = ['rfc9421', 'wechatpay-v3', 'alipay-v3', 'jws', 'cms'];

function decoded(text: string): string | undefined {
  try {
    // Bytes, since a base is latin1 text: a decoded path has the bytes of its UTF-8.
    return Buffer.from(decodeURIComponent(text), 'utf8').toString('latin1');
  } catch {
    return undefined;
  }
}

const cut = (target: string): readonly [path: string, query: string | undefined] => {
  const at = target.indexOf('?');
  return at === -1 ? [target, undefined] : [target.slice(0, at), target.slice(at + 1)];
};

const joined = (path: string, query: string | undefined): string => (query === undefined ? path : `${path}?${query}`);

/** Tries targets that are not the one that came. */
function anyTarget(suspect: Suspect, targets: readonly (string | undefined)[]): boolean {
  const { target } = suspect.request;
  return [...new Set(targets)].some((other) => other !== undefined && other !== target && verifiesFor(suspect, { target: other }));
}

function wasDecoded(suspect: Suspect): boolean {
  const [path, query] = cut(suspect.request.target);
  const plus = query?.replaceAll('+', ' ');
  const [plainPath, plainQuery] = [decoded(path), query === undefined ? undefined : decoded(query)];
  return anyTarget(suspect, [
    ...(plainPath === undefined ? [] : [joined(plainPath, query), joined(plainPath, plainQuery ?? query)]),
    ...(plainQuery === undefined ? [] : [joined(path, plainQuery)]),
    ...(plus === undefined ? [] : [joined(path, decoded(plus))]),
  ]);
}

/** As a library encodes what came without need of it, or in small letters, or spaces as plus signs. */
function wasEncoded(suspect: Suspect): boolean {
  const { target } = suspect.request;
  const encoded = decoded(target) === undefined ? undefined : encodeURI(Buffer.from(decoded(target) as string, 'latin1').toString('utf8'));
  const small = target.replace(/%[0-9A-F]{2}/g, (triplet) => triplet.toLowerCase());
  const large = target.replace(/%[0-9a-f]{2}/g, (triplet) => triplet.toUpperCase());
  return anyTarget(suspect, [encoded, small, large, target.replaceAll('%20', '+'), target.replaceAll('+', '%20')]);
}

function wasReordered(suspect: Suspect): boolean {
  const [path, query] = cut(suspect.request.target);
  return query !== undefined && anyTarget(suspect, [joined(path, query.split('&').sort().join('&'))]);
}

const portOf = (authority: string): string => /:\d+$/.exec(authority)?.[0] ?? '';
/** Most names that are tried for a host. */
const HOSTS_MAX = 6;

/** Our names with the port that came and without, and those by which a program calls itself. */
function otherOrigins({ request, hosts }: Suspect): string[] {
  const own = authorityOf(request.rawHeaders);
  const port = portOf(own);
  const names = [...new Set([own.slice(0, own.length - port.length), ...hosts.slice(0, HOSTS_MAX), 'localhost', '127.0.0.1'])];
  return names.flatMap((name) => [`https://${name}${port}`, `https://${name}`]).filter((origin) => origin !== `https://${own}`);
}

/** Mistakes about what was called: path, query, host, scheme, method. The usual first. */
export const TARGET_MISTAKES: readonly SignatureMistake[] = [
  {
    id: 'query-dropped',
    hint: 'The path was signed without its query. Path and query are signed as they are sent.',
    appliesTo: WITH_PATH,
    made: (suspect) => suspect.request.target.includes('?') && anyTarget(suspect, [cut(suspect.request.target)[0]]),
  },
  {
    id: 'path-decoded',
    hint: 'The path or the query was signed with its percent-encoding decoded. It is signed as it is sent.',
    appliesTo: WITH_PATH,
    made: wasDecoded,
  },
  {
    id: 'path-encoded',
    hint: 'The path or the query was signed in another percent-encoding than it was sent in.',
    appliesTo: WITH_PATH,
    made: wasEncoded,
  },
  {
    id: 'query-reordered',
    hint: 'The query was signed with its parameters sorted. It is signed as it is sent.',
    appliesTo: WITH_PATH,
    made: wasReordered,
  },
  {
    id: 'trailing-slash',
    hint: 'The path was signed with a slash at its end that was not sent, or without one that was.',
    appliesTo: WITH_PATH,
    made: (suspect) => {
      const [path, query] = cut(suspect.request.target);
      return anyTarget(suspect, [joined(path.endsWith('/') ? path.slice(0, -1) : `${path}/`, query)]);
    },
  },
  {
    id: 'address-for-path',
    hint: 'The whole address was signed. This scheme signs path and query only.',
    appliesTo: ['wechatpay-v3', 'alipay-v3'],
    made: (suspect) => anyTarget(suspect, [`https://${authorityOf(suspect.request.rawHeaders)}${suspect.request.target}`]),
  },
  {
    id: 'wrong-scheme',
    hint: 'The address was signed with http:// for https://.',
    appliesTo: WITH_HOST,
    made: (suspect) => verifiesFor(suspect, { origin: `http://${authorityOf(suspect.request.rawHeaders)}` }),
  },
  {
    id: 'address-without-host',
    hint: 'The path alone was signed as @target-uri (RFC 9421 section 2.2.2), htu or target-uri. It is the whole address: https://, host, path and query.',
    appliesTo: WITH_HOST,
    made: (suspect) => verifiesFor(suspect, { origin: '' }),
  },
  {
    id: 'address-without-scheme',
    hint: 'The address was signed without https:// in front.',
    appliesTo: WITH_HOST,
    made: (suspect) => verifiesFor(suspect, { origin: authorityOf(suspect.request.rawHeaders) }),
  },
  {
    id: 'host-spelling',
    hint: 'The host was signed in capitals or with :443. It is signed in lower case and without the default port (RFC 9421 section 2.2.3).',
    appliesTo: WITH_HOST,
    made: (suspect) => {
      const own = authorityOf(suspect.request.rawHeaders);
      const sent = suspect.request.rawHeaders.find((_, i, all) => i % 2 === 1 && all[i - 1]?.toLowerCase() === 'host') ?? own;
      const others = [...new Set([sent, ...(portOf(own) === '' ? [`${own}:443`] : [])])].filter((other) => other !== own);
      return others.some((other) => verifiesFor(suspect, { origin: `https://${other}` }));
    },
  },
  {
    id: 'wrong-host',
    hint: 'Another host or port was signed than the Host that was sent; a proxy on the way may have changed it.',
    appliesTo: WITH_HOST,
    made: (suspect) => otherOrigins(suspect).some((origin) => verifiesFor(suspect, { origin })),
  },
  {
    id: 'method-case',
    hint: 'The method was signed in small letters. It is signed as it is sent, in capitals.',
    appliesTo: WITH_PATH,
    made: (suspect) => verifiesFor(suspect, { method: suspect.request.method.toLowerCase() }),
  },
];
