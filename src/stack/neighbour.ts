// Neighbours of IPv4 (net/core/neighbour.c, net/ipv4/arp.c): one entry per (device, address), the NUD state machine with
// Linux's timers, the queue of packets that wait for an answer.
//
//   NONE -> INCOMPLETE -> REACHABLE -> STALE -> DELAY -> PROBE -> REACHABLE
//               |             (use)                        |
//               +------------------> FAILED <--------------+
//
// Limits: queue per entry unres_qlen_bytes (oldest dropped); the table's are in neighbour-table.ts. Timers run on jiffies, through the
// kernel's timer wheel, because their lateness decides which of two periodic things comes first.

import type { Ipv4 } from '../addr/ipv4.ts';
import { MAC_ZERO, type Mac, macHi, macLo } from '../addr/mac.ts';
import { DropReason } from '../base/drop-reason.ts';
import * as frames from '../link/frame.ts';
import { type Frame, freeFrame } from '../link/frame.ts';
import { KernelTimer } from '../sim/jiffies.ts';
import type { Ns } from '../sim/sim.ts';
import * as ethernet from '../wire/ethernet.ts';
import type { InDevice } from './in-device.ts';
import type { NeighbourTable } from './neighbour-table.ts';
import { truesize } from './truesize.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { frameConfirm, frameEnd, frameStart, NO_FRAME, view } = frames;
const { ETH_HEADER, EtherType } = ethernet;

/** NUD_* (include/uapi/linux/neighbour.h). */
export const Nud = {
  NONE: 0,
  INCOMPLETE: 0x01,
  REACHABLE: 0x02,
  STALE: 0x04,
  DELAY: 0x08,
  PROBE: 0x10,
  FAILED: 0x20,
  NOARP: 0x40,
  PERMANENT: 0x80,
} as const;

/** What a timer works on (NUD_IN_TIMER). */
export const NUD_IN_TIMER = Nud.INCOMPLETE | Nud.REACHABLE | Nud.DELAY | Nud.PROBE;
const CONNECTED = Nud.PERMANENT | Nud.NOARP | Nud.REACHABLE;
export const NUD_VALID = CONNECTED | Nud.PROBE | Nud.STALE | Nud.DELAY;

/** NEIGH_UPDATE_F_* */
export const UPDATE_OVERRIDE = 1;
export const UPDATE_ADMIN = 0x80000000 | 0;

/** Not sooner than HZ/100 (neigh_timer_handler). */
const MIN_RETRANS: Ns = 10_000_000;

export class Neighbour {
  readonly table: NeighbourTable;
  readonly out: InDevice;
  readonly ip: Ipv4;
  state: number = Nud.NONE;
  mac: Mac = MAC_ZERO;
  macHi = 0;
  macLo = 0;
  /** Removed from the table: holders must look the address up again. */
  dead = false;
  /** The next transmission goes the slow way once, as hh_len == 0 makes it in Linux (it sets `used`). */
  #headerCached = false;
  probes = 0;
  /** Virtual times of last use (slow path), confirmation and change. */
  used: Ns;
  confirmed: Ns;
  updated: Ns;
  /** `proto` of `ip neigh`, and the router flag are not kept: nothing here sets them. */
  readonly #queue: Frame[] = [];
  #queueBytes = 0;
  readonly #timer: KernelTimer;

  constructor(table: NeighbourTable, out: InDevice, ip: Ipv4) {
    this.table = table;
    this.out = out;
    this.ip = ip;
    const now = table.netns.world.sim.now;
    this.used = now;
    this.updated = now;
    // neigh_create: confirmed lies two reachable times back.
    this.confirmed = now - 2 * out.neigh.baseReachableTime;
    this.#timer = new KernelTimer(table.netns.world.sim, () => this.#onTimer());
  }

  /** A packet may leave with the cached header at once (NUD_CONNECTED and hh_len). */
  get ready(): boolean {
    return (this.state & CONNECTED) !== 0 && this.#headerCached;
  }

  get queued(): number {
    return this.#queue.length;
  }

