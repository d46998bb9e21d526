// The options of conntrack(8) 1.4.7 that choose entries, and its own words for what is wrong with them.

import { type Ipv4, maskIpv4, parseIpv4 } from '../../addr/ipv4.ts';
import { hasPorts } from '../../netfilter/conntrack/conntrack-protocol.ts';
import { TCP_STATE_NAMES } from '../../netfilter/conntrack/conntrack-tcp-state.ts';
import { CtStatus, type NfConn } from '../../netfilter/conntrack/nf-conn.ts';
import { IpProtocol } from '../../wire/ipv4.ts';
import { PROTOCOLS } from './conntrack-format.ts';

/** A wrong call: status 2. */
export class ConntrackUsage extends Error {}

export interface ConntrackCall {
  /** -L, -D, -E, ... */
  command: string;
  table: string;
  readonly output: Set<string>;
  /** -e; empty: all */
  readonly messages: Set<string>;
  readonly tests: ((ct: NfConn) => boolean)[];
  /** -m of -U */
  mark: { value: number; mask: number } | null;
  protocol: number;
  /** exact tuple of -G */
  source: Ipv4 | null;
  destination: Ipv4 | null;
  sourcePort: number;
  destinationPort: number;
}

const COMMANDS: ReadonlyMap<string, string> = new Map([
  ['dump', 'L'],
  ['get', 'G'],
  ['delete', 'D'],
  ['create', 'I'],
  ['add', 'A'],
  ['update', 'U'],
  ['event', 'E'],
  ['flush', 'F'],
  ['count', 'C'],
  ['stats', 'S'],
  ['version', 'V'],
  ['help', 'h'],
]);
const TABLES = ['conntrack', 'expect', 'dying', 'unconfirmed'];
/** Long options by their short names. */
const LONG: ReadonlyMap<string, string> = new Map([
  ['src', 's'],
  ['orig-src', 's'],
  ['dst', 'd'],
  ['orig-dst', 'd'],
  ['reply-src', 'r'],
  ['reply-dst', 'q'],
  ['protonum', 'p'],
  ['proto', 'p'],
  ['family', 'f'],
  ['timeout', 't'],
  ['status', 'u'],
  ['zone', 'w'],
  ['src-nat', 'n'],
  ['dst-nat', 'g'],
  ['any-nat', 'j'],
  ['mark', 'm'],
  ['output', 'o'],
  ['zero', 'z'],
  ['event-mask', 'e'],
  ['buffer-size', 'b'],
]);
const WITH_VALUE = 'sdrqpftuwmoeb';
const OPTIONAL_VALUE = 'ngj';
/** Options of a protocol, by the field that they compare. */
const PORT_OPTIONS: ReadonlyMap<string, 'oSport' | 'oDport' | 'rSport' | 'rDport'> = new Map([
  ['sport', 'oSport'],
  ['orig-port-src', 'oSport'],
  ['dport', 'oDport'],
  ['orig-port-dst', 'oDport'],
  ['reply-port-src', 'rSport'],
  ['reply-port-dst', 'rDport'],
]);
const STATUSES: ReadonlyMap<string, number> = new Map([
  ['ASSURED', CtStatus.ASSURED],
  ['SEEN_REPLY', CtStatus.SEEN_REPLY],
  ['UNSET', 0],
  ['FIXED_TIMEOUT', CtStatus.FIXED_TIMEOUT],
  ['EXPECTED', CtStatus.EXPECTED],
]);

