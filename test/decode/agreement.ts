// Where our record of a packet and tshark's differ, for the layers that we take apart
// (field table and rules: decode-vs-tshark.md of the shared corpora).

import type { PacketRecord } from '../../src/capture/dissection.ts';
import type { TsharkPacket } from './tshark.ts';

/** Protocols that we take apart, under tshark's names. */
const OURS: ReadonlySet<string> = new Set([
  'eth',
  'vlan',
  'ieee8021ad',
  'llc',
  'arp',
  'ip',
  'icmp',
  'tcp',
  'udp',
  'vxlan',
  'dns',
  'ipv6',
  'igmp',
  'ipv6.hopopts',
  'ipv6.routing',
  'ipv6.fraghdr',
  'ipv6.dstopts',
]);

/** Every field that is compared, occurrence by occurrence. */
const COMPARED: readonly string[] = [
  ...['frame.number', 'frame.len', 'frame.cap_len', 'frame.time_epoch'],
  ...['eth.dst', 'eth.src', 'eth.type', 'eth.len', 'eth.padding', 'eth.trailer', 'eth.fcs'],
  ...['vlan.id', 'vlan.priority', 'vlan.dei', 'vlan.etype', 'vlan.len', 'vlan.trailer'],
  ...[
    'ieee8021ad.id',
    'ieee8021ad.svid',
    'ieee8021ad.cvid',
    'ieee8021ad.priority',
    'ieee8021ad.dei',
    'ieee8021ah.etype',
  ],
  ...['llc.dsap', 'llc.ssap', 'llc.control', 'llc.type'],
  ...['arp.hw.type', 'arp.proto.type', 'arp.hw.size', 'arp.proto.size', 'arp.opcode'],
  ...['arp.src.hw_mac', 'arp.src.proto_ipv4', 'arp.dst.hw_mac', 'arp.dst.proto_ipv4'],
  ...['arp.src.hw', 'arp.src.proto', 'arp.dst.hw', 'arp.dst.proto'],
  ...['ip.version', 'ip.hdr_len', 'ip.dsfield', 'ip.dsfield.dscp', 'ip.dsfield.ecn', 'ip.len', 'ip.id', 'ip.flags'],
  ...['ip.flags.rb', 'ip.flags.df', 'ip.flags.mf', 'ip.frag_offset', 'ip.ttl', 'ip.proto', 'ip.checksum'],
  ...['ip.checksum.status', 'ip.src', 'ip.dst', 'ip.cur_rt', 'ip.opt.type', 'ip.opt.len', 'ip.opt.ptr'],
  ...['ip.opt.overflow', 'ip.opt.flag', 'ip.opt.time_stamp', 'ip.opt.time_stamp_addr', 'ip.opt.ra'],
  ...['ip.rec_rt', 'ip.src_rt', 'ip.empty_rt'],
  ...['ipv6.version', 'ipv6.tclass', 'ipv6.tclass.dscp', 'ipv6.tclass.ecn', 'ipv6.flow', 'ipv6.plen', 'ipv6.nxt'],
  ...[
    'ipv6.hlim',
    'ipv6.src',
    'ipv6.dst',
    'ipv6.hopopts.nxt',
    'ipv6.hopopts.len',
    'ipv6.dstopts.nxt',
    'ipv6.dstopts.len',
  ],
  ...['ipv6.routing.nxt', 'ipv6.routing.len', 'ipv6.routing.type', 'ipv6.routing.segleft', 'ipv6.routing.src.addr'],
  ...['ipv6.routing.srh.addr', 'ipv6.fraghdr.nxt', 'ipv6.fraghdr.offset', 'ipv6.fraghdr.more', 'ipv6.fraghdr.ident'],
  ...['ipv6.opt.type', 'ipv6.opt.length', 'ipv6.opt.padn', 'ipv6.opt.router_alert', 'ipv6.opt.jumbo'],
  ...['igmp.version', 'igmp.type', 'igmp.max_resp', 'igmp.reserved', 'igmp.checksum', 'igmp.checksum.status'],
  ...['igmp.maddr', 'igmp.s', 'igmp.qrv', 'igmp.qqic', 'igmp.num_src', 'igmp.saddr', 'igmp.num_grp_recs'],
  ...['igmp.record_type', 'igmp.aux_data_len', 'igmp.aux_data'],
  ...['icmp.type', 'icmp.code', 'icmp.checksum', 'icmp.checksum.status', 'icmp.ident', 'icmp.ident_le', 'icmp.seq'],
  ...['icmp.seq_le', 'icmp.mtu', 'icmp.redir_gw', 'icmp.pointer', 'icmp.num_addrs', 'icmp.addr_entry_size'],
  ...['icmp.lifetime', 'icmp.address_mask', 'icmp.ext.echo.seq', 'icmp.ext.echo.req.local'],
  ...['tcp.srcport', 'tcp.dstport', 'tcp.seq_raw', 'tcp.ack_raw', 'tcp.hdr_len', 'tcp.flags', 'tcp.flags.ae'],
  ...['tcp.flags.cwr', 'tcp.flags.ece', 'tcp.flags.urg', 'tcp.flags.ack', 'tcp.flags.push', 'tcp.flags.reset'],
  ...['tcp.flags.syn', 'tcp.flags.fin', 'tcp.window_size_value', 'tcp.checksum', 'tcp.checksum.status'],
  ...['tcp.urgent_pointer', 'tcp.len', 'tcp.options', 'tcp.options.mss_val', 'tcp.options.wscale.shift'],
  ...['tcp.options.sack_perm', 'tcp.options.sack_le', 'tcp.options.sack_re'],
  ...['tcp.options.timestamp.tsval', 'tcp.options.timestamp.tsecr'],
  ...['udp.srcport', 'udp.dstport', 'udp.length', 'udp.checksum', 'udp.checksum.status'],
  ...['dns.id', 'dns.flags', 'dns.flags.response', 'dns.flags.opcode', 'dns.flags.rcode', 'dns.flags.authoritative'],
  ...['dns.flags.truncated', 'dns.flags.recdesired', 'dns.flags.recavail', 'dns.flags.z', 'dns.flags.checkdisable'],
  ...[
    'dns.count.queries',
    'dns.count.answers',
    'dns.count.auth_rr',
    'dns.count.add_rr',
    'dns.qry.name',
    'dns.qry.type',
  ],
  ...['dns.qry.class', 'dns.resp.name', 'dns.resp.type', 'dns.resp.class', 'dns.resp.ttl', 'dns.resp.len', 'dns.a'],
  ...[
    'dns.aaaa',
    'dns.ns',
    'dns.cname',
    'dns.ptr.domain_name',
    'dns.soa.mname',
    'dns.soa.rname',
    'dns.srv.target',
    'dns.srv.name',
  ],
  ...['dns.soa.serial_number', 'dns.soa.minimum_ttl', 'dns.srv.priority', 'dns.srv.weight', 'dns.srv.port'],
  ...[
    'dns.mx.preference',
    'dns.mx.mail_exchange',
    'dns.rr.udp_payload_size',
    'dns.opt.code',
    'dns.opt.len',
    'dns.length',
  ],
  ...['vxlan.flags', 'vxlan.gbp', 'vxlan.vni', 'vxlan.reserved8', 'vxlan.flag_i', 'vxlan.flag_g'],
];

