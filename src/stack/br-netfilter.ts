// Bridge netfilter (net/bridge/br_netfilter_hooks.c): IPv4 that is only switched passes the hooks all the same, so that a
// pod reaches a Service whose endpoint is on the same bridge, and so that its answers are recognised.
//
//   port -> PRE_ROUTING -> bridge -> FORWARD -> POST_ROUTING -> port
//                |  destination changed?
//                +-> its route leaves by another device: to the bridge's own MAC, up to be routed
//                +-> its route leaves by this bridge: to the MAC of the new neighbour, from the MAC that sent it, TTL untouched

import { DropReason } from '../base/drop-reason.ts';
import type { Bridge } from '../link/bridge.ts';
import type { BridgeNetfilter } from '../link/bridge-netfilter.ts';
import type { BridgePort } from '../link/bridge-port.ts';
import * as frames from '../link/frame.ts';
import { type Frame, freeFrame, sumArena } from '../link/frame.ts';
import { HOOK_STOLEN, Hook } from '../netfilter/hook.ts';
import * as ethernet from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import { checkIpv4 } from '../wire/ipv4.ts';
import { ipFragment } from './ip-fragment.ts';
import { DefragUser } from './ip-reassembly.ts';
import type { NetNamespace } from './netns.ts';
import { type Dst, DstKind } from './route-cache.ts';
import { InputVerdict } from './route-input.ts';

const { FrameNf, frameCtInfo, frameEnd, frameFragmentSize, frameNf, framePort, frameStart, NO_FRAME, u8, view } =
  frames;
const { ETH_DESTINATION, ETH_HEADER, ETH_SOURCE } = ethernet;
const { IPV4_DESTINATION, IPV4_FRAGMENT, IPV4_LENGTH, IPV4_MF, IPV4_OFFSET, IPV4_SOURCE } = ipv4;
/** Name of the switch. */
const SYSCTL = 'net.bridge.bridge-nf-call-iptables';
/** Where the Ethernet header of a frame waits while a neighbour writes over it: bytes in front of the IPv4 header. */
const SAVED = 32;

export class BrNetfilter implements BridgeNetfilter {
  readonly #netns: NetNamespace;
  readonly #bridge: Bridge;
  #generation = -1;
  #enabled = false;

  constructor(netns: NetNamespace, bridge: Bridge) {
    this.#netns = netns;
    this.#bridge = bridge;
  }

  get active(): boolean {
    const { fib, sysctl } = this.#netns;
    // Every sysctl that is written counts a generation up.
    if (this.#generation !== fib.generation) {
      this.#generation = fib.generation;
      this.#enabled = sysctl.get(SYSCTL) !== '0';
    }
    return this.#enabled;
  }

