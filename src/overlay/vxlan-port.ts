// A UDP port that the VXLAN devices of a namespace share (struct vxlan_sock, drivers/net/vxlan/vxlan_core.c
// vxlan_sock_add): which device has which VNI. Limit: one device per VNI and port, 2^24 VNIs.

import { DropReason } from '../base/drop-reason.ts';
import { IntTable, MISSING } from '../base/int-table.ts';
import type { Frame } from '../link/frame.ts';
import * as frames from '../link/frame.ts';
import type { InDevice } from '../stack/in-device.ts';
import type { NetNamespace } from '../stack/netns.ts';
import { UdpSocket } from '../stack/udp-socket.ts';
import * as udpHeader from '../wire/udp.ts';
import * as vxlanHeader from '../wire/vxlan.ts';
import { checkVxlan, vxlanVni } from '../wire/vxlan.ts';
import type { Vxlan } from './vxlan.ts';
import { vxlanReceive } from './vxlan-receive.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { frameEnd, view } = frames;
const { UDP_HEADER } = udpHeader;
const { VXLAN_HEADER, VXLAN_VNI } = vxlanHeader;

class VxlanPort {
  readonly socket: UdpSocket;
  readonly #index = new IntTable();
  readonly #devices: Vxlan[] = [];

  constructor(netns: NetNamespace) {
    this.socket = new UdpSocket(netns);
    this.socket.encapsulation = (idev, frame, at) => this.input(idev, frame, at);
  }

  get empty(): boolean {
    return this.#index.size === 0;
  }

  add(vxlan: Vxlan): void {
    this.#devices.push(vxlan);
    this.#index.set(vxlan.vni, this.#devices.length - 1);
  }

  remove(vxlan: Vxlan): void {
    const left = this.#devices.filter((d) => d !== vxlan);
    this.#index.clear();
    this.#devices.length = 0;
    for (const d of left) this.add(d);
  }

  /** vxlan_vs_find_vni() */
  find(vni: number): Vxlan | null {
    const i = this.#index.get(vni);
    return i === MISSING ? null : this.#devices[i]!;
  }

  /** vxlan_rcv: the datagram from `at` (its UDP header) to the frame's end. */
  input(idev: InDevice, frame: Frame, at: number): void {
    const { dev } = idev;
    const header = at + UDP_HEADER;
    if (!checkVxlan(view, header, frameEnd[frame]!)) {
      dev.end(frame, DropReason.VXLAN_INVALID_HDR);
      return;
    }
    const vxlan = this.find(vxlanVni(view, header));
    if (vxlan === null) {
      if (dev.host.observer.wantsNotes) {
        dev.host.observer.note(frame, `no VXLAN device here has VNI ${vxlanVni(view, header)}`);
      }
      dev.end(frame, DropReason.VXLAN_VNI_NOT_FOUND);
      return;
    }
    if (
      (view.getInt32(header) & vxlan.reservedFlags) !== 0 ||
      (view.getInt32(header + VXLAN_VNI) & vxlan.reservedVni) !== 0
    ) {
      dev.end(frame, DropReason.VXLAN_INVALID_HDR);
      return;
    }
    vxlanReceive(vxlan, frame, header + VXLAN_HEADER);
  }
}

/** Ports by number, per namespace; an entry lives while a device that is up uses it. */
const PORTS = new WeakMap<NetNamespace, Map<number, VxlanPort>>();

/**
 * vxlan_open: the device listens on its port.
 * @returns false when a program holds the port already; then the device stays deaf, as after a failed bind in Linux
 */
export function openVxlanPort(vxlan: Vxlan): boolean {
  const { netns } = vxlan;
  let ports = PORTS.get(netns);
  if (ports === undefined) {
    ports = new Map();
    PORTS.set(netns, ports);
  }
  let port = ports.get(vxlan.port);
  if (port === undefined) {
    port = new VxlanPort(netns);
    if (port.socket.bind(0, vxlan.port) !== null) return false;
    ports.set(vxlan.port, port);
  }
  port.add(vxlan);
  return true;
}

/** vxlan_sock_release: the last device of a port closes it; false when the device was not on it. */
export function closeVxlanPort(vxlan: Vxlan): boolean {
  const ports = PORTS.get(vxlan.netns);
  const port = ports?.get(vxlan.port);
  if (ports === undefined || port === undefined || port.find(vxlan.vni) !== vxlan) return false;
  port.remove(vxlan);
  if (port.empty) {
    port.socket.close();
    ports.delete(vxlan.port);
  }
  return true;
}

/** vxlan_find_vni(): the device that is up here with this VNI and port, or null. */
export function findVxlan(netns: NetNamespace, port: number, vni: number): Vxlan | null {
  return PORTS.get(netns)?.get(port)?.find(vni) ?? null;
}
