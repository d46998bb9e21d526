// Reassembly of IPv4 datagrams for this host (net/ipv4/ip_fragment.c, inet_fragment.c; RFC 791 section 3.2, RFC 815).
//
// A queue per (source, destination, id, protocol). Fragments wait as frames, sorted by offset; what repeats a
// run of fragments is dropped, any other overlap ends the whole queue (RFC 5722's rule, which Linux applies to IPv4 since 4.19).
// Limits: memory ipfrag_high_thresh (4 MiB, refuses new fragments above it), time ipfrag_time (30 s, answered with ICMP
// 11/1 when the first fragment came), distance ipfrag_max_dist (64 newer datagrams from the same source end a queue).

import { DropReason } from '../base/drop-reason.ts';
import { IntTable, MISSING, PairTable } from '../base/int-table.ts';
import {
  allocFrame,
  type Frame,
  frameDepth,
  frameEnd,
  frameFragmentSize,
  frameMark,
  frameNf,
  framePacketId,
  framePort,
  frameStart,
  freeFrame,
  NO_FRAME,
  sumArena,
  u8,
  view,
} from '../link/frame.ts';
import { KernelTimer } from '../sim/jiffies.ts';
import { NS_PER_S } from '../sim/sim.ts';
import { ETH_HEADER } from '../wire/ethernet.ts';
import { IcmpType } from '../wire/icmp.ts';
import {
  IPV4_CHECKSUM,
  IPV4_DESTINATION,
  IPV4_DF,
  IPV4_FRAGMENT,
  IPV4_ID,
  IPV4_LENGTH,
  IPV4_MF,
  IPV4_OFFSET,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
} from '../wire/ipv4.ts';
import { icmpSend } from './icmp-send.ts';
import type { InDevice } from './in-device.ts';
import type { NetNamespace } from './netns.ts';
import { Snmp } from './snmp.ts';
import { truesize } from './truesize.ts';

/** Code of TIME_EXCEEDED: fragment reassembly time exceeded (RFC 792). */
const REASSEMBLY_TIME = 1;
/** What a queue itself costs (struct ipq). */
const QUEUE_COST = 200;
/** Sources whose distance counters are remembered; a choice. */
const DISTANCE_SOURCES = 4_096;
/** Who puts a datagram together (enum ip_defrag_users): fragments of one never meet those of another. */
export const DefragUser = { LOCAL_DELIVER: 0, CONNTRACK_IN: 1, CONNTRACK_BRIDGE_IN: 2 } as const;
export type DefragUser = (typeof DefragUser)[keyof typeof DefragUser];

/** Longest datagram. */
const IP_MAX = 65_535;

interface Fragment {
  readonly frame: Frame;
  /** payload range in bytes of the whole datagram's payload */
  readonly from: number;
  readonly to: number;
  readonly cost: number;
  /** fragments that came one behind the other share a run (frag_run_len) */
  readonly run: number;
}

class FragmentQueue {
  readonly idev: InDevice;
  readonly source: number;
  readonly destination: number;
  /** id << 16 | user << 8 | protocol */
  readonly tag: number;
  readonly user: DefragUser;
  /** length of the longest fragment, and of the longest one with DF, bytes (q.max_size, max_df_size) */
  maxSize = 0;
  maxDfSize = 0;
  readonly fragments: Fragment[] = [];
  /** end of the datagram's payload, -1 while the last fragment is missing */
  length = -1;
  received = 0;
  /** runs begun so far */
  runs = 0;
  cost = QUEUE_COST;
  /** the source's fragment counter when the last fragment came */
  distance = 0;
  readonly timer: KernelTimer;
  /** next queue with the same table key */
  next: FragmentQueue | null = null;

  constructor(
    idev: InDevice,
    user: DefragUser,
    source: number,
    destination: number,
    tag: number,
    onTimeout: (q: FragmentQueue) => void,
  ) {
    this.user = user;
    this.idev = idev;
    this.source = source;
    this.destination = destination;
    this.tag = tag;
    this.timer = new KernelTimer(idev.netns.world.sim, () => onTimeout(this));
  }
}

export class Reassembly {
  readonly #netns: NetNamespace;
  readonly #index = new PairTable();
  readonly #heads: (FragmentQueue | null)[] = [];
  readonly #free: number[] = [];
  readonly #queues = new Set<FragmentQueue>();
  readonly #distances = new IntTable();
  /** Bytes held. */
  memory = 0;

  constructor(netns: NetNamespace) {
    this.#netns = netns;
  }

  get queues(): number {
    return this.#queues.size;
  }

