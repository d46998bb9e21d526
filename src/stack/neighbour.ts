// Neighbours of IPv4 (net/core/neighbour.c, net/ipv4/arp.c): one entry per (device, address), the NUD state machine with
// Linux's timers, the queue of packets that wait for an answer.
//
//   NONE -> INCOMPLETE -> REACHABLE -> STALE -> DELAY -> PROBE -> REACHABLE
//               |             (use)                        |
//               +------------------> FAILED <--------------+
//
// Limits: queue per entry unres_qlen_bytes (oldest dropped), table gc_thresh1/2/3. Timers run on jiffies, through the
// kernel's timer wheel, because their lateness decides which of two periodic things comes first.

import { IPV4_BROADCAST, type Ipv4, isLoopbackIpv4, isMulticastIpv4 } from '../addr/ipv4.ts';
import { MAC_BROADCAST, MAC_ZERO, type Mac, macHi, macLo } from '../addr/mac.ts';
import { DropReason } from '../base/drop-reason.ts';
import { MISSING, PairTable } from '../base/int-table.ts';
import type { Rng } from '../base/rng.ts';
import { DeviceKind, type NetDevice } from '../link/device.ts';
import * as frames from '../link/frame.ts';
import { type Frame, freeFrame } from '../link/frame.ts';
import { KernelTimer } from '../sim/jiffies.ts';
import type { Ns } from '../sim/sim.ts';
import * as ethernet from '../wire/ethernet.ts';
import { RouteType } from './fib.ts';
import type { InDevice } from './in-device.ts';
import type { NetNamespace } from './netns.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { frameEnd, frameStart, NO_FRAME, view } = frames;
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

const IN_TIMER = Nud.INCOMPLETE | Nud.REACHABLE | Nud.DELAY | Nud.PROBE;
const CONNECTED = Nud.PERMANENT | Nud.NOARP | Nud.REACHABLE;
export const NUD_VALID = CONNECTED | Nud.PROBE | Nud.STALE | Nud.DELAY;

/** NEIGH_UPDATE_F_* */
export const UPDATE_OVERRIDE = 1;
export const UPDATE_ADMIN = 0x80000000 | 0;

