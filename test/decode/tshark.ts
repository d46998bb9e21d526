// tshark as a judge: runs it with the options of the comparison and reads its PDML.

import { execFile, execFileSync } from 'node:child_process';

/** Without name resolution, with VXLAN on both ports, checksums verified, nothing reassembled or made relative. */
export const TSHARK_OPTIONS = [
  ...['-n', '-d', 'udp.port==8472,vxlan', '-d', 'udp.port==4789,vxlan'],
  ...['ip.check_checksum:TRUE', 'tcp.check_checksum:TRUE', 'udp.check_checksum:TRUE'].flatMap((o) => ['-o', o]),
  ...['ip.defragment:FALSE', 'ipv6.defragment:FALSE', 'tcp.desegment_tcp_streams:FALSE'].flatMap((o) => ['-o', o]),
  ...['-o', 'tcp.relative_sequence_numbers:FALSE'],
];

export interface TsharkPacket {
  /** every field in order of appearance: name, value form */
  readonly fields: ReadonlyMap<string, readonly string[]>;
  /** where an item of severity error or a malformed mark stands: the protocol and its place among the protocols, from 0 */
  readonly errors: readonly { readonly protocol: string; readonly depth: number }[];
}

/** The version, or null when tshark is not installed. */
export function tsharkVersion(): string | null {
  try {
    return execFileSync('tshark', ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split(
      '\n',
    )[0]!;
  } catch {
    return null;
  }
}

/** tshark's reading of a file; a broken file gives the packets before the defect. */
export function tsharkPackets(path: string): Promise<TsharkPacket[]> {
  return new Promise((resolve) => {
    execFile(
      'tshark',
      [...TSHARK_OPTIONS, '-r', path, '-T', 'pdml'],
      { encoding: 'latin1', maxBuffer: 1 << 30 },
      (_error, stdout) => resolve(parsePdml(stdout)),
    );
  });
}

/** Elements that PDML calls proto and that are no layers of the packet. */
const NOT_PROTOCOLS: ReadonlySet<string> = new Set([
  'geninfo',
  'frame',
  'fake-field-wrapper',
  '_ws.malformed',
  '_ws.short',
]);
const SEVERITY_ERROR = '8388608';
const ENTITIES: Readonly<Record<string, string>> = {
  '&lt;': '<',
  '&gt;': '>',
  '&amp;': '&',
  '&quot;': '"',
  '&#x27;': "'",
};

export function parsePdml(text: string): TsharkPacket[] {
  const packets: TsharkPacket[] = [];
  let fields = new Map<string, string[]>();
  let errors: { protocol: string; depth: number }[] = [];
  let open: { protocol: string; depth: number }[] = [];
  let depth = 0;
  for (const line of text.split('\n')) {
    if (line.startsWith('<packet>')) {
      fields = new Map();
      errors = [];
      open = [];
      depth = 0;
    } else if (line.startsWith('</packet>')) {
      packets.push({ fields, errors });
    } else {
      const tag = /^ *<(\/?)(proto|field)(?: name="([^"]*)")?/.exec(line);
      if (tag === null) continue;
      const name = tag[3] ?? '';
      if (tag[1] === '/') {
        if (tag[2] === 'proto') open.pop();
        continue;
      }
      const show = / show="([^"]*)"/.exec(line)?.[1] ?? '';
      if (tag[2] === 'proto') {
        if (name === '_ws.malformed') {
          const where = open.at(-1);
          const protocol =
            MALFORMED_NAMES[/Malformed Packet: ([^:\]]*)/.exec(line)?.[1] ?? ''] ?? where?.protocol ?? '';
          errors.push({ protocol, depth: where?.protocol === protocol ? where.depth : depth - 1 });
        }
        if (!line.trimEnd().endsWith('/>')) {
          open.push({ protocol: name, depth });
          if (!NOT_PROTOCOLS.has(name)) depth++;
        }
        continue;
      }
      if (name === '_ws.expert.severity' && show === SEVERITY_ERROR) {
        const where = open.at(-1);
        if (where !== undefined) errors.push(where);
      }
      if (name !== '')
        push(
          fields,
          name,
          show.replace(/&(?:lt|gt|amp|quot|#x27);/g, (e) => ENTITIES[e]!),
        );
    }
  }
  return packets;
}

/** The short names in "Malformed Packet: ..." of the protocols that we take apart. */
const MALFORMED_NAMES: Readonly<Record<string, string>> = {
  Ethernet: 'eth',
  'IEEE 802.1AD': 'ieee8021ad',
  VLAN: 'vlan',
  LLC: 'llc',
  ARP: 'arp',
  'ARP/RARP': 'arp',
  IPv4: 'ip',
  IPv6: 'ipv6',
  'IPv6 Hop-by-Hop': 'ipv6.hopopts',
  'IPv6 Routing': 'ipv6.routing',
  'IPv6 Fragment': 'ipv6.fraghdr',
  'IPv6 Destination': 'ipv6.dstopts',
  ICMP: 'icmp',
  IGMP: 'igmp',
  TCP: 'tcp',
  UDP: 'udp',
  VXLAN: 'vxlan',
  DNS: 'dns',
};

function push(map: Map<string, string[]>, key: string, value: string): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
