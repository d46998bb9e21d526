// Elements as people write them: `10.0.0.1,tcp:80,10.0.1.0/24` (ipset 7.17 lib/parse.c).

import { formatIpv4, type Ipv4, maskIpv4 } from '../../addr/ipv4.ts';
import { numericAddress, unsigned } from '../xtables/option-text.ts';
import { protocolName, protocolNumber, servicePort } from '../xtables/protocol-names.ts';
import type { Element } from './ip-set.ts';
import type { SetSlot } from './ip-sets.ts';
import type { SetType } from './set-type.ts';

/** What cannot be read; the text stands behind "Syntax error: " or stands alone. */
export class ElementSyntax extends Error {
  readonly plain: boolean;

  constructor(message: string, plain = false) {
    super(message);
    this.plain = plain;
  }
}

/** Names of the separators' places, as ipset counts them. */
const NTH = ['First', 'Second', 'Third'] as const;
const TCP = 6;
const ICMP = 1;
/** Elements that one range may make (choice; the kernel takes any number, in steps). */
const RANGE_MAX = 65_536;

const ICMP_NAMES: readonly (readonly [name: string, type: number, code: number])[] = [
  ['echo-reply', 0, 0],
  ['network-unreachable', 3, 0],
  ['host-unreachable', 3, 1],
  ['protocol-unreachable', 3, 2],
  ['port-unreachable', 3, 3],
  ['fragmentation-needed', 3, 4],
  ['echo-request', 8, 0],
  ['ping', 8, 0],
];

export function emptyElement(member: SetSlot | null = null): Element {
  return {
    address: 0,
    length: 32,
    protocol: 0,
    port: 0,
    second: 0,
    secondLength: 32,
    noMatch: false,
    member,
    expiresAt: 0,
    comment: '',
    packets: 0,
    bytes: 0,
  };
}

/** The elements that a word stands for: one, or those of a range. @throws ElementSyntax */
export function parseElements(word: string, type: SetType, netmask: number): Element[] {
  const words = word.split(',');
  if (words.length > type.parts.length) {
    if (type.parts.length === 1) {
      throw new ElementSyntax(`Elem separator in ${word}, but settype ${type.name} supports none.`);
    }
    throw new ElementSyntax(`Elem separator in ${word}, but settype ${type.name} supports ${type.parts.length - 1}.`);
  }
  let made: Element[] = [emptyElement()];
  type.parts.forEach((part, i) => {
    const text = words[i];
    if (text === undefined) throw new ElementSyntax(`${NTH[i]} element is missing from ${word}.`);
    if (part === 'port') made = parsePorts(made, text, type);
    else made = parseAddress(made, text, { net: part === 'net', second: i === 2, netmask });
  });
  return made;
}

function parseAddress(
  made: readonly Element[],
  text: string,
  options: { readonly net: boolean; readonly second: boolean; readonly netmask: number },
): Element[] {
  const put = (e: Element, address: Ipv4, length: number): Element =>
    options.second ? { ...e, second: address, secondLength: length } : { ...e, address, length };
  const slash = text.indexOf('/');
  const bits = slash < 0 ? 32 : unsigned(text.slice(slash + 1), 32);
  if (bits === null) throw new ElementSyntax(`'${text.slice(slash + 1)}' is out of range 0-32`);
  const [first = '', last] = (slash < 0 ? text : text.slice(0, slash)).split('-', 2);
  const low = readAddress(first);
  if (options.net) {
    if (last !== undefined) throw new ElementSyntax('podwire does not take ranges of addresses in net types', true);
    if (bits === 0) throw new ElementSyntax('The value of the CIDR parameter of the IP address is invalid', true);
    return made.map((e) => put(e, low & maskIpv4(bits), bits));
  }
  const start = (low & maskIpv4(bits)) >>> 0;
  const end = last === undefined ? start + 2 ** (32 - bits) - 1 : readAddress(last) >>> 0;
  if (end < start) throw new ElementSyntax(`${text}: the end of the range is before its begin`);
  if (end - start >= RANGE_MAX) throw new ElementSyntax(`podwire takes at most ${RANGE_MAX} addresses at once`, true);
  const out: Element[] = [];
  for (const e of made) {
    for (let a = start; a <= end; a++) {
      const address = (a | 0) & maskIpv4(options.netmask);
      if (a === 0) throw new ElementSyntax('Null-valued element, cannot be stored in a hash type of set', true);
      if (!out.some((o) => options.netmask < 32 && o.address === address)) out.push(put(e, address, 32));
    }
  }
  return out;
}

function readAddress(text: string): Ipv4 {
  const address = numericAddress(text);
  if (address === null) throw new ElementSyntax(`cannot parse ${text}: resolving to IPv4 address failed`);
  return address;
}

function parsePorts(made: readonly Element[], text: string, type: SetType): Element[] {
  const colon = text.indexOf(':');
  const bitmap = type.parts.length === 1;
  let protocol = bitmap ? 0 : TCP;
  if (colon >= 0) {
    const name = text.slice(0, colon);
    const number = protocolNumber(name.toLowerCase()) ?? unsigned(name, 255);
    if (number === null) throw new ElementSyntax(`cannot parse '${name}' as a protocol`);
    if (!bitmap) protocol = number;
  }
  const ports = colon < 0 ? text : text.slice(colon + 1);
  if (protocol === ICMP) return made.map((e) => ({ ...e, protocol, port: parseIcmp(ports) }));
  const dash = ports.indexOf('-');
  const low = parsePort(dash > 0 ? ports.slice(0, dash) : ports, protocol);
  const high = dash > 0 ? parsePort(ports.slice(dash + 1), protocol) : low;
  const [first, last] = low <= high ? [low, high] : [high, low];
  const out: Element[] = [];
  for (const e of made) for (let port = first; port <= last; port++) out.push({ ...e, protocol, port });
  return out;
}

function parsePort(text: string, protocol: number): number {
  const number = unsigned(text, 0xffff) ?? servicePort(text, protocol === 0 ? TCP : protocol);
  if (number === null) throw new ElementSyntax(`cannot parse '${text}' as a ${protocolName(protocol || TCP)} port`);
  return number;
}

function parseIcmp(text: string): number {
  const named = ICMP_NAMES.find(([name]) => name === text);
  if (named !== undefined) return (named[1] << 8) | named[2];
  const [type = '', code = ''] = text.split('/', 2);
  const t = unsigned(type, 255);
  const c = unsigned(code, 255);
  if (t === null || c === null) throw new ElementSyntax(`Cannot parse ${text} as an ICMP type/code.`);
  return (t << 8) | c;
}

export function elementText(e: Element, type: SetType): string {
  return type.parts
    .map((part, i) => {
      if (part === 'set') return e.member?.name ?? '';
      if (part === 'port') return type.parts.length === 1 ? String(e.port) : portText(e);
      const [address, length] = i === 2 ? [e.second, e.secondLength] : [e.address, e.length];
      return length === 32 ? formatIpv4(address) : `${formatIpv4(address)}/${length}`;
    })
    .join(',');
}

function portText(e: Element): string {
  const protocol = protocolName(e.protocol) ?? String(e.protocol);
  if (e.protocol !== ICMP) return `${protocol}:${e.port}`;
  const named = ICMP_NAMES.find(([, type, code]) => e.port === ((type << 8) | code));
  return `${protocol}:${named?.[0] ?? `${e.port >> 8}/${e.port & 255}`}`;
}