/** Not sooner than HZ/100 (neigh_timer_handler). */
const MIN_RETRANS: Ns = 10_000_000;
/** The random reachable time is drawn anew every 300 s (neigh_periodic_work). */
const REDRAW: Ns = 300_000_000_000;
/** neigh_alloc, neigh_forced_gc: 5 s between two forced collections, and 5 s that a changed entry is left alone. */
const FLUSH_GAP: Ns = 5_000_000_000;

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

  get queued(): number {
    return this.#queue.length;
  }

  /**
   * Sends an IPv4 packet (frameStart at its header) to this neighbour; takes ownership.
   * @param confirm the sender vouches for the neighbour (MSG_CONFIRM)
   */
  output(frame: Frame, confirm: boolean): void {
    if (confirm) this.confirmed = this.table.netns.world.sim.now;
    if ((this.state & CONNECTED) !== 0 && this.#headerCached) {
      const at = frameStart[frame]! - ETH_HEADER;
      frameStart[frame] = at;
      const dev = this.out.dev;
      view.setUint16(at, this.macHi);
      view.setInt32(at + 2, this.macLo);
      view.setUint16(at + 6, dev.macHi);
      view.setInt32(at + 8, dev.macLo);
      view.setUint16(at + 12, EtherType.IPV4);
      dev.transmit(frame);
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
    const size = truesize(frame);
    while (this.#queueBytes + size > this.out.neigh.queueBytes) {
      const oldest = this.#queue.shift();
      if (oldest === undefined) break;
      this.#queueBytes -= truesize(oldest);
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
    } else if ((this.state & IN_TIMER) !== 0) {
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
      this.#queueBytes -= truesize(frame);
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
      if ((state & IN_TIMER) !== 0) {
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
      this.#queueBytes -= truesize(frame);
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

/**
 * skb->truesize of a packet of this length: the data is allocated in power-of-two slabs with 320 bytes of shared info,
 * and struct sk_buff adds 256 (include/linux/skbuff.h SKB_TRUESIZE on 64 bits).
 */
function truesize(frame: Frame): number {
  const needed = frameEnd[frame]! - frameStart[frame]! + 16 + 320;
  let slab = 512;
  while (slab < needed) slab *= 2;
  return slab + 256;
}

export class NeighbourTable {
  readonly netns: NetNamespace;
  readonly #index = new PairTable();
  readonly #entries: (Neighbour | null)[] = [];
  readonly #free: number[] = [];
  /** Live entries in the order in which they were made. */
  readonly #all = new Set<Neighbour>();
  /** Proxied addresses (`ip neigh add proxy`), per device. */
  readonly proxies: { readonly ip: Ipv4; readonly out: InDevice | null }[] = [];
  readonly #reachable = new WeakMap<NetDevice, { time: Ns; drawn: Ns; base: Ns; rng: Rng }>();
  readonly #gcTimer: KernelTimer;
  /** When neigh_forced_gc last ran; never at first. */
  #lastFlush: Ns = Number.NEGATIVE_INFINITY;

  constructor(netns: NetNamespace) {
    this.netns = netns;
    this.#gcTimer = new KernelTimer(netns.world.sim, () => this.#periodicGc());
  }

  /** Entries in the order in which they were made. */
  entries(): Neighbour[] {
    return [...this.#all];
  }

  get size(): number {
    return this.#all.size;
  }

  /** The device's present reachable time: uniform in 0.5 .. 1.5 of its base, drawn every 300 s (neigh_rand_reach_time). */
  reachableTime(out: InDevice): Ns {
    const now = this.netns.world.sim.now;
    const base = out.neigh.baseReachableTime;
    let r = this.#reachable.get(out.dev);
    if (r === undefined) {
      r = { time: 0, drawn: -1, base: -1, rng: this.netns.world.rng(`${out.dev.label}/reachable-time`) };
      this.#reachable.set(out.dev, r);
    }
    if (r.drawn < 0 || r.base !== base || now - r.drawn > REDRAW) {
      r.time = base === 0 ? 0 : Math.floor(base / 2) + r.rng.below(base / 1_000_000) * 1_000_000;
      r.drawn = now;
      r.base = base;
    }
    return r.time;
  }

  lookup(out: InDevice, ip: Ipv4): Neighbour | null {
    const at = this.#index.get(out.dev.index, ip);
    return at === MISSING ? null : this.#entries[at]!;
  }

  /** The entry, made when missing; null when the table is full (gc_thresh3). */
  create(out: InDevice, ip: Ipv4): Neighbour | null {
    const known = this.lookup(out, ip);
    if (known !== null) return known;
    const values = this.netns.sysctl.ipv4;
    if (this.#all.size >= values['neigh.default.gc_thresh2']) {
      this.#forcedGc(this.#all.size >= values['neigh.default.gc_thresh3']);
      if (this.#all.size >= values['neigh.default.gc_thresh3']) return null;
    }
    const entry = new Neighbour(this, out, ip);
    this.#construct(entry);
    const at = this.#free.pop() ?? this.#entries.length;
    this.#entries[at] = entry;
    this.#index.set(out.dev.index, ip, at);
    this.#all.add(entry);
    if (this.#all.size >= values['neigh.default.gc_thresh1'] && !this.#gcTimer.armed) {
      this.#gcTimer.arm(this.#gcInterval);
    }
    return entry;
  }

  /** arp_constructor: what needs no resolution is NOARP from the start. */
  #construct(entry: Neighbour): void {
    const dev = entry.out.dev;
    const set = (mac: Mac): void => {
      entry.state = Nud.NOARP;
      entry.mac = mac;
      entry.macHi = macHi(mac);
      entry.macLo = macLo(mac);
    };
    if (dev.kind === DeviceKind.LOOPBACK || isLoopbackIpv4(entry.ip)) set(MAC_ZERO);
    else if (isMulticastIpv4(entry.ip)) set(0x01005e000000 + (entry.ip & 0x7fffff));
    else if (dev.kind === DeviceKind.DUMMY) set(dev.mac);
    else if (
      entry.ip === IPV4_BROADCAST ||
      this.netns.fib.local.lookup(entry.ip, entry.out)?.type === RouteType.BROADCAST
    ) {
      set(MAC_BROADCAST);
    }
  }

  remove(entry: Neighbour): void {
    const at = this.#index.get(entry.out.dev.index, entry.ip);
    if (at === MISSING || this.#entries[at] !== entry) return;
    this.#index.delete(entry.out.dev.index, entry.ip);
    this.#entries[at] = null;
    this.#free.push(at);
    this.#all.delete(entry);
    entry.kill();
  }

  /** neigh_ifdown / neigh_carrier_down / neigh_changeaddr: the device's entries go, permanent ones as the caller says. */
  flushDevice(out: InDevice, keepPermanent: boolean): void {
    for (const entry of this.entries()) {
      if (entry.out !== out) continue;
      if (keepPermanent && entry.state === Nud.PERMANENT) continue;
      this.remove(entry);
    }
  }

  /**
   * neigh_forced_gc: down to gc_thresh2, the oldest first. What a timer works on (INCOMPLETE, REACHABLE, DELAY, PROBE) is in
   * use; what changed within the last 5 s stays, unless it failed or needs no resolution. At most every 5 s, as it walks
   * the whole table, except when the table is full.
   */
  #forcedGc(full: boolean): void {
    const now = this.netns.world.sim.now;
    if (!full && now <= this.#lastFlush + FLUSH_GAP) return;
    this.#lastFlush = now;
    let left = this.#all.size - this.netns.sysctl.ipv4['neigh.default.gc_thresh2'];
    for (const entry of this.#all) {
      if (left <= 0) return;
      const { state } = entry;
      if ((state & (IN_TIMER | Nud.PERMANENT)) !== 0) continue;
      const worthless = (state & (Nud.FAILED | Nud.NOARP)) !== 0 || isMulticastIpv4(entry.ip);
      if (!worthless && now - entry.updated <= FLUSH_GAP) continue;
      this.remove(entry);
      left--;
    }
  }

  /**
   * neigh_periodic_work: with gc_thresh1 entries or more, those that failed or were not used for gc_stale_time go. It runs
   * every half of base_reachable_time; below the threshold it would do nothing, so the timer rests then.
   */
  #periodicGc(): void {
    const values = this.netns.sysctl.ipv4;
    if (this.#all.size < values['neigh.default.gc_thresh1']) return;
    const now = this.netns.world.sim.now;
    for (const entry of this.#all) {
      const { state } = entry;
      if ((state & (IN_TIMER | Nud.PERMANENT)) !== 0) continue;
      const used = Math.max(entry.used, entry.confirmed);
      if ((state & Nud.FAILED) !== 0 || now - used > entry.out.neigh.gcStaleTime) this.remove(entry);
    }
    if (this.#all.size >= values['neigh.default.gc_thresh1']) this.#gcTimer.arm(this.#gcInterval);
  }

  get #gcInterval(): Ns {
    return this.netns.sysctl.neigh('default').baseReachableTime / 2;
  }

  dispose(): void {
    this.#gcTimer.cancel();
    for (const entry of this.#all) entry.release();
  }
}