const TRAILERS: ReadonlySet<string> = new Set(['eth.padding', 'eth.trailer', 'eth.fcs', 'vlan.trailer']);

/**
 * Where tshark says something else than the wire. Each entry: which fields of which packets are not compared, and why.
 */
const DEVIATIONS: readonly {
  readonly why: string;
  applies(protocols: string[], field: string, types: readonly string[]): boolean;
}[] = [
  {
    why: 'tshark guesses that trailing bytes are an F5 or VSS trailer and shows no eth.trailer then',
    applies: (protocols, field) => TRAILERS.has(field) && /f5ethtrailer|vssmonitoring/.test(protocols.join()),
  },
  {
    why: 'tshark shows the types in the bitmap of an NSEC record under the name of a record type',
    applies: (_protocols, field, types) => field === 'dns.resp.type' && types.some((t) => t === '47' || t === '50'),
  },
  {
    why: 'tshark 4.0 takes IGMPv3 apart twice and loses the padding behind it',
    applies: (protocols, field) => protocols.join(':').endsWith('igmp:igmp') && TRAILERS.has(field),
  },
];

/** tshark keeps lengths as signed 32-bit numbers. */
const TSHARK_LENGTH_MAX = '2147483647';

function list(value: string | string[] | undefined): readonly string[] {
  return value === undefined ? [] : typeof value === 'string' ? [value] : value;
}

