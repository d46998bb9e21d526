// What rules see of a packet (the kernel's struct nft_pktinfo and xt_action_param): where its headers lie in the frame
// arena and the fields that nearly every rule asks for, read once per hook. One mutable object serves a namespace: the
// packet path makes no object per packet.

import type { Ipv4 } from '../addr/ipv4.ts';
import type { Frame } from '../link/frame.ts';
import * as frames from '../link/frame.ts';
import * as ipv4 from '../wire/ipv4.ts';
import type { Hook } from './hook.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { frameEnd, frameStart, view } = frames;
const { IPV4_DESTINATION, IPV4_FRAGMENT, IPV4_LENGTH, IPV4_OFFSET, IPV4_PROTOCOL, IPV4_SOURCE } = ipv4;
const { TCP, UDP } = ipv4.IpProtocol;
const SCTP = 132;
const DCCP = 33;
const UDPLITE = 136;

export class Packet {
  frame: Frame = 0;
  hook: Hook = 0;
  /** ifindex it came in by, 0 for none; behind br_netfilter the bridge */
  inDevice = 0;
  /** ifindex it leaves by, 0 when not known */
  outDevice = 0;
  /** ifindex of the bridge ports it came in and leaves by (br_netfilter), 0 for none; whoever runs the hook sets them */
  physicalIn = 0;
  physicalOut = 0;
  /** true while the packet is being switched, not routed, by the bridge (br_netfilter, FORWARD and POST_ROUTING) */
  bridged = false;
  /** the match asked for the packet to be dropped (xt_action_param hotdrop) */
  hotDrop = false;
  /** offset of the IPv4 header in the arena */
  at = 0;
  /** offset of the first byte behind the packet */
  end = 0;
  /** offset of the transport header; in a later fragment: of its data */
  transport = 0;
  /** total length, bytes */
  length = 0;
  /** fragment offset in units of 8 bytes; ports are there only when it is 0 */
  fragment = 0;
  protocol = 0;
  source: Ipv4 = 0;
  destination: Ipv4 = 0;
  /** ports of TCP, UDP, UDP-Lite, SCTP and DCCP; -1 where there are none */
  sourcePort = -1;
  destinationPort = -1;
  /**
   * What stands where these ports would be, in later fragments too: nf_tables' payload expression does not look at the
   * fragment offset, so there `-m udp --dport 53` reads payload. -1 where the packet ends before.
   */
  rawSourcePort = -1;
  rawDestinationPort = -1;

  /** Takes up the IPv4 packet at frameStart[frame]. */
  load(frame: Frame, hook: Hook, inDevice: number, outDevice: number): void {
    this.frame = frame;
    this.hook = hook;
    this.inDevice = inDevice;
    this.outDevice = outDevice;
    this.physicalIn = 0;
    this.physicalOut = 0;
    this.bridged = false;
    this.reload();
  }

  /** Reads the fields anew: somebody has rewritten the packet. */
  reload(): void {
    const at = frameStart[this.frame]!;
    const length = view.getUint16(at + IPV4_LENGTH);
    const transport = at + (view.getUint8(at) & 15) * 4;
    const protocol = view.getUint8(at + IPV4_PROTOCOL);
    const fragment = view.getUint16(at + IPV4_FRAGMENT) & IPV4_OFFSET;
    const frameLimit = frameEnd[this.frame]!;
    const end = at + length < frameLimit ? at + length : frameLimit;
    this.at = at;
    this.end = end;
    this.length = length;
    this.transport = transport;
    this.fragment = fragment;
    this.protocol = protocol;
    this.source = view.getInt32(at + IPV4_SOURCE);
    this.destination = view.getInt32(at + IPV4_DESTINATION);
    this.hotDrop = false;
    const ported =
      protocol === TCP || protocol === UDP || protocol === SCTP || protocol === DCCP || protocol === UDPLITE;
    this.rawSourcePort = ported && transport + 2 <= end ? view.getUint16(transport) : -1;
    this.rawDestinationPort = ported && transport + 4 <= end ? view.getUint16(transport + 2) : -1;
    const whole = fragment === 0 && this.rawDestinationPort >= 0;
    this.sourcePort = whole ? this.rawSourcePort : -1;
    this.destinationPort = whole ? this.rawDestinationPort : -1;
  }
}
