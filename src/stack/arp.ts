// ARP: answering, learning, asking, announcing (net/ipv4/arp.c; RFC 826, RFC 5227).

import { formatIpv4, type Ipv4, isLoopbackIpv4, isMulticastIpv4, maskIpv4 } from '../addr/ipv4.ts';
import { formatMac, MAC_BROADCAST, MAC_ZERO, type Mac } from '../addr/mac.ts';
import { DropReason } from '../base/drop-reason.ts';
import {
  allocFrame,
  type Frame,
  frameEnd,
  framePacketId,
  frameStart,
  freeFrame,
  NO_FRAME,
  view,
} from '../link/frame.ts';
import {
  ARP_LENGTH,
  ARP_OPERATION,
  ARP_SENDER_IP,
  ARP_SENDER_MAC,
  ARP_TARGET_IP,
  ARP_TARGET_MAC,
  ArpOperation,
  checkArp,
  writeArp,
} from '../wire/arp.ts';
import { ETH_HEADER, EtherType, readMac, writeEthernet } from '../wire/ethernet.ts';
import { IPV4_SOURCE } from '../wire/ipv4.ts';
import { Scope } from './fib.ts';
import { type InDevice, PacketType } from './in-device.ts';
import { type Neighbour, Nud, UPDATE_OVERRIDE } from './neighbour.ts';
import { DstKind } from './route-cache.ts';
import { InputVerdict } from './route-input.ts';

/** A frame from the wire: ARP from `at`, EtherType already looked at. Takes ownership. */
export function arpInput(idev: InDevice, frame: Frame, at: number, type: PacketType): void {
  const dev = idev.dev;
  if (type === PacketType.OTHERHOST) {
    dev.end(frame, DropReason.OTHERHOST);
    return;
  }
  if (!checkArp(view, at, frameEnd[frame]!)) {
    dev.end(frame, frameEnd[frame]! - at < ARP_LENGTH ? DropReason.PKT_TOO_SMALL : DropReason.ARP_INVALID);
    return;
  }
  process(idev, frame, at, type, false);
}

/** arp_process. `delayed`: a proxied request that has waited its random time. */
function process(idev: InDevice, frame: Frame, at: number, type: PacketType, delayed: boolean): void {
  const { netns, dev } = idev;
  const operation = view.getUint16(at + ARP_OPERATION);
  const sha = readMac(view, at + ARP_SENDER_MAC);
  const sip = view.getInt32(at + ARP_SENDER_IP);
  const tha = readMac(view, at + ARP_TARGET_MAC);
  const tip = view.getInt32(at + ARP_TARGET_IP);
  if (operation !== ArpOperation.REQUEST && operation !== ArpOperation.REPLY) {
    dev.end(frame, DropReason.ARP_INVALID);
    return;
  }
  if (isMulticastIpv4(tip) || (!idev.routesLocalnet && isLoopbackIpv4(tip))) {
    dev.end(frame, DropReason.ARP_INVALID);
    return;
  }
  if (sip === tip && idev.dropsGratuitousArp) {
    dev.end(frame, DropReason.ARP_IGNORED);
    return;
  }
  if (sip === 0) {
    // Duplicate address detection (RFC 5227 probe): answered, nothing learnt.
    if (operation === ArpOperation.REQUEST && netns.addressType(tip) === DstKind.LOCAL && !ignored(idev, sip, tip)) {
      reply(idev, tip, sip, sha);
      freeFrame(frame);
    } else {
      dev.end(frame, DropReason.ARP_IGNORED);
    }
    return;
  }
  if (operation === ArpOperation.REQUEST) {
    const verdict = netns.inputRouter.route(idev, tip, sip);
    const dst = netns.inputRouter.dst;
    if (verdict === InputVerdict.LOCAL) {
      if (ignored(idev, sip, tip) || (idev.arpFilter && netns.routes.lookup(sip).out !== idev)) {
        dev.end(frame, DropReason.ARP_IGNORED);
        return;
      }
      if (!eventNs(idev, sha, sip)) {
        dev.end(frame, DropReason.NEIGH_TABLE_FULL);
        return;
      }
      reply(idev, tip, sip, sha);
      freeFrame(frame);
      return;
    }
    if (verdict === InputVerdict.FORWARD && dst !== null && idev.forwards && proxies(idev, dst.out, tip)) {
      eventNs(idev, sha, sip);
      if (delayed || type === PacketType.HOST || idev.neigh.proxyDelay === 0) {
        reply(idev, tip, sip, sha);
        freeFrame(frame);
      } else {
        answerLater(idev, frame, at, type);
      }
      return;
    }
  }
  learn(idev, operation, sha, sip, tha, tip, type);
  freeFrame(frame);
}

