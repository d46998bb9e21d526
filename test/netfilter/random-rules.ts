// Rules and packets drawn from a seed: for holding one implementation against another.

import type { Rng } from '../../src/base/rng.ts';
import { sumBytes } from './sum-bytes.ts';

const USER_CHAINS = ['A', 'B', 'C'];

export interface RuleKinds {
  /** matches and targets whose kernel side has been compared; only those without conntrack and time */
  readonly stateful: boolean;
}

function pick<T>(rng: Rng, from: readonly T[]): T {
  return from[rng.below(from.length)]!;
}

const ADDRESSES = ['10.0.0.1', '10.0.0.2', '10.0.1.1', '10.1.0.7', '192.168.3.4'];
const PREFIXES = ['/32', '/24', '/16', '/8', '/255.0.255.0'];
const PORTS = [53, 80, 443, 1000, 30080];

/** What stands between the chain and the target. */
function matches(rng: Rng, kinds: RuleKinds): string {
  const not = (): string => (rng.chance(0.25) ? '! ' : '');
  let text = '';
  if (rng.chance(0.35)) text += `${not()}-s ${pick(rng, ADDRESSES)}${pick(rng, PREFIXES)} `;
  if (rng.chance(0.45)) text += `${not()}-d ${pick(rng, ADDRESSES)}${pick(rng, PREFIXES)} `;
  if (rng.chance(0.15)) text += `${not()}-o ${pick(rng, ['eth0', 'eth+', 'eth1', 'e+'])} `;
  const port = (): string => (rng.chance(0.7) ? String(pick(rng, PORTS)) : pick(rng, ['50:90', ':443', '1000:']));
  const protocol = pick(rng, ['', '', 'tcp', 'tcp', 'udp', 'icmp', 'notcp']);
  if (protocol === 'notcp') text += '! -p tcp ';
  else if (protocol !== '') text += `-p ${protocol} `;
  if (protocol === '' && rng.chance(0.1)) text += `${not()}-f `;
  const parts: string[] = [];
  if (protocol === 'tcp' || protocol === 'udp') {
    // One match of the protocol only: iptables puts what two say into the first.
    let own = '';
    if (rng.chance(0.3)) own += ` ${not()}--sport ${port()}`;
    if (rng.chance(0.6)) own += ` ${not()}--dport ${port()}`;
    if (protocol === 'tcp' && rng.chance(0.25)) {
      own += ` ${not()}--tcp-flags ${pick(rng, ['SYN,ACK SYN', 'ALL ACK', 'RST RST', 'FIN,SYN,RST,ACK SYN'])}`;
    }
    if (protocol === 'tcp' && rng.chance(0.05)) own += ` ${not()}--tcp-option 2`;
    if (own !== '' || rng.chance(0.1)) parts.push(`-m ${protocol}${own}`);
    if (rng.chance(0.15)) {
      const which = pick(rng, ['--dports', '--sports', '--ports']);
      parts.push(`-m multiport ${not()}${which} ${pick(rng, ['80,443', '53,1000:2000', '1:70,30080'])}`);
    }
  }
  if (protocol === 'icmp' && rng.chance(0.7)) {
    parts.push(`-m icmp ${not()}--icmp-type ${pick(rng, ['8', '0', '3', '3/1', 'any', '11/0'])}`);
  }
  if (rng.chance(0.12))
    parts.push(`-m mark ${not()}--mark ${pick(rng, ['0x1', '0x4000/0x4000', '0x0/0xff', '0x3/0x3'])}`);
  if (rng.chance(0.1)) parts.push(`-m length ${not()}--length ${pick(rng, ['28', '40:60', ':64', '61:'])}`);
  if (rng.chance(0.1)) parts.push(pick(rng, ['-m ttl --ttl-lt 64', '-m ttl --ttl-gt 10', '-m ttl ! --ttl-eq 63']));
  if (rng.chance(0.08)) parts.push(`-m dscp ${not()}--dscp ${pick(rng, ['0x00', '0x2e', '0x0a'])}`);
  if (rng.chance(0.08)) parts.push(`-m tos ${not()}--tos ${pick(rng, ['0x10/0x3f', '0xb8/0xff', '0x00/0xff'])}`);
  if (rng.chance(0.1)) parts.push(`-m iprange ${not()}--src-range 10.0.0.0-10.0.0.200`);
  if (rng.chance(0.1)) parts.push(`-m set ${not()}--match-set ${pick(rng, SET_MATCHES)}`);
  if (rng.chance(0.2)) parts.push('-m comment --comment "why not"');
  if (kinds.stateful && rng.chance(0.15)) parts.push(pick(rng, STATEFUL));
  return (
    text +
    shuffled(rng, parts)
      .map((p) => `${p} `)
      .join('')
  );
}