export function parseConntrack(args: readonly string[]): ConntrackCall {
  const call: ConntrackCall = {
    command: '',
    table: 'conntrack',
    output: new Set(),
    messages: new Set(),
    tests: [],
    mark: null,
    protocol: -1,
    source: null,
    destination: null,
    sourcePort: -1,
    destinationPort: -1,
  };
  // The protocol says which further options there are, wherever it stands.
  for (let i = 0; i < args.length; i++) {
    const value = args[i] === '-p' || args[i] === '--proto' || args[i] === '--protonum' ? args[i + 1] : undefined;
    if (value !== undefined) call.protocol = protocolOf(value);
  }
  let i = 0;
  const next = (): string | undefined => args[i + 1];
  for (; i < args.length; i++) {
    const word = args[i]!;
    if (!word.startsWith('-') || word === '-') {
      if (TABLES.includes(word)) call.table = word;
      else throw new ConntrackUsage(`Bad parameter \`${word}'`);
      continue;
    }
    let name: string;
    let value: string | undefined;
    if (word.startsWith('--')) {
      const equals = word.indexOf('=');
      name = equals < 0 ? word.slice(2) : word.slice(2, equals);
      value = equals < 0 ? undefined : word.slice(equals + 1);
      const command = COMMANDS.get(name);
      if (command !== undefined) {
        setCommand(call, command);
        continue;
      }
      name = LONG.get(name) ?? name;
    } else {
      name = word[1]!;
      value = word.length > 2 ? word.slice(2) : undefined;
      if ([...COMMANDS.values()].includes(name)) {
        setCommand(call, name);
        if (value !== undefined && TABLES.includes(value)) call.table = value;
        continue;
      }
    }
    const optional = OPTIONAL_VALUE.includes(name) && name.length === 1;
    const needs = (name.length === 1 && WITH_VALUE.includes(name)) || isProtocolOption(name, call.protocol);
    if (value === undefined && (needs || optional)) {
      const following = next();
      if (following !== undefined && !following.startsWith('-')) {
        value = following;
        i++;
      } else if (needs) throw new ConntrackUsage(`option \`${word}' requires an argument`);
    }
    if (!needs && !optional && name !== 'z') throw new ConntrackUsage(`unknown option \`${word}'`);
    apply(call, name, value);
  }
  return call;
}

function setCommand(call: ConntrackCall, command: string): void {
  if (call.command !== '' && call.command !== command) throw new ConntrackUsage("Can't use more than one command");
  call.command = command;
}

function protocolOf(text: string): number {
  const number = PROTOCOLS.get(text.toLowerCase());
  if (number === undefined) throw new ConntrackUsage(`\`${text}' unsupported protocol`);
  return number;
}

function isProtocolOption(name: string, protocol: number): boolean {
  if (PORT_OPTIONS.has(name)) return hasPorts(protocol);
  if (name === 'state') return protocol === IpProtocol.TCP;
  return /^icmp-(type|code|id)$/.test(name) && protocol === IpProtocol.ICMP;
}

