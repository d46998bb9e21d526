// Taking a frame apart for people and machines to read: layers with Wireshark's field names and tshark's value forms.
// Any bytes give a dissection; what cannot be read is named in `malformed` or `truncated` and what stands before it is
// still there. A new protocol is one file in dissect/ and one row here.

import { dissectArp } from './dissect/arp.ts';
import { type Dissection, Dissector, type DissectTables } from './dissect/dissection.ts';
import { dissectDns, dissectDnsTcp } from './dissect/dns.ts';
import { dissectEthernet, dissectTunnelledEthernet } from './dissect/ethernet.ts';
import { dissectIcmp } from './dissect/icmp.ts';
import { dissectIgmp } from './dissect/igmp.ts';
import { dissectIp, dissectIpInIp, dissectIpv4 } from './dissect/ipv4.ts';
import { dissectIpv6, dissectIpv6InIp } from './dissect/ipv6.ts';
import { dissectTcp } from './dissect/tcp.ts';
import { dissectUdp } from './dissect/udp.ts';
import { dissectVxlan } from './dissect/vxlan.ts';
import { DNS_PORT } from './dns.ts';
import { EtherType } from './ethernet.ts';
import { IpProtocol } from './ipv4.ts';
import { VXLAN_PORT, VXLAN_PORT_LINUX } from './vxlan.ts';

export type { Dissection, Field, Flaw, Layer } from './dissect/dissection.ts';
export { LAYERS_MAX, TUNNELS_MAX } from './dissect/dissection.ts';

const TABLES: DissectTables = {
  ethernet: dissectTunnelledEthernet,
  ip: dissectIp,
  etherTypes: new Map([
    [EtherType.IPV4, dissectIpv4],
    [EtherType.ARP, dissectArp],
    [EtherType.IPV6, dissectIpv6],
  ]),
  ipProtocols: new Map([
    [IpProtocol.ICMP, dissectIcmp],
    [IpProtocol.IGMP, dissectIgmp],
    [IpProtocol.IPIP, dissectIpInIp],
    [IpProtocol.TCP, dissectTcp],
    [IpProtocol.UDP, dissectUdp],
    [IpProtocol.IPV6, dissectIpv6InIp],
  ]),
  udpPorts: new Map([
    [VXLAN_PORT, dissectVxlan],
    [VXLAN_PORT_LINUX, dissectVxlan],
    [DNS_PORT, dissectDns],
  ]),
  tcpPorts: new Map([[DNS_PORT, dissectDnsTcp]]),
};

/**
 * Dissects an Ethernet frame.
 * @param bytes the captured bytes
 * @param length bytes that were on the wire; larger than bytes.length when a snap length cut the frame
 */
export function dissectFrame(bytes: Uint8Array, length: number = bytes.length): Dissection {
  const wire = Math.max(length, bytes.length);
  const d = new Dissector(bytes, wire, TABLES);
  dissectEthernet(d, 0, wire);
  return { layers: d.layers, malformed: d.malformed, truncated: d.truncated, protocols: d.protocols.join(':') };
}