/** Updates what is known of the sender; creates an entry only where arp_accept says so. */
function learn(idev: InDevice, operation: number, sha: Mac, sip: Ipv4, tha: Mac, tip: Ipv4, type: PacketType): void {
  const { netns } = idev;
  let n = netns.neighbours.lookup(idev, sip);
  const accept = idev.arpAccept !== 0 && (idev.arpAccept === 1 || idev.onlinkAddress(sip) !== null);
  let gratuitous = false;
  if (n !== null || accept) {
    gratuitous =
      sip === tip && (operation !== ArpOperation.REPLY || tha === sha) && netns.addressType(sip) === DstKind.UNICAST;
  }
  if (
    n === null &&
    accept &&
    (gratuitous || (operation === ArpOperation.REPLY && netns.addressType(sip) === DstKind.UNICAST))
  ) {
    n = netns.neighbours.create(idev, sip);
  }
  if (n === null) return;
  // Of several answers the first one counts (locktime); an announcement always does.
  const override = netns.world.sim.now > n.updated + idev.neigh.lockTime || gratuitous;
  const state = operation === ArpOperation.REPLY && type === PacketType.HOST ? Nud.REACHABLE : Nud.STALE;
  n.update(sha, state, override ? UPDATE_OVERRIDE : 0);
}

/** neigh_event_ns: who asks us is known to be there; false when the table has no room to know it. */
function eventNs(idev: InDevice, sha: Mac, sip: Ipv4): boolean {
  const n = idev.netns.neighbours.create(idev, sip);
  n?.update(sha, Nud.STALE, UPDATE_OVERRIDE);
  return n !== null;
}

/** arp_ignore (Documentation/networking/ip-sysctl.rst): true when this request is not to be answered. */
function ignored(idev: InDevice, sip: Ipv4, tip: Ipv4): boolean {
  switch (idev.arpIgnore) {
    case 0:
      return false;
    case 1:
      return !idev.addresses.some((ifa) => ifa.local === tip);
    case 2:
      return !idev.addresses.some(
        (ifa) => ifa.local === tip && (sip === 0 || ((sip ^ ifa.peer) & maskIpv4(ifa.length)) === 0),
      );
    case 3:
      return !idev.netns
        .inDevices()
        .some((d) => d.addresses.some((ifa) => ifa.local === tip && ifa.scope <= Scope.LINK));
    case 8:
      return true;
    default:
      return false;
  }
}

/** arp_fwd_proxy, arp_fwd_pvlan and the list of `ip neigh add proxy`. */
function proxies(idev: InDevice, out: InDevice | null, tip: Ipv4): boolean {
  if (out === null) return false;
  if (out !== idev) {
    if (idev.proxyArp) return true;
    return idev.netns.neighbours.proxies.some((p) => p.ip === tip && (p.out === null || p.out === idev));
  }
  return idev.proxyArpPvlan;
}