/** Sets that every rule set may ask; in the form of ipset restore. */
export const SETS = `create ip hash:ip family inet
create net hash:net family inet
create ipport hash:ip,port family inet
create ipportip hash:ip,port,ip family inet
create ipportnet hash:ip,port,net family inet
create netport hash:net,port family inet
create port bitmap:port range 0-65535
create both list:set size 8
add ip 10.0.0.1
add ip 192.168.3.4
add net 10.0.0.0/8
add net 10.1.0.0/16 nomatch
add net 10.1.0.7
add ipport 10.0.0.1,tcp:80
add ipport 10.0.0.2,udp:53
add ipport 10.0.0.2,icmp:8/0
add ipportip 10.0.0.1,tcp:80,10.0.0.2
add ipportip 10.0.0.2,udp:53,10.0.0.2
add ipportnet 10.0.0.1,tcp:80,10.0.0.0/16
add netport 10.0.0.0/16,tcp:443
add netport 10.0.0.0/24,udp:53
add port 80
add port 1000
add both ip
add both net
`;

const SET_MATCHES = [
  'ip src',
  'ip dst',
  'net src',
  'net dst',
  'net dst --return-nomatch',
  'ipport dst,dst',
  'ipport src,dst',
  'ipportip dst,dst,src',
  'ipportnet dst,dst,src',
  'netport dst,dst',
  'netport src,src',
  'port dst',
  'both src',
  'ipport dst',
  'ipportip dst,src',
  'ip dst,src,dst',
  'both dst',
];

const STATEFUL = [
  '-m statistic --mode nth --every 3 --packet 1',
  '-m statistic --mode nth ! --every 2 --packet 0',
  '-m limit --limit 1/hour --limit-burst 4',
  '-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 3 --hashlimit-mode srcip --hashlimit-name H',
  '-m hashlimit --hashlimit-above 1/hour --hashlimit-burst 2 --hashlimit-mode dstport,dstip --hashlimit-name I',
  '-m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 4 --hashlimit-mode srcip --hashlimit-srcmask 16 --hashlimit-name J',
  '-m recent --name R --set --rsource',
  '-m recent --name R --rcheck --rsource',
  '-m recent --name R --update --hitcount 3 --rsource',
  '-m recent --name R --rcheck --hitcount 2 --rttl --rsource',
  '-m recent --name D ! --update --rdest --mask 255.255.0.0',
  '-m recent --name D --set --rdest --mask 255.255.0.0',
  '-m recent --name R --remove --rsource',
];

function shuffled<T>(rng: Rng, items: readonly T[]): T[] {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = rng.below(i + 1);
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}

function target(rng: Rng, table: string, chain: string, before: string): string {
  const below = chain === 'OUTPUT' ? USER_CHAINS : USER_CHAINS.slice(USER_CHAINS.indexOf(chain) + 1);
  const choices = [
    '',
    '',
    '-j RETURN',
    '-j ACCEPT',
    '-j MARK --set-xmark 0x1/0x1',
    '-j MARK --set-xmark 0x4000/0x4000',
  ];
  for (const c of below) choices.push(`-j ${c}`, `-j ${c}`, `-g ${c}`);
  if (table === 'filter') choices.push('-j DROP');
  if (table === 'mangle') {
    choices.push('-j TTL --ttl-set 63', '-j TTL --ttl-dec 1', '-j TOS --set-tos 0x10/0x3f', '-j DSCP --set-dscp 0x2e');
    choices.push('-j MARK --set-xmark 0x3/0x0', '-j SET --add-set ip dst --exist', '-j SET --del-set ip src');
    choices.push(
      '-j SET --add-set ipport dst,dst --exist',
      '-j SET --del-set ipport src,dst',
      '-j SET --add-set port src',
    );
    if (/(^|[^!] )-p tcp/.test(before)) choices.push('-j TCPMSS --set-mss 1000', '-j TCPMSS --set-mss 400');
  }
  return pick(rng, choices);
}

