import ipaddr from 'ipaddr.js';
import { HubError } from './errors.js';

/** An address in its shortest form, IPv4-mapped IPv6 as IPv4. Text that is no address is returned as it is. */
export function canonicalAddress(address: string): string {
  return ipaddr.isValid(address) ? ipaddr.process(address).toString() : address;
}

/** Whether `text` is an address: IPv4 with four decimal parts, or IPv6 without a zone. */
export function isAddress(text: string): boolean {
  return isPlainAddress(text);
}

/** What an address is counted under: itself for IPv4, its /64 for IPv6, since one client has all of that. */
export function addressGroup(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  if (parsed.kind() === 'ipv4') return parsed.toString();
  return `${ipaddr.IPv6.networkAddressFromCIDR(`${parsed.toString()}/64`).toString()}/64`;
}

/** Whether an address lies in one of `ranges`: addresses, or CIDR notation. Throws 'invalid-request' for a range that is neither. */
export function addressWithin(address: string, ranges: readonly string[]): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  return ranges.some(range => {
    const [network, bits] = parseRange(range);
    return network.kind() === parsed.kind() && parsed.match(network, bits);
  });
}

/** Whether parseRange() takes `text`. */
export function isRange(text: string): boolean {
  try {
    parseRange(text);
    return true;
  } catch {
    return false;
  }
}

/** Throws 'invalid-request' unless `range` is an address or a range in CIDR notation. IPv4 has four decimal parts; an IPv4-mapped range is taken as IPv4. */
export function parseRange(range: string): [ipaddr.IPv4 | ipaddr.IPv6, number] {
  const [text, bits, rest] = range.split('/');
  if (text === undefined || rest !== undefined || !isPlainAddress(text)) throw notARange(range);
  const given = ipaddr.parse(text);
  const length = bits === undefined ? lengthOf(given) : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
  if (!(length <= lengthOf(given))) throw notARange(range);
  if (given instanceof ipaddr.IPv6 && given.isIPv4MappedAddress() && length >= 96) return [given.toIPv4Address(), length - 96];
  return [given, length];
}

/** No octal or shortened IPv4, which programs read differently, and no zone. */
function isPlainAddress(text: string): boolean {
  return text.includes(':') ? ipaddr.IPv6.isValid(text) && !text.includes('%') : ipaddr.IPv4.isValidFourPartDecimal(text);
}

function lengthOf(address: ipaddr.IPv4 | ipaddr.IPv6): number {
  return address.kind() === 'ipv4' ? 32 : 128;
}

function notARange(range: string): HubError {
  return new HubError('invalid-request', `'${range}' is neither an address nor a range such as 10.0.0.0/8`);
}