  /**
   * Sends an IPv4 packet (frameStart at its header) to this neighbour; takes ownership.
   * @param confirm the sender vouches for the neighbour (MSG_CONFIRM)
   */
  output(frame: Frame, confirm: boolean): void {
    if (confirm || frameConfirm[frame] !== 0) this.confirmed = this.table.netns.world.sim.now;
    if ((this.state & CONNECTED) !== 0 && this.#headerCached) {
      this.#transmit(frame);
      return;
    }
    // neigh_resolve_output
    if (!this.#eventSend(frame)) return;
    this.#headerCached = true;
    this.#transmit(frame);
  }

  #transmit(frame: Frame): void {
    const at = frameStart[frame]! - ETH_HEADER;
    frameStart[frame] = at;
    const dev = this.out.dev;
    view.setUint16(at, this.macHi);
    view.setInt32(at + 2, this.macLo);
    view.setUint16(at + 6, dev.macHi);
    view.setInt32(at + 8, dev.macLo);
    view.setUint16(at + 12, EtherType.IPV4);
    dev.transmit(frame);
  }

  /**
   * neigh_event_send: note the use, start resolution or verification.
   * @param frame the packet to send or NO_FRAME
   * @returns true when the caller may send now; otherwise the packet was queued or ended here
   */
  #eventSend(frame: Frame): boolean {
    const sim = this.table.netns.world.sim;
    const now = sim.now;
    this.used = now;
    if ((this.state & (CONNECTED | Nud.DELAY | Nud.PROBE)) !== 0) return true;
    if (this.dead) {
      if (frame !== NO_FRAME) this.out.dev.end(frame, DropReason.NEIGH_DEAD);
      return false;
    }
    let probeNow = false;
    if ((this.state & (Nud.STALE | Nud.INCOMPLETE)) === 0) {
      const parameters = this.out.neigh;
      if (parameters.multicastProbes === 0) {
        this.state = Nud.FAILED;
        this.updated = now;
        if (frame !== NO_FRAME) this.out.dev.end(frame, DropReason.NEIGH_FAILED);
        return false;
      }
      this.probes = parameters.unicastProbes;
      this.state = Nud.INCOMPLETE;
      this.updated = now;
      probeNow = true;
      this.#timer.arm(Math.max(parameters.retransTime, MIN_RETRANS));
    } else if (this.state === Nud.STALE) {
      this.state = Nud.DELAY;
      this.updated = now;
      this.#timer.arm(this.out.neigh.delayProbeTime);
      return true;
    }
    if (frame !== NO_FRAME) this.#enqueue(frame);
    if (probeNow) this.#probe();
    return false;
  }

  #enqueue(frame: Frame): void {
    const size = queueCost(frame);
    while (this.#queueBytes + size > this.out.neigh.queueBytes) {
      const oldest = this.#queue.shift();
      if (oldest === undefined) break;
      this.#queueBytes -= queueCost(oldest);
      this.out.dev.end(oldest, DropReason.NEIGH_QUEUEFULL);
    }
    this.#queue.push(frame);
    this.#queueBytes += size;
  }

  /** neigh_timer_handler */
  #onTimer(): void {
    const now = this.table.netns.world.sim.now;
    const parameters = this.out.neigh;
    let next = now;
    if (this.state === Nud.REACHABLE) {
      const reachable = this.table.reachableTime(this.out);
      if (now <= this.confirmed + reachable) {
        next = this.confirmed + reachable;
      } else if (now <= this.used + parameters.delayProbeTime) {
        this.state = Nud.DELAY;
        this.updated = now;
        next = now + parameters.delayProbeTime;
      } else {
        this.state = Nud.STALE;
        this.updated = now;
        return;
      }
    } else if (this.state === Nud.DELAY) {
      if (now <= this.confirmed + parameters.delayProbeTime) {
        this.state = Nud.REACHABLE;
        this.updated = now;
        next = this.confirmed + this.table.reachableTime(this.out);
      } else {
        this.state = Nud.PROBE;
        this.updated = now;
        this.probes = 0;
        next = now + Math.max(parameters.retransTime, MIN_RETRANS);
      }
    } else if ((this.state & NUD_IN_TIMER) !== 0) {
      next = now + Math.max(parameters.retransTime, MIN_RETRANS);
    } else {
      return;
    }
    if ((this.state & (Nud.INCOMPLETE | Nud.PROBE)) !== 0 && this.probes >= this.#maxProbes()) {
      this.state = Nud.FAILED;
      this.#invalidate();
      return;
    }
    this.#timer.arm(Math.max(next - now, MIN_RETRANS));
    if ((this.state & (Nud.INCOMPLETE | Nud.PROBE)) !== 0) this.#probe();
  }

  #maxProbes(): number {
    const p = this.out.neigh;
    return p.unicastProbes + (this.state === Nud.PROBE ? p.multicastReprobes : p.multicastProbes);
  }

  /** neigh_probe: one solicitation, on behalf of the youngest waiting packet. */
  #probe(): void {
    const waiting = this.#queue.length > 0 ? this.#queue[this.#queue.length - 1]! : NO_FRAME;
    const unicast = this.probes < this.out.neigh.unicastProbes;
    this.probes++;
    this.table.netns.solicit(this, waiting, unicast);
  }

  /** neigh_invalidate: every waiting packet is reported as undeliverable. */
  #invalidate(): void {
    this.updated = this.table.netns.world.sim.now;
    while (this.state === Nud.FAILED && this.#queue.length > 0) {
      const frame = this.#queue.shift()!;
      this.#queueBytes -= queueCost(frame);
      this.table.netns.linkFailure(frame, this.out);
    }
    this.#purge(DropReason.NEIGH_FAILED);
  }

  #purge(reason: DropReason): void {
    for (const frame of this.#queue) this.out.dev.end(frame, reason);
    this.#queue.length = 0;
    this.#queueBytes = 0;
  }

  /** neigh_event_send without a packet: resolution or verification starts if it has to. */
  solicit(): void {
    this.#eventSend(NO_FRAME);
  }

  get valid(): boolean {
    return (this.state & NUD_VALID) !== 0;
  }

  /** neigh_update; lladdr null keeps the known one. */
  update(lladdr: Mac | null, wanted: number, flags: number): void {
    const now = this.table.netns.world.sim.now;
    const old = this.state;
    const admin = (flags & UPDATE_ADMIN) !== 0;
    let state = wanted;
    if (this.dead) return;
    if (!admin && (old & (Nud.NOARP | Nud.PERMANENT)) !== 0) return;
    if ((state & NUD_VALID) === 0) {
      this.#timer.cancel();
      this.state = state;
      if ((old & (Nud.INCOMPLETE | Nud.PROBE)) !== 0 && (state & Nud.FAILED) !== 0) this.#invalidate();
      else this.updated = now;
      return;
    }
    if (lladdr === null && (old & NUD_VALID) === 0) return;
    const changed = lladdr !== null && !((old & NUD_VALID) !== 0 && lladdr === this.mac);
    if ((state & CONNECTED) !== 0) this.confirmed = now;
    if ((old & NUD_VALID) !== 0) {
      if (changed && (flags & UPDATE_OVERRIDE) === 0) return;
      if (!changed && state === Nud.STALE && !admin) state = old;
    }
    if (state !== old || changed) this.updated = now;
    if (state !== old) {
      this.#timer.cancel();
      if ((state & Nud.PROBE) !== 0) this.probes = 0;
      if ((state & NUD_IN_TIMER) !== 0) {
        // neigh_add_timer: a confirmation counts as a use, so an entry that expires soon is probed again, used or not.
        if (this.used < this.confirmed) this.used = this.confirmed;
        this.#timer.arm((state & Nud.REACHABLE) !== 0 ? this.table.reachableTime(this.out) : 0);
      }
      this.state = state;
    }
    if (changed) {
      this.mac = lladdr;
      this.macHi = macHi(lladdr);
      this.macLo = macLo(lladdr);
      if ((state & CONNECTED) === 0) this.confirmed = now - 2 * this.out.neigh.baseReachableTime;
    }
    if ((old & NUD_VALID) === 0) this.#flushQueue();
  }

  /** The address is known: what waited goes out in the order in which it came. */
  #flushQueue(): void {
    while ((this.state & NUD_VALID) !== 0 && this.#queue.length > 0) {
      const frame = this.#queue.shift()!;
      this.#queueBytes -= queueCost(frame);
      this.output(frame, false);
    }
  }

  /** Leaves the table: timer off, queue dropped. */
  kill(): void {
    this.dead = true;
    this.#timer.cancel();
    this.#purge(DropReason.NEIGH_DEAD);
    this.state = (this.state & NUD_VALID) !== 0 ? Nud.NOARP : Nud.NONE;
  }

  /** End of the world: frames back to the pool, unreported. */
  release(): void {
    this.#timer.cancel();
    for (const frame of this.#queue) freeFrame(frame);
    this.#queue.length = 0;
    this.#queueBytes = 0;
  }
}

/** What a waiting packet takes of unres_qlen_bytes: with its Ethernet header, aligned to 16 bytes. */
function queueCost(frame: Frame): number {
  return truesize(frameEnd[frame]! - frameStart[frame]! + 16);
}