  /**
   * Takes a fragment (frameStart at its IPv4 header).
   * @returns the whole datagram when this fragment completed it, else NO_FRAME
   */
  take(idev: InDevice, frame: Frame, user: DefragUser): Frame {
    const netns = this.#netns;
    const at = frameStart[frame]!;
    const header = (view.getUint8(at) & 15) * 4;
    const word = view.getUint16(at + IPV4_FRAGMENT);
    const from = (word & IPV4_OFFSET) * 8;
    const to = from + frameEnd[frame]! - at - header;
    const more = (word & IPV4_MF) !== 0;
    netns.snmp[Snmp.IpReasmReqds]!++;
    if (to + header > IP_MAX || to === from) return this.#refuse(idev, frame, DropReason.FRAG_REASM_INVALID);
    const cost = costOf(frame);
    if (this.memory + cost > netns.sysctl.ipv4.ipfrag_high_thresh) {
      return this.#refuse(idev, frame, DropReason.FRAG_REASM_MEMORY);
    }
    let queue = this.#find(idev, user, at);
    if (this.#tooFar(queue)) {
      this.#end(queue, DropReason.FRAG_REASM_DIST);
      queue = this.#find(idev, user, at);
    }
    const size = frameEnd[frame]! - at;
    if (size > queue.maxSize) queue.maxSize = size;
    if ((word & IPV4_DF) !== 0 && size > queue.maxDfSize) queue.maxDfSize = size;
    if (!more) {
      // The last fragment fixes the length: nothing may lie behind it, and it cannot say two lengths.
      const beyond = queue.fragments.length > 0 && queue.fragments[queue.fragments.length - 1]!.to > to;
      if (beyond || (queue.length >= 0 && queue.length !== to)) return this.#overlap(queue, frame);
    } else {
      // All but the last carry multiples of 8 bytes; Linux cuts a ragged one.
      if (((to - from) & 7) !== 0) {
        frameEnd[frame] = frameEnd[frame]! - ((to - from) & 7);
      }
      const cutTo = from + frameEnd[frame]! - at - header;
      if (cutTo === from) return this.#refuse(idev, frame, DropReason.FRAG_REASM_INVALID);
      if (queue.length >= 0 && cutTo > queue.length) return this.#overlap(queue, frame);
      return this.#insert(queue, frame, from, cutTo, cost, false);
    }
    return this.#insert(queue, frame, from, to, cost, true);
  }