/**
 * What we call malformed and tshark only warns of: the limits on tags and tunnels, IPv4 and TCP options with an impossible
 * length, and SACK without a block (which breaks tshark when the acknowledgement is below 2^31, and only then),
 * and IPv6 options that exceed their header and not the packet; names of DNS whose labels or pointers lead out of them.
 */
const STRICTER =
  /^too many|^option \d+ has an impossible length$|^SACK option without a block$|^option \d+ exceeds the header$|^a (label is cut|pointer does not point backwards)$/;

/** tshark prints a dot inside a label as it is. */
function unescapedDots(text: string): string {
  return text.replaceAll('\\.', '.');
}

/** Types whose data we keep as bytes and tshark takes apart: what is wrong inside them is for it alone to find. */
const OPAQUE: ReadonlySet<string> = new Set(['64', '65']);

/** Differences as sentences; empty when both agree. */
export function differences(record: PacketRecord, tshark: TsharkPacket): string[] {
  const found: string[] = [];
  const time = tshark.fields.get('frame.time_epoch')?.[0];
  const brokenTime = time !== undefined && !/^\d+\.\d{9}$/.test(time);
  const theirs = (tshark.fields.get('frame.protocols')?.[0] ?? '').split(':').filter((p) => p !== 'ethertype');
  const ours = String(record['frame.protocols'] ?? '')
    .split(':')
    .filter((p) => p !== 'ethertype');
  const malformed = list(record._malformed)[0];
  // What stands behind our last layer is not ours to compare: then tshark may have more occurrences.
  const open = ours.at(-1) === 'data' || malformed !== undefined || record._truncated !== undefined;
  if (ours.at(-1) === 'data') ours.pop();

  for (const [i, name] of ours.entries()) {
    if (theirs[i] === name) continue;
    // tshark names no layer for IPv6 of another version, though it shows the version and calls it an error.
    if (name === 'ipv6' && list(record['ipv6.version']).at(-1) !== '6') break;
    found.push(`layers ${ours.join(':')}, tshark ${theirs.join(':')}`);
    break;
  }
  for (const name of COMPARED) {
    if (DEVIATIONS.some((d) => d.applies(theirs, name, list(record['dns.resp.type'])))) continue;
    // A file whose microseconds are a second or more, or whose length has bit 31: tshark prints the overflow.
    if (name === 'frame.time_epoch' && brokenTime) continue;
    if (name === 'frame.len' && tshark.fields.get(name)?.[0] === TSHARK_LENGTH_MAX) continue;
    const a = name.startsWith('dns.') ? list(record[name]).map(unescapedDots) : list(record[name]);
    const b = tshark.fields.get(name) ?? [];
    const count = Math.max(a.length, open && !name.startsWith('frame.') ? 0 : b.length);
    for (let k = 0; k < count; k++) {
      if (a[k] === b[k]) continue;
      found.push(`${name}[${k}] ${a[k] ?? '(absent)'}, tshark ${b[k] ?? '(absent)'}`);
      break;
    }
  }
  // An error of tshark in one of the layers that we read obliges us to flag that layer or an earlier one.
  const opaque = list(record['dns.resp.type']).some((t) => OPAQUE.has(t));
  const errors = tshark.errors.filter(
    (e) => e.depth < ours.length && OURS.has(e.protocol) && !(opaque && e.protocol === 'dns'),
  );
  const first = errors[0];
  if (first !== undefined) {
    const depth = malformed === undefined ? Number.POSITIVE_INFINITY : ours.indexOf(malformed);
    const theirDepth = ours.indexOf(first.protocol, Math.max(0, first.depth));
    if (depth > (theirDepth < 0 ? first.depth : theirDepth))
      found.push(`tshark has an error in ${first.protocol}, ours: ${malformed}`);
  } else if (malformed !== undefined && !STRICTER.test(list(record._malformed_reason)[0] ?? '')) {
    found.push(`flagged ${malformed} (${record._malformed_reason}), tshark finds no error`);
  }
  return found;
}