function apply(call: ConntrackCall, name: string, value: string | undefined): void {
  const { tests } = call;
  switch (name) {
    case 's':
      call.source = addressTest(tests, value!, (ct) => ct.oSrc);
      return;
    case 'd':
      call.destination = addressTest(tests, value!, (ct) => ct.oDst);
      return;
    case 'r':
      addressTest(tests, value!, (ct) => ct.rSrc);
      return;
    case 'q':
      addressTest(tests, value!, (ct) => ct.rDst);
      return;
    case 'p': {
      const protocol = call.protocol;
      tests.push((ct) => ct.proto === protocol);
      return;
    }
    case 'f':
      if (value === 'ipv4') return;
      if (value !== 'ipv6') throw new ConntrackUsage(`\`${value}' unsupported protocol`);
      tests.push(() => false);
      return;
    case 'u': {
      let bits = 0;
      for (const status of value!.split(',')) {
        const bit = STATUSES.get(status);
        if (bit === undefined) throw new ConntrackUsage(`Bad parameter \`${status}'`);
        bits |= bit;
      }
      tests.push((ct) => (ct.status & bits) === bits);
      return;
    }
    case 'w': {
      const zone = numberOf(value!);
      tests.push((ct) => ct.oZone === zone || ct.rZone === zone);
      return;
    }
    case 'm': {
      const [wanted, mask] = value!.split('/').map(numberOf);
      const bits = mask ?? -1;
      call.mark = { value: wanted! | 0, mask: bits | 0 };
      if (call.command !== 'U') tests.push((ct) => (ct.mark & bits) >>> 0 === wanted! >>> 0);
      return;
    }
    case 'n':
    case 'g':
    case 'j':
      tests.push(natTest(name, value));
      return;
    case 'o':
      for (const kind of value!.split(',')) call.output.add(kind);
      return;
    case 'e':
      for (const kind of value!.split(',')) call.messages.add(kind.toUpperCase());
      return;
    case 't':
      if (call.command === 'E') throw new ConntrackUsage("Illegal option `--timeout' with this command");
      return;
    case 'state': {
      const state = TCP_STATE_NAMES.indexOf(value!);
      if (state < 0) throw new ConntrackUsage(`unknown TCP state \`${value}'`);
      tests.push((ct) => ct.tcp?.state === state);
      return;
    }
    case 'icmp-type':
    case 'icmp-code':
    case 'icmp-id': {
      const wanted = numberOf(value!);
      tests.push((ct) => icmpField(ct, name) === wanted);
      return;
    }
    default: {
      const field = PORT_OPTIONS.get(name);
      if (field === undefined) return;
      const port = numberOf(value!);
      if (field === 'oSport') call.sourcePort = port;
      else if (field === 'oDport') call.destinationPort = port;
      tests.push((ct) => ct[field] === port);
    }
  }
}

function icmpField(ct: NfConn, name: string): number {
  if (name === 'icmp-id') return ct.oSport;
  return name === 'icmp-type' ? ct.oDport >>> 8 : ct.oDport & 0xff;
}

function numberOf(text: string): number {
  const value = Number(text);
  if (text === '' || !Number.isInteger(value) || value < 0) throw new ConntrackUsage(`Bad parameter \`${text}'`);
  return value;
}

function addressTest(tests: ((ct: NfConn) => boolean)[], text: string, of: (ct: NfConn) => Ipv4): Ipv4 {
  const [host, length] = text.split('/');
  const address = parseIpv4(host ?? '');
  if (address === null) throw new ConntrackUsage(`Invalid IP address \`${text}'`);
  const mask = length === undefined ? -1 : maskIpv4(numberOf(length));
  tests.push((ct) => ((of(ct) ^ address) & mask) === 0);
  return address;
}

/** nfct_getobjopt(): what the tool takes for NAT; an ICMP identifier beside type and code passes for a changed port. */
function natTest(which: string, value: string | undefined): (ct: NfConn) => boolean {
  const [host, port] = (value ?? '').split(':');
  let address: Ipv4 | null = null;
  if (host !== undefined && host !== '') {
    address = parseIpv4(host);
    if (address === null) throw new ConntrackUsage(`Invalid IP address \`${host}'`);
  }
  const wantedPort = port === undefined ? -1 : numberOf(port);
  const source = (ct: NfConn): boolean => {
    if ((ct.status & CtStatus.SRC_NAT_DONE) === 0) return false;
    if (address !== null)
      return ct.rDst === address && ct.rDst !== ct.oSrc && (wantedPort < 0 || ct.rDport === wantedPort);
    return ct.rDst !== ct.oSrc || ct.rDport !== ct.oSport;
  };
  const destination = (ct: NfConn): boolean => {
    if ((ct.status & CtStatus.DST_NAT_DONE) === 0) return false;
    if (address !== null)
      return ct.rSrc === address && ct.rSrc !== ct.oDst && (wantedPort < 0 || ct.rSport === wantedPort);
    return ct.rSrc !== ct.oDst || ct.rSport !== ct.oDport;
  };
  if (which === 'n') return source;
  if (which === 'g') return destination;
  return (ct) => source(ct) || destination(ct);
}