  /** br_nf_pre_routing(), br_nf_pre_routing_finish() */
  preRouting(given: Frame, port: BridgePort): Frame {
    const netns = this.#netns;
    const idev = netns.inDevice(this.#bridge.dev);
    let frame = given;
    let at = frameStart[frame]! + ETH_HEADER;
    // br_validate_ipv4()
    if (!checkIpv4(view, at, frameEnd[frame]!)) {
      port.dev.end(frame, DropReason.IP_INHDR);
      return NO_FRAME;
    }
    if (sumArena(at, at + (view.getUint8(at) & 15) * 4) !== 0xffff) {
      port.dev.end(frame, DropReason.IP_CSUM);
      return NO_FRAME;
    }
    frameEnd[frame] = at + view.getUint16(at + IPV4_LENGTH);
    frameStart[frame] = at;
    framePort[frame] = port.dev.index;
    frameNf[frame] = 0;
    const netfilter = netns.netfilter!;
    if (
      netfilter.defragments &&
      frameCtInfo[frame] === 0 &&
      (view.getUint16(at + IPV4_FRAGMENT) & (IPV4_MF | IPV4_OFFSET)) !== 0
    ) {
      frame = netns.reassembly.take(idev, frame, DefragUser.CONNTRACK_BRIDGE_IN);
      if (frame === NO_FRAME) return NO_FRAME;
      at = frameStart[frame]!;
    }
    const before = view.getInt32(at + IPV4_DESTINATION);
    const verdict = netfilter.runBridged(Hook.PRE_ROUTING, frame, this.#bridge.dev.index, 0, 0);
    if (verdict !== 0) {
      if (verdict !== HOOK_STOLEN) port.dev.end(frame, verdict);
      return NO_FRAME;
    }
    const destination = view.getInt32(at + IPV4_DESTINATION);
    if (destination !== before) return this.#redirect(frame, port, destination);
    frameStart[frame] = at - ETH_HEADER;
    return frame;
  }

  /** The destination is another now: up to the host, or over to where its new neighbour is. */
  #redirect(frame: Frame, port: BridgePort, destination: number): Frame {
    const netns = this.#netns;
    const { dev } = this.#bridge;
    const at = frameStart[frame]!;
    const idev = netns.inDevice(dev);
    const verdict = netns.inputRouter.route(idev, destination, view.getInt32(at + IPV4_SOURCE));
    let dst: Dst | null = netns.inputRouter.dst;
    if (verdict === InputVerdict.ERROR && !idev.forwards) {
      // What stays on the bridge needs no forwarding.
      dst = netns.routes.lookup(destination);
      if (dst.kind !== DstKind.UNICAST || dst.out !== idev) {
        port.dev.end(frame, DropReason.IP_FORWARDING_OFF);
        return NO_FRAME;
      }
    } else if (verdict < 0 || verdict === InputVerdict.ERROR) {
      port.dev.end(frame, verdict < 0 ? -verdict : DropReason.IP_INNOROUTES);
      return NO_FRAME;
    }
    if (dst !== null && dst.kind === DstKind.UNICAST && dst.out === idev) return this.#toNeighbour(frame, port, dst);
    frameStart[frame] = at - ETH_HEADER;
    view.setUint16(at - ETH_HEADER + ETH_DESTINATION, dev.macHi);
    view.setInt32(at - ETH_HEADER + ETH_DESTINATION + 2, dev.macLo);
    return frame;
  }

  /** br_nf_pre_routing_finish_bridge(): only the destination MAC changes; an unknown one is asked for first. */
  #toNeighbour(frame: Frame, port: BridgePort, dst: Dst): Frame {
    const neighbour = dst.neigh(this.#netns);
    if (neighbour === null) {
      port.dev.end(frame, DropReason.NEIGH_TABLE_FULL);
      return NO_FRAME;
    }
    const at = frameStart[frame]!;
    const ethernetAt = at - ETH_HEADER;
    if (neighbour.ready) {
      frameStart[frame] = ethernetAt;
      view.setUint16(ethernetAt + ETH_DESTINATION, neighbour.macHi);
      view.setInt32(ethernetAt + ETH_DESTINATION + 2, neighbour.macLo);
      return frame;
    }
    // It writes a header of its own and sends by the bridge device, which gives the frame back (resume).
    u8.copyWithin(at - SAVED, ethernetAt, at);
    frameNf[frame] = frameNf[frame]! | FrameNf.BRIDGED_DNAT;
    neighbour.output(frame, false);
    return NO_FRAME;
  }

  /** br_nf_pre_routing_finish_bridge_slow() */
  resume(frame: Frame): BridgePort | null {
    frameNf[frame] = frameNf[frame]! & ~FrameNf.BRIDGED_DNAT;
    const ethernetAt = frameStart[frame]!;
    const saved = ethernetAt + ETH_HEADER - SAVED;
    u8.copyWithin(ethernetAt + ETH_SOURCE, saved + ETH_SOURCE, saved + ETH_HEADER);
    const index = framePort[frame]!;
    const port = this.#bridge.ports.find((p) => p.dev.index === index);
    if (port !== undefined) return port;
    this.#bridge.dev.end(frame, DropReason.BRIDGE_NO_PORT);
    return null;
  }

  /** br_nf_forward_ip(), br_nf_post_routing() */
  forward(frame: Frame, from: BridgePort, to: BridgePort): void {
    const netfilter = this.#netns.netfilter!;
    const { dev } = this.#bridge;
    const at = frameStart[frame]! + ETH_HEADER;
    const out = to.dev.index;
    frameStart[frame] = at;
    let verdict = netfilter.runBridged(Hook.FORWARD, frame, dev.index, dev.index, out);
    if (verdict === 0) verdict = netfilter.runBridged(Hook.POST_ROUTING, frame, 0, dev.index, out);
    if (verdict !== 0) {
      if (verdict !== HOOK_STOLEN) from.dev.end(frame, verdict);
      return;
    }
    this.#transmit(frame, to);
  }

  /** br_nf_dev_queue_xmit(): what came in fragments leaves in fragments. */
  #transmit(frame: Frame, to: BridgePort): void {
    const at = frameStart[frame]!;
    const size = frameFragmentSize[frame]!;
    const mtu = size !== 0 && size < to.dev.mtu ? size : to.dev.mtu;
    if (frameEnd[frame]! - at <= mtu) {
      frameStart[frame] = at - ETH_HEADER;
      to.transmit(frame);
      return;
    }
    if (size > mtu) {
      to.dev.end(frame, DropReason.PKT_TOO_BIG);
      return;
    }
    const why = this.#netns.world.observer.wantsNotes ? `as it came, no longer than ${mtu} bytes` : '';
    const whole = ipFragment(this.#netns, frame, mtu, why, (piece) => {
      const p = frameStart[piece]! - ETH_HEADER;
      u8.copyWithin(p, at - ETH_HEADER, at);
      frameStart[piece] = p;
      to.transmit(piece);
    });
    if (whole) freeFrame(frame);
    else to.dev.end(frame, DropReason.NO_BUFFER);
  }
}
