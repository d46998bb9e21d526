// The address and port ranges of NAT targets as people write them: `10.0.0.1-10.0.0.9:8000-8010`.

import { formatIpv4 } from '../../../addr/ipv4.ts';
import { type NatRange, NatRangeFlag, natRange } from '../../conntrack/nat-range.ts';
import { RuleError } from '../extension-option.ts';
import { numericAddress, unsigned } from '../option-text.ts';

/** Protocols whose ports NAT can choose: TCP, UDP, SCTP, DCCP, ICMP (its identifier). */
const WITH_PORTS: readonly number[] = [6, 17, 132, 33, 1];

/** @param protocol of the rule; ports need one that has them */
export function parseNatRange(text: string, protocol: number, inverted: boolean): NatRange {
  const range = natRange({});
  const colon = text.indexOf(':');
  const addresses = colon < 0 ? text : text.slice(0, colon);
  if (colon >= 0) {
    if (inverted || !WITH_PORTS.includes(protocol)) {
      throw new RuleError('Need TCP, UDP, SCTP or DCCP with port specification');
    }
    parsePorts(text.slice(colon + 1), range);
  }
  if (addresses === '') return range;
  range.flags |= NatRangeFlag.MAP_IPS;
  const dash = addresses.indexOf('-');
  range.minAddress = parseAddress(dash < 0 ? addresses : addresses.slice(0, dash));
  range.maxAddress = dash < 0 ? range.minAddress : parseAddress(addresses.slice(dash + 1));
  return range;
}

function parseAddress(text: string): number {
  const address = numericAddress(text);
  if (address === null) throw new RuleError(`Bad IP address "${text}"`);
  return address;
}

/** "80", "8000-8010", "8000-8010/9000" */
export function parsePorts(text: string, range: NatRange): void {
  range.flags |= NatRangeFlag.PROTO_SPECIFIED;
  if (/:/.test(text)) throw new RuleError('Invalid port:port syntax - use dash\n');
  const m = /^([^-/]*)(?:-([^/]*))?(?:\/(.*))?$/.exec(text)!;
  const read = (part: string, whole: string): number => {
    const port = unsigned(part, 0xffff);
    if (port === null) throw new RuleError(`Port \`${whole}' not valid`);
    return port;
  };
  range.minPort = read(m[1]!, text);
  range.maxPort = m[2] === undefined ? range.minPort : read(m[2], m[2]);
  if (range.maxPort < range.minPort) throw new RuleError(`Port range \`${m[2]}' funky`);
  if (m[3] !== undefined) {
    range.basePort = read(m[3], m[3]);
    range.flags |= NatRangeFlag.PROTO_OFFSET;
  }
}

export function natRangeText(range: NatRange): string {
  let text = '';
  if ((range.flags & NatRangeFlag.MAP_IPS) !== 0) {
    text += formatIpv4(range.minAddress);
    if (range.maxAddress !== range.minAddress) text += `-${formatIpv4(range.maxAddress)}`;
  }
  if ((range.flags & NatRangeFlag.PROTO_SPECIFIED) !== 0) text += `:${portsText(range)}`;
  return text;
}

export function portsText(range: NatRange): string {
  let text = String(range.minPort);
  if (range.maxPort !== range.minPort) text += `-${range.maxPort}`;
  if ((range.flags & NatRangeFlag.PROTO_OFFSET) !== 0) text += `/${range.basePort}`;
  return text;
}

/** --random, --random-fully and --persistent, each as `before` + name. */
export function natFlagsText(range: NatRange, before: string): string {
  let text = '';
  if ((range.flags & NatRangeFlag.PROTO_RANDOM) !== 0) text += `${before}random`;
  if ((range.flags & NatRangeFlag.PROTO_RANDOM_FULLY) !== 0) text += `${before}random-fully`;
  if ((range.flags & NatRangeFlag.PERSISTENT) !== 0) text += `${before}persistent`;
  return text;
}

/** Takes one of the flag options; false when it is none of them. */
export function parseNatFlag(name: string, range: NatRange): boolean {
  const flag =
    name === 'random'
      ? NatRangeFlag.PROTO_RANDOM
      : name === 'random-fully'
        ? NatRangeFlag.PROTO_RANDOM_FULLY
        : name === 'persistent'
          ? NatRangeFlag.PERSISTENT
          : 0;
  range.flags |= flag;
  return flag !== 0;
}
