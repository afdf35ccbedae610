import { isIP, isIPv4 } from 'node:net';

/** Networks in CIDR notation (RFC 4632 section 3.1, RFC 4291 section 2.3), asked by the address of a peer. */
export type Networks = { readonly has: (address: string) => boolean };

type Network = { readonly bytes: readonly number[]; readonly bits: number };

/** An IPv4 address in its own spelling also where a dual-stack socket shows it as IPv6 (`::ffff:192.0.2.1`); an IPv6 one without its zone. */
export function plainAddress(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  return mapped !== undefined && isIPv4(mapped) ? mapped : address.replace(/%.*$/, '');
}

/** The 4 or 16 octets of an address; undefined for anything else. URL writes every spelling of an IPv6 address in its shortest form. */
function findBytes(address: string): number[] | undefined {
  if (isIPv4(address)) return address.split('.').map(Number);
  if (isIP(address) !== 6 || address.includes('%')) return undefined;
  const halves = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const [head = [], tail = []] = halves.map((half) => half.split(':').filter((group) => group !== ''));
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => '0');
  return [...head, ...zeros, ...tail].map((group) => Number.parseInt(group, 16)).flatMap((group) => [group >> 8, group & 0xff]);
}

const bitOf = (bytes: readonly number[], bit: number): number => ((bytes[bit >> 3] as number) >> (7 - (bit & 7))) & 1;

/** Reads `ADDRESS/BITS`. Undefined for anything else, also when bits behind the prefix are set: then the writer meant another network. */
export function findNetwork(text: string): Network | undefined {
  const [, address = '', length = ''] = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text) ?? [];
  const bytes = findBytes(address);
  const bits = Number(length);
  if (bytes === undefined || length === '' || bits > bytes.length * 8) return undefined;
  for (let bit = bits; bit < bytes.length * 8; bit += 1) if (bitOf(bytes, bit) === 1) return undefined;
  return { bytes, bits };
}

/** What is wrong with an entry of an address list, in words; undefined for one that can be used. */
export function findNetworkProblem(text: string): string | undefined {
  const network = findNetwork(text);
  if (!network) return 'expected a network such as 10.20.0.0/16, with no bit set behind the prefix';
  return network.bits === 0 ? 'a network of all addresses is no list' : undefined;
}

function contains({ bytes, bits }: Network, address: readonly number[]): boolean {
  if (bytes.length !== address.length) return false;
  for (let bit = 0; bit < bits; bit += 1) if (bitOf(bytes, bit) !== bitOf(address, bit)) return false;
  return true;
}

/** The networks of a checked list. An entry that is none matches nothing: an allow-list fails closed. */
export function createNetworks(list: readonly string[]): Networks {
  const networks = list.map(findNetwork).filter((network) => network !== undefined);
  return {
    has: (address) => {
      const bytes = findBytes(plainAddress(address));
      return bytes !== undefined && networks.some((network) => contains(network, bytes));
    },
  };
}

/** Who shares one count: an IPv4 address, or the /64 of an IPv6 one, since a single subscriber has 2^64 addresses to choose from. */
export function neighbourhoodOf(address: string): string {
  const plain = plainAddress(address);
  const bytes = findBytes(plain);
  return bytes === undefined || bytes.length === 4 ? plain : Buffer.from(bytes.slice(0, 8)).toString('hex');
}
