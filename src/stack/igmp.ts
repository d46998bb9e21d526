// Group membership of a namespace (net/ipv4/igmp.c; RFC 3376): who joined what on which device, and the reports that a
// change causes. A bridge with snooping joins 224.0.0.106 when it comes up (net/bridge/br_multicast.c): these two
// reports are the first frames that a real node's bridge sends, and what makes VTEPs find one another before any pod talks.

import { type Ipv4, isMulticastIpv4 } from '../addr/ipv4.ts';
import { DropReason } from '../base/drop-reason.ts';
import { allocFrame, framePacketId, frameStart, NO_FRAME, sumArena, view } from '../link/frame.ts';
import { JIFFY, KernelTimer } from '../sim/jiffies.ts';
import { IGMP_CHECKSUM, IgmpRecord, igmpReportLength, writeIgmpRecord, writeIgmpReport } from '../wire/igmp.ts';
import {
  IPV4_CHECKSUM,
  IPV4_DF,
  IPV4_HEADER,
  IPV4_LENGTH,
  IPV4_VHL,
  IpProtocol,
  writeIpv4Header,
} from '../wire/ipv4.ts';
import { Scope } from './fib.ts';
import type { InDevice } from './in-device.ts';
import type { NetNamespace } from './netns.ts';

/** 224.0.0.1: every host is a member and nobody reports it (RFC 3376 section 6). */
const ALL_HOSTS: Ipv4 = 0xe0000001 | 0;
/** 224.0.0.22: where reports go (RFC 3376 section 4.2.14). */
const ALL_IGMP_ROUTERS: Ipv4 = 0xe0000016 | 0;
/** 224.0.0.106: all snoopers (RFC 4286). */
export const ALL_SNOOPERS: Ipv4 = 0xe000006a | 0;
/** Each change is reported this often: the robustness variable (net.ipv4.igmp_qrv). */
const ROBUSTNESS = 2;
/** Router alert option (RFC 2113): every report carries it. */
const ROUTER_ALERT = 0x94040000 | 0;
/** TOS of reports: IPTOS_PREC_INTERNETCONTROL. */
const TOS = 0xc0;

interface Change {
  readonly group: Ipv4;
  readonly type: IgmpRecord;
  left: number;
}

/** The memberships of one device. */
class Memberships {
  readonly #idev: InDevice;
  /** group -> how many joined it */
  readonly groups = new Map<Ipv4, number>();
  #changes: Change[] = [];
  readonly #timer: KernelTimer;

  constructor(idev: InDevice) {
    this.#idev = idev;
    this.#timer = new KernelTimer(idev.netns.world.sim, () => this.#report());
  }

  change(group: Ipv4, type: IgmpRecord): void {
    this.#changes = this.#changes.filter((c) => c.group !== group);
    this.#changes.push({ group, type, left: ROBUSTNESS });
    // igmp_ifc_event: the first report two jiffies from now
    if (this.#idev.dev.up) this.#timer.arm(2 * JIFFY);
  }

  stop(): void {
    this.#timer.cancel();
    this.#changes = [];
  }

  /** igmp_ifc_timer_expire: all changes in one report, again after a random part of the report interval. */
  #report(): void {
    if (this.#changes.length === 0) return;
    send(this.#idev, this.#changes);
    for (const c of this.#changes) c.left--;
    this.#changes = this.#changes.filter((c) => c.left > 0);
    if (this.#changes.length === 0) return;
    const { netns, dev, conf } = this.#idev;
    const interval = Math.max(1, Math.floor((conf.igmpv3_unsolicited_report_interval * 1_000_000) / JIFFY));
    this.#timer.arm((netns.world.rng(`${dev.label}/igmp`).below(interval) + 2) * JIFFY);
  }
}

export class Igmp {
  readonly #devices = new Map<InDevice, Memberships>();

  /** Joins a group on a device; counted, as several sockets may. */
  join(idev: InDevice, group: Ipv4): void {
    if (!isMulticastIpv4(group)) return;
    let m = this.#devices.get(idev);
    if (m === undefined) {
      m = new Memberships(idev);
      this.#devices.set(idev, m);
    }
    const n = m.groups.get(group) ?? 0;
    m.groups.set(group, n + 1);
    if (n === 0 && group !== ALL_HOSTS) m.change(group, IgmpRecord.CHANGE_TO_EXCLUDE);
  }

  leave(idev: InDevice, group: Ipv4): void {
    const m = this.#devices.get(idev);
    const n = m?.groups.get(group) ?? 0;
    if (m === undefined || n === 0) return;
    if (n > 1) m.groups.set(group, n - 1);
    else {
      m.groups.delete(group);
      m.change(group, IgmpRecord.CHANGE_TO_INCLUDE);
    }
  }

  /** 224.0.0.1 counts everywhere. */
  isMember(idev: InDevice, group: Ipv4): boolean {
    return group === ALL_HOSTS || (this.#devices.get(idev)?.groups.has(group) ?? false);
  }

  /** Groups of a device in the order in which they were joined, 224.0.0.1 first (`ip maddr`). */
  groups(idev: InDevice): Ipv4[] {
    return [ALL_HOSTS, ...(this.#devices.get(idev)?.groups.keys() ?? [])];
  }

  /** The device goes down or away: nothing is reported any more. */
  down(idev: InDevice): void {
    this.#devices.get(idev)?.stop();
  }

  forget(idev: InDevice): void {
    this.down(idev);
    this.#devices.delete(idev);
  }
}

/** igmpv3_send_cr: one report with these changes. */
function send(idev: InDevice, changes: readonly Change[]): void {
  const netns: NetNamespace = idev.netns;
  const size = igmpReportLength(changes.length);
  const header = IPV4_HEADER + 4;
  const frame = allocFrame(header + size);
  if (frame === NO_FRAME) return;
  const ip = frameStart[frame]!;
  const igmp = ip + header;
  writeIgmpReport(view, igmp, changes.length);
  changes.forEach((c, i) => {
    writeIgmpRecord(view, igmp, i, c.type, c.group);
  });
  view.setUint16(igmp + IGMP_CHECKSUM, ~sumArena(igmp, igmp + size) & 0xffff);
  // igmpv3_get_srcaddr: 0.0.0.0 where the device has no address
  const source = idev.ownAddress(0, Scope.LINK);
  writeIpv4Header(view, ip, TOS, 0, 0, IPV4_DF, 1, IpProtocol.IGMP, source, ALL_IGMP_ROUTERS);
  view.setUint8(ip + IPV4_VHL, 0x40 | (header >> 2));
  view.setUint16(ip + IPV4_LENGTH, header + size);
  view.setInt32(ip + IPV4_HEADER, ROUTER_ALERT);
  view.setUint16(ip + IPV4_CHECKSUM, 0);
  view.setUint16(ip + IPV4_CHECKSUM, ~sumArena(ip, ip + header) & 0xffff);
  const observer = netns.world.observer;
  if (observer.wantsNotes) {
    framePacketId[frame] = netns.world.nextPacketId();
    observer.note(frame, `${idev.dev.label}: group membership report`);
  }
  const neighbour = netns.neighbours.create(idev, ALL_IGMP_ROUTERS);
  if (neighbour !== null) neighbour.output(frame, false);
  else idev.dev.end(frame, DropReason.NEIGH_TABLE_FULL);
}
