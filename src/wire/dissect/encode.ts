// The way back: a dissection's fields become the frame's bytes again. It reads the field values only, never the original
// bytes, so a test that gets the same frame back has proved that the dissection loses nothing.

import { parseIpv4 } from '../../addr/ipv4.ts';
import { IPV6_BYTES, parseIpv6 } from '../../addr/ipv6.ts';
import { parseMac } from '../../addr/mac.ts';
import type { Field, Layer } from './dissection.ts';

/** How a field goes back: bits of an unsigned number, an address, octets, or nothing (a second view of the same bits). */
type Form = number | 'mac' | 'ipv4' | 'ipv6' | 'octets' | 'hex' | 'none';

/** Fields in front of the inner layers. Names that are not here are second views. */
const FORMS: ReadonlyMap<string, Form> = new Map<string, Form>([
  ...each('mac', 'eth.dst', 'eth.src', 'arp.src.hw_mac', 'arp.dst.hw_mac'),
  ...each('ipv4', 'arp.src.proto_ipv4', 'arp.dst.proto_ipv4', 'ip.src', 'ip.dst', 'ip.cur_rt'),
  ...each('ipv4', 'icmp.redir_gw', 'icmp.address_mask'),
  ...each(
    'octets',
    'arp.src.hw',
    'arp.src.proto',
    'arp.dst.hw',
    'arp.dst.proto',
    'icmp.unused',
    'data.data',
    'tcp.options',
  ),
  ...each('octets', 'igmp.reserved', 'igmp.aux_data'),
  ...each('ipv4', 'igmp.maddr', 'igmp.saddr'),
  ...each(8, 'igmp.type', 'igmp.max_resp', 'igmp.query', 'igmp.qqic', 'igmp.record_type', 'igmp.aux_data_len'),
  ...each(16, 'igmp.checksum', 'igmp.num_src', 'igmp.num_grp_recs'),
  ...each('hex', 'ip.options', 'ipv6.extension', 'dns.message'),
  ...each(16, 'dns.length'),
  ...each('ipv6', 'ipv6.src', 'ipv6.dst'),
  ...each(1, 'ipv6.fraghdr.more'),
  ...each(2, 'ipv6.fraghdr.reserved_bits'),
  ...each(8, 'ipv6.tclass', 'ipv6.nxt', 'ipv6.hlim', 'ipv6.fraghdr.nxt', 'ipv6.fraghdr.reserved_octet'),
  ...each(8, 'ipv6.hopopts.nxt', 'ipv6.hopopts.len', 'ipv6.dstopts.nxt', 'ipv6.dstopts.len'),
  ...each(8, 'ipv6.routing.nxt', 'ipv6.routing.len'),
  ...each(13, 'ipv6.fraghdr.offset'),
  ...each(16, 'ipv6.plen'),
  ...each(20, 'ipv6.flow'),
  ...each(32, 'ipv6.fraghdr.ident'),
  ...each(1, 'vlan.dei', 'ieee8021ad.dei', 'ip.flags.rb', 'ip.flags.df', 'ip.flags.mf', 'icmp.ext.echo.req.local'),
  ...each(1, 'icmp.ext.echo.rsp.active', 'icmp.ext.echo.rsp.ipv4', 'icmp.ext.echo.rsp.ipv6'),
  ...each(2, 'icmp.ext.echo.rsp.res'),
  ...each(3, 'vlan.priority', 'ieee8021ad.priority', 'icmp.ext.echo.rsp.state'),
  ...each(4, 'ip.version', 'ip.hdr_len', 'tcp.hdr_len'),
  ...each(7, 'icmp.ext.echo.req.res'),
  ...each(8, 'llc.dsap', 'llc.ssap', 'arp.hw.size', 'arp.proto.size', 'ip.dsfield', 'ip.ttl', 'ip.proto'),
  ...each(8, 'icmp.type', 'icmp.code', 'icmp.pointer', 'icmp.num_addrs', 'icmp.addr_entry_size', 'icmp.ext.echo.seq'),
  ...each(8, 'vxlan.reserved8'),
  ...each(12, 'tcp.flags', 'vlan.id', 'ieee8021ad.id', 'ieee8021ad.svid', 'ieee8021ad.cvid'),
  ...each(13, 'ip.frag_offset'),
  ...each(16, 'eth.type', 'eth.len', 'eth.invalid_lentype', 'vlan.etype', 'vlan.len', 'ieee8021ah.etype'),
  ...each(
    16,
    'ieee8021ah.len',
    'ieee8021ad.tpid',
    'llc.type',
    'llc.pid',
    'llc.cisco_pid',
    'arp.hw.type',
    'arp.proto.type',
    'arp.opcode',
  ),
  ...each(16, 'ip.len', 'ip.id', 'ip.checksum', 'icmp.checksum', 'icmp.ident', 'icmp.seq', 'icmp.mtu', 'icmp.lifetime'),
  ...each(16, 'udp.srcport', 'udp.dstport', 'udp.length', 'udp.checksum', 'vxlan.flags', 'vxlan.gbp'),
  ...each(16, 'tcp.srcport', 'tcp.dstport', 'tcp.window_size_value', 'tcp.checksum', 'tcp.urgent_pointer'),
  ...each(24, 'llc.oui', 'vxlan.vni'),
  ...each(
    32,
    'tcp.seq',
    'tcp.seq_raw',
    'tcp.ack_raw',
    'icmp.originate_timestamp',
    'icmp.receive_timestamp',
    'icmp.transmit_timestamp',
  ),
]);