/** A table for the OUTPUT hook in the form of iptables-restore. @param most rules of a chain */
export function randomTable(rng: Rng, table: 'mangle' | 'filter', most: number, kinds: RuleKinds): string {
  let text = `*${table}\n:OUTPUT ${table === 'filter' && rng.chance(0.3) ? 'DROP' : 'ACCEPT'} [0:0]\n`;
  for (const chain of USER_CHAINS) text += `:${chain} - [0:0]\n`;
  for (const chain of ['OUTPUT', ...USER_CHAINS]) {
    const n = 1 + rng.below(most);
    for (let i = 0; i < n; i++) {
      const asked = matches(rng, kinds);
      text += `-A ${chain} ${asked}${target(rng, table, chain, asked)}\n`;
    }
  }
  return `${text}COMMIT\n`;
}

/** A whole IPv4 packet: TCP, UDP, ICMP or a later fragment. */
export function randomPacket(rng: Rng): Uint8Array {
  const address = (): number[] => pick(rng, ADDRESSES).split('.').map(Number);
  const kind = pick(rng, ['tcp', 'tcp', 'udp', 'udp', 'icmp', 'fragment', 'gre']);
  const port = (): number => pick(rng, [...PORTS, 60, 2000, 40_000]);
  const two = (n: number): number[] => [n >> 8, n & 255];
  const payload = Array.from({ length: pick(rng, [0, 4, 20, 60]) }, (_, i) => i);
  let protocol = 17;
  let rest: number[];
  if (kind === 'tcp') {
    protocol = 6;
    const flags = pick(rng, [0x02, 0x10, 0x12, 0x04, 0x11]);
    const options = pick(rng, [[], [], [2, 4, 5, 0xb4], [1, 2, 4, 3, 0xe8, 1, 1, 0], [3, 3, 7, 0]]);
    const offset = (20 + options.length) << 2;
    rest = [...two(port()), ...two(port()), 0, 0, 0, 1, 0, 0, 0, 0, offset, flags, 0xff, 0xff, 0, 0, 0, 0, ...options];
    rest.push(...payload);
  } else if (kind === 'udp') rest = [...two(port()), ...two(port()), ...two(8 + payload.length), 0, 0, ...payload];
  else if (kind === 'icmp') {
    protocol = 1;
    rest = [
      ...pick(rng, [
        [8, 0],
        [0, 0],
        [3, 1],
        [3, 3],
        [11, 0],
      ]),
      0,
      0,
      0,
      1,
      0,
      1,
      ...payload,
    ];
  } else {
    protocol = kind === 'gre' ? 47 : pick(rng, [6, 17]);
    rest = [0, 0, 8, 0, ...payload, 1, 2, 3, 4];
  }
  const fragment = kind === 'fragment' ? 185 : 0;
  const tos = pick(rng, [0, 0, 0xb8, 0x10, 0x28]);
  const ttl = pick(rng, [64, 64, 63, 5]);
  const length = 20 + rest.length;
  const header = [
    0x45,
    tos,
    ...two(length),
    0x12,
    0x34,
    ...two(fragment),
    ttl,
    protocol,
    0,
    0,
    ...address(),
    ...address(),
  ];
  const bytes = Uint8Array.from([...header, ...rest]);
  const sum = sumBytes(bytes.subarray(0, 20));
  bytes[10] = sum >> 8;
  bytes[11] = sum & 255;
  return bytes;
}