/** pneigh_enqueue: a proxied broadcast request is answered after a random part of proxy_delay. */
function answerLater(idev: InDevice, frame: Frame, at: number, type: PacketType): void {
  const { netns, dev } = idev;
  if (netns.proxyQueue > idev.neigh.proxyQueue) {
    dev.end(frame, DropReason.NEIGH_QUEUEFULL);
    return;
  }
  netns.proxyQueue++;
  const delayMs = netns.world.rng(`${dev.label}/proxy-delay`).below(idev.neigh.proxyDelay / 1_000_000);
  netns.hold(frame, delayMs * 1_000_000, (held) => {
    netns.proxyQueue--;
    process(idev, held, at, type, true);
  });
}

export interface ArpMessage {
  readonly operation: number;
  /** tpa */
  readonly target: Ipv4;
  /** spa */
  readonly source: Ipv4;
  /** destination MAC of the frame */
  readonly to: Mac;
  /** tha */
  readonly targetMac: Mac;
}

/** arp_send: one ARP frame from this device, sha its MAC. `note` says why it is sent ('' for none). */
export function sendArp(idev: InDevice, m: ArpMessage, note: string): void {
  const dev = idev.dev;
  const frame = allocFrame(ETH_HEADER + ARP_LENGTH);
  if (frame === NO_FRAME) return;
  const start = frameStart[frame]!;
  writeEthernet(view, start, m.to, dev.mac, EtherType.ARP);
  writeArp(view, start + ETH_HEADER, {
    operation: m.operation,
    senderMac: dev.mac,
    senderIp: m.source,
    targetMac: m.targetMac,
    targetIp: m.target,
  });
  if (note !== '') {
    framePacketId[frame] = dev.host.nextPacketId();
    dev.host.observer.note(frame, note);
  }
  dev.transmit(frame);
}

function reply(idev: InDevice, tip: Ipv4, sip: Ipv4, sha: Mac): void {
  const dev = idev.dev;
  const note = dev.host.observer.wantsNotes
    ? `${dev.label} answers for ${formatIpv4(tip)} with ${formatMac(dev.mac)}`
    : '';
  sendArp(idev, { operation: ArpOperation.REPLY, target: sip, source: tip, to: sha, targetMac: sha }, note);
}

/** arp_solicit: ask for a neighbour, on behalf of the packet that waits (its source is told if it is ours). */
export function arpSolicit(n: Neighbour, waiting: Frame, unicast: boolean): void {
  const idev = n.out;
  const { netns } = idev;
  let source: Ipv4 = 0;
  if (waiting !== NO_FRAME) {
    const wanted = view.getInt32(frameStart[waiting]! + IPV4_SOURCE);
    const announce = idev.arpAnnounce;
    if (announce < 2 && netns.addressType(wanted) === DstKind.LOCAL) {
      if (announce === 0 || idev.isOnlink(n.ip, wanted)) source = wanted;
    }
  }
  // A host without any address asks as 0.0.0.0.
  if (source === 0) source = netns.selectAddress(idev, n.ip, Scope.LINK);
  const label = idev.dev.label;
  const target = formatIpv4(n.ip);
  const waits = `${n.queued} packet${n.queued === 1 ? '' : 's'} waiting`;
  sendArp(
    idev,
    {
      operation: ArpOperation.REQUEST,
      target: n.ip,
      source,
      to: unicast ? n.mac : MAC_BROADCAST,
      targetMac: MAC_ZERO,
    },
    !idev.dev.host.observer.wantsNotes
      ? ''
      : unicast
        ? `${label}: is ${target} still there? unicast probe ${n.probes} of ${idev.neigh.unicastProbes} (PROBE)`
        : `${label}: ${target} has no MAC yet (INCOMPLETE), ${waits}`,
  );
}

/** Gratuitous ARP for every address of the device (arp_notify; inetdev_send_gratuitous_arp). */
export function announceAddresses(idev: InDevice): void {
  for (const ifa of idev.addresses) {
    sendArp(
      idev,
      { operation: ArpOperation.REQUEST, target: ifa.local, source: ifa.local, to: MAC_BROADCAST, targetMac: MAC_ZERO },
      '',
    );
  }
}