/** Fields behind the inner layers, in the order of the wire. */
const TRAILERS: ReadonlyMap<string, Form> = new Map<string, Form>([
  ...each('octets', 'eth.padding', 'eth.trailer', 'vlan.trailer', 'ieee8021ah.trailer'),
  ...each(32, 'eth.fcs'),
]);

/** The bytes of a header's options; the fields behind are readings of them. */
const OPTIONS: ReadonlySet<string> = new Set(['ip.options', 'ipv6.extension', 'tcp.options']);

function each(form: Form, ...names: string[]): [string, Form][] {
  return names.map((name) => [name, form]);
}

/** The bytes of a dissected frame; of a malformed or truncated one, the part that its fields cover. */
export function encodeLayers(layers: readonly Layer[]): Uint8Array {
  const out = new BitWriter();
  for (const layer of layers) header(out, layer);
  for (let i = layers.length - 1; i >= 0; i--) {
    const layer = layers[i]!;
    out.hex(layer.rest);
    for (const field of layer.fields) {
      const form = TRAILERS.get(field.name);
      if (form !== undefined) write(out, field.shown ? form : 'hex', field.value);
    }
  }
  return out.bytes();
}

function header(out: BitWriter, layer: Layer): void {
  for (const field of layer.fields) {
    if (field.name === 'llc.control') {
      llcControl(out, Number(field.value));
      continue;
    }
    const form = FORMS.get(field.name) ?? 'none';
    if (form === 'none' || (field.shown && hasHidden(layer.fields, field.name))) continue;
    if (field.name === 'ip.hdr_len' || field.name === 'tcp.hdr_len') out.bits(Number(field.value) / 4, 4);
    else write(out, form, field.value);
    if (OPTIONS.has(field.name)) break;
  }
}

/** A hidden value stands for what the header says where the shown one is what it means. */
function hasHidden(fields: readonly Field[], name: string): boolean {
  return fields.some((f) => !f.shown && f.name === name);
}

/** Unnumbered control fields take a byte, the others two, least significant byte first as tshark reads them. */
function llcControl(out: BitWriter, control: number): void {
  if ((control & 3) === 3) out.bits(control, 8);
  else {
    out.bits(control & 255, 8);
    out.bits(control >>> 8, 8);
  }
}

function write(out: BitWriter, form: Form, value: string): void {
  if (typeof form === 'number') out.bits(Number(value), form);
  else if (form === 'mac') out.bits(parseMac(value) ?? 0, 48);
  else if (form === 'ipv4') out.bits((parseIpv4(value) ?? 0) >>> 0, 32);
  else if (form === 'ipv6') {
    for (const byte of parseIpv6(value) ?? new Uint8Array(IPV6_BYTES)) out.bits(byte, 8);
  } else if (form === 'octets') out.hex(value.replaceAll(':', ''));
  else if (form === 'hex') out.hex(value);
}

/** Appends big-endian numbers of any width up to 48 bits; whole bytes at the end of every header. */
class BitWriter {
  readonly #bytes: number[] = [];
  #pending = 0;
  #count = 0;

  bits(value: number, width: number): void {
    for (let left = width; left > 0; ) {
      const take = Math.min(left, 8 - this.#count);
      const part = Math.floor(value / 2 ** (left - take)) % 2 ** take;
      this.#pending = this.#pending * 2 ** take + part;
      this.#count += take;
      left -= take;
      if (this.#count === 8) {
        this.#bytes.push(this.#pending);
        this.#pending = 0;
        this.#count = 0;
      }
    }
  }

  hex(text: string): void {
    for (let i = 0; i + 2 <= text.length; i += 2) this.bits(Number.parseInt(text.slice(i, i + 2), 16), 8);
  }

  bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}