  #insert(queue: FragmentQueue, frame: Frame, from: number, to: number, cost: number, last: boolean): Frame {
    const list = queue.fragments;
    let i = list.length;
    while (i > 0 && list[i - 1]!.from >= from) i--;
    const before = list[i - 1];
    const after = list[i];
    // inet_frag_queue_insert: what lies wholly inside one run is a duplicate and harmless.
    if (insideRun(list, from, to)) return this.#refuse(queue.idev, frame, DropReason.FRAG_REASM_DUPLICATE);
    if ((before !== undefined && before.to > from) || (after !== undefined && after.from < to)) {
      return this.#overlap(queue, frame);
    }
    const run = before !== undefined && after === undefined && before.to === from ? before.run : queue.runs++;
    list.splice(i, 0, { frame, from, to, cost, run });
    queue.received += to - from;
    queue.cost += cost;
    this.memory += cost;
    if (last) queue.length = to;
    if (queue.length < 0 || queue.received !== queue.length || list[0]!.from !== 0) return NO_FRAME;
    return this.#join(queue);
  }

  /** ip_frag_reasm: the first fragment's header, all payloads in order. */
  #join(queue: FragmentQueue): Frame {
    const first = queue.fragments[0]!.frame;
    const at = frameStart[first]!;
    const header = (view.getUint8(at) & 15) * 4;
    const whole = allocFrame(header + queue.length);
    if (whole === NO_FRAME) {
      this.#end(queue, DropReason.NO_BUFFER);
      return NO_FRAME;
    }
    const w = frameStart[whole]!;
    // With the Ethernet header in front of it: a bridge goes on with it.
    u8.copyWithin(w - ETH_HEADER, at - ETH_HEADER, at + header);
    for (const f of queue.fragments) {
      const start = frameEnd[f.frame]! - (f.to - f.from);
      u8.copyWithin(w + header + f.from, start, frameEnd[f.frame]!);
    }
    framePacketId[whole] = framePacketId[first]!;
    frameMark[whole] = frameMark[first]!;
    frameDepth[whole] = frameDepth[first]!;
    framePort[whole] = framePort[first]!;
    frameNf[whole] = frameNf[first]!;
    frameFragmentSize[whole] = queue.maxSize;
    view.setUint16(w + IPV4_LENGTH, header + queue.length);
    // ip_frag_reasm: when the longest fragment had DF, the sender looks for the path MTU with fragments.
    view.setUint16(w + IPV4_FRAGMENT, queue.maxDfSize === queue.maxSize ? IPV4_DF : 0);
    view.setUint16(w + IPV4_CHECKSUM, 0);
    view.setUint16(w + IPV4_CHECKSUM, ~sumArena(w, w + header) & 0xffff);
    for (const f of queue.fragments) freeFrame(f.frame);
    queue.fragments.length = 0;
    this.#forget(queue);
    this.#netns.snmp[Snmp.IpReasmOKs]!++;
    return whole;
  }

  #refuse(idev: InDevice, frame: Frame, reason: DropReason): Frame {
    this.#netns.snmp[Snmp.IpReasmFails]!++;
    idev.dev.end(frame, reason);
    return NO_FRAME;
  }

  #overlap(queue: FragmentQueue, frame: Frame): Frame {
    this.#end(queue, DropReason.FRAG_REASM_OVERLAP);
    return this.#refuse(queue.idev, frame, DropReason.FRAG_REASM_OVERLAP);
  }

  /** ip_expire */
  #timeout(queue: FragmentQueue): void {
    const first = queue.fragments[0];
    // frag_expire_skip_icmp: who only looks at packets that are on their way elsewhere is silent.
    const own = queue.user === DefragUser.LOCAL_DELIVER || this.#netns.isLocal(queue.destination);
    if (first !== undefined && first.from === 0 && own) {
      icmpSend(this.#netns, first.frame, IcmpType.TIME_EXCEEDED, REASSEMBLY_TIME, 0, queue.idev);
    }
    this.#netns.snmp[Snmp.IpReasmTimeout]!++;
    this.#end(queue, DropReason.FRAG_REASM_TIMEOUT);
  }

  #end(queue: FragmentQueue, reason: DropReason): void {
    for (const f of queue.fragments) queue.idev.dev.end(f.frame, reason);
    queue.fragments.length = 0;
    this.#netns.snmp[Snmp.IpReasmFails]!++;
    this.#forget(queue);
  }

  #find(idev: InDevice, user: DefragUser, at: number): FragmentQueue {
    const source = view.getInt32(at + IPV4_SOURCE);
    const destination = view.getInt32(at + IPV4_DESTINATION);
    const tag = (view.getUint16(at + IPV4_ID) << 16) | (user << 8) | view.getUint8(at + IPV4_PROTOCOL);
    const slot = this.#index.get(source, tag);
    let head: FragmentQueue | null = null;
    if (slot !== MISSING) {
      head = this.#heads[slot]!;
      for (let q: FragmentQueue | null = head; q !== null; q = q.next) if (q.destination === destination) return q;
    }
    const queue = new FragmentQueue(idev, user, source, destination, tag, (q) => this.#timeout(q));
    queue.distance = this.#bump(source);
    queue.timer.arm(this.#netns.sysctl.ipv4.ipfrag_time * NS_PER_S);
    queue.next = head;
    if (slot !== MISSING) this.#heads[slot] = queue;
    else {
      const i = this.#free.pop() ?? this.#heads.length;
      this.#heads[i] = queue;
      this.#index.set(source, tag, i);
    }
    this.#queues.add(queue);
    this.memory += QUEUE_COST;
    return queue;
  }

  #bump(source: number): number {
    if (this.#distances.size > DISTANCE_SOURCES) this.#distances.clear();
    const n = (Math.max(0, this.#distances.get(source)) + 1) & 0x3fffffff;
    this.#distances.set(source, n);
    return n;
  }

  /** ip_frag_too_far */
  #tooFar(queue: FragmentQueue): boolean {
    const max = this.#netns.sysctl.ipv4.ipfrag_max_dist;
    if (max === 0 || queue.fragments.length === 0) return false;
    const before = queue.distance;
    queue.distance = this.#bump(queue.source);
    return queue.distance - before > max;
  }

  #forget(queue: FragmentQueue): void {
    queue.timer.cancel();
    this.memory -= queue.cost;
    this.#queues.delete(queue);
    const slot = this.#index.get(queue.source, queue.tag);
    if (slot === MISSING) return;
    if (this.#heads[slot] === queue) this.#heads[slot] = queue.next;
    else {
      for (let q: FragmentQueue | null = this.#heads[slot]!; q !== null; q = q.next) {
        if (q.next === queue) {
          q.next = queue.next;
          break;
        }
      }
    }
    if (this.#heads[slot] === null) {
      this.#index.delete(queue.source, queue.tag);
      this.#free.push(slot);
    }
  }

  dispose(): void {
    for (const queue of this.#queues) {
      queue.timer.cancel();
      for (const f of queue.fragments) freeFrame(f.frame);
    }
    this.#queues.clear();
    this.#index.clear();
    this.memory = 0;
  }
}

/** Whether [from, to) lies inside one run of the list, which is sorted by offset. */
function insideRun(list: readonly Fragment[], from: number, to: number): boolean {
  for (let i = list.length - 1; i >= 0; i--) {
    const first = list[i]!;
    if (first.from > from) continue;
    let end = first.to;
    for (let j = i + 1; end < to && j < list.length && list[j]!.run === first.run; j++) end = list[j]!.to;
    return from < first.to && to <= end;
  }
  return false;
}

/** Memory that a waiting fragment counts for. */
function costOf(frame: Frame): number {
  return truesize(frameEnd[frame]! - frameStart[frame]! + 16);
}
