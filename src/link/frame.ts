// Frames: one arena for all of them, made once. A frame is a small integer, its handle; its bytes lie in its slot of the
// arena between frameStart[f] and frameEnd[f].
//
//   slot  |<---- headroom ---->|<------------- bytes ------------->|<- tailroom ->|
//         slot start           frameStart[f]                       frameEnd[f]
//
// Outer headers are prepended into the headroom (start moves left), decapsulation moves start right; nothing is copied
// from socket to socket. A copy is made to flood, to hold, or to capture.
//
// Ownership: exactly one holder. Whoever is handed a frame (transmit, receive, input, a delay line) hands it on, or ends
// it with freeFrame. Handle 0 is "no frame"; allocFrame returns it when the pool is exhausted (DropReason.NO_BUFFER).
//
// The pool is the process's, as malloc is: worlds share it, and no handle ever shows in what a world puts out.

import { assert } from '../base/assert.ts';
import { fold, LITTLE_ENDIAN, swap16 } from '../wire/checksum.ts';

/** Handle of a frame, 1..; 0 is none. */
export type Frame = number;
export const NO_FRAME: Frame = 0;

/** Four nested VXLAN layers (4 x 50) and the inner Ethernet header, rounded to a cache line. */
export const HEADROOM = 256;
/** Small slots hold what an MTU of 1500 to 2018 makes; big ones anything an IPv4 length can say, and Ethernet. */
const SMALL_SLOT = 2304;
const BIG_SLOT = 66_048;
/** Choice: 57 MB and 17 MB of address space; pages are touched only when used. */
const SMALL_COUNT = 24_576;
const BIG_COUNT = 256;
const BIG_BASE = SMALL_SLOT * (SMALL_COUNT + 1);
const COUNT = 1 + SMALL_COUNT + BIG_COUNT;

/** Longest frame the pool can hold. */
export const FRAME_MAX = BIG_SLOT - HEADROOM;

// V8 folds a module's own constants into optimised code (here: a typed array's address and length); a binding that is
// imported, or exported, it reads and checks each time. So this file and those of the packet path have their own, which
// takes a third off the time of a packet (pod to pod on one node, 64 B: 391 to 280 ns).
const arena = new ArrayBuffer(BIG_BASE + BIG_SLOT * BIG_COUNT);
const bytes = new Uint8Array(arena);
const halves = new Uint16Array(arena);
const words = new Uint32Array(arena);
const ROOM = HEADROOM;
const LONGEST = FRAME_MAX;
const NONE = NO_FRAME;
const LITTLE = LITTLE_ENDIAN;
const starts = new Int32Array(COUNT);
const ends = new Int32Array(COUNT);
const packetIds = new Float64Array(COUNT);
const marks = new Int32Array(COUNT);
const hashes = new Int32Array(COUNT);
const depths = new Uint8Array(COUNT);
const ports = new Int32Array(COUNT);
const nfs = new Uint8Array(COUNT);
const fragmentSizes = new Uint16Array(COUNT);
const confirms = new Uint8Array(COUNT);
const ctInfos = new Uint8Array(COUNT);
const cts: (object | null)[] = new Array<object | null>(COUNT).fill(null);

/** Views over the whole arena. */
export const u8 = bytes;
export const u16 = halves;
export const u32 = words;
export const view = new DataView(arena);

export const frameStart = starts;
export const frameEnd = ends;
/** pcapng packet id: one number follows a frame across all interfaces, through floods and tunnels; 0 = not given yet. */
export const framePacketId = packetIds;
/** Netfilter mark (skb->mark). */
export const frameMark = marks;
/** Flow hash that the sending socket gave the packet (skb->hash from sk_txhash); 0: none, a tunnel dissects. */
export const frameHash = hashes;
/** Tunnel layers that the frame has passed through in this namespace chain (limit: overlay/). */
export const frameDepth = depths;
/**
 * 1: the sender has just heard from the far end, so every next hop on the way is taken to be alive (dst_pending_confirm of
 * an skb). It stays on a packet through namespaces and tunnels of one kernel, as golden case 15b shows.
 */
export const frameConfirm = confirms;
/**
 * What conntrack says of the packet (skb->_nfct): 0 for nothing yet, else 1 + enum ip_conntrack_info (netfilter/nf-conn.ts).
 * Whoever sets it sets frameCt too; what leaves a namespace or a tunnel layer is scrubbed with scrubFrame.
 */
export const frameCtInfo = ctInfos;
/** The conntrack entry (netfilter/nf-conn.ts NfConn), null when there is none. Read only where frameCtInfo is not 0. */
export const frameCt = cts;
/** ifindex of the bridge port that br_netfilter saw the packet come in by (nf_bridge->physindev); 0: not seen by it. */
export const framePort = ports;
/** FrameNf bits, beside framePort. */
export const frameNf = nfs;
/** What br_netfilter notes of a packet (struct nf_bridge_info). */
export const FrameNf = {
  /** the IPv4 stack has passed over PRE_ROUTING once, as the bridge had done it (sabotage_in_done) */
  SEEN_BY_IP: 1,
  /** on its way through the neighbour of its new destination, then to be bridged (bridged_dnat) */
  BRIDGED_DNAT: 2,
} as const;
/** Length of the largest fragment that the packet was put together from, IP header included (IPCB frag_max_size); 0: none. */
export const frameFragmentSize = fragmentSizes;
/** 1 while the handle is handed out: double frees and leaks are bugs that assert finds. */
const live = new Uint8Array(COUNT);

const smallFree = new Int32Array(SMALL_COUNT);
const bigFree = new Int32Array(BIG_COUNT);
let smallTop = 0;
let bigTop = 0;
for (let f = SMALL_COUNT; f >= 1; f--) smallFree[smallTop++] = f;
for (let f = COUNT - 1; f > SMALL_COUNT; f--) bigFree[bigTop++] = f;

function slotStart(f: Frame): number {
  return f <= SMALL_COUNT ? f * SMALL_SLOT : BIG_BASE + (f - 1 - SMALL_COUNT) * BIG_SLOT;
}

/** Frames handed out and not yet freed (over all worlds of the process). */
export function framesInUse(): number {
  return SMALL_COUNT - smallTop + (BIG_COUNT - bigTop);
}

/**
 * A frame of `length` bytes behind the full headroom; its bytes are NOT cleared. frameStart is 2 mod 4, so that an IPv4
 * header behind a 14-byte Ethernet header is 4-byte aligned (the kernel's NET_IP_ALIGN).
 * @returns NO_FRAME when the pool is exhausted or the length is over FRAME_MAX
 */
export function allocFrame(length: number): Frame {
  let f: Frame;
  if (length <= SMALL_SLOT - ROOM) {
    if (smallTop > 0) f = smallFree[--smallTop]!;
    else return NONE;
  } else if (length <= LONGEST - 2 && bigTop > 0) {
    f = bigFree[--bigTop]!;
  } else {
    return NONE;
  }
  const start = slotStart(f) + ROOM - 2;
  starts[f] = start;
  ends[f] = start + length;
  packetIds[f] = 0;
  marks[f] = 0;
  hashes[f] = 0;
  depths[f] = 0;
  confirms[f] = 0;
  ctInfos[f] = 0;
  ports[f] = 0;
  fragmentSizes[f] = 0;
  live[f] = 1;
  return f;
}

export function freeFrame(f: Frame): void {
  assert(live[f] === 1, 'a frame is freed once');
  live[f] = 0;
  if (ctInfos[f] !== 0) cts[f] = null;
  if (f <= SMALL_COUNT) smallFree[smallTop++] = f;
  else bigFree[bigTop++] = f;
}

/** A copy of bytes and metadata (same packet id: it is the same packet), or NO_FRAME. */
export function cloneFrame(f: Frame): Frame {
  const from = starts[f]!;
  const end = ends[f]!;
  const copy = allocFrame(end - from);
  if (copy === NO_FRAME) return NO_FRAME;
  // Keep the alignment and the headroom that the original has.
  const start = slotStart(copy) + (from - slotStart(f));
  if (copy <= SMALL_COUNT === f <= SMALL_COUNT) {
    starts[copy] = start;
    ends[copy] = start + (end - from);
  }
  bytes.copyWithin(starts[copy]!, from, end);
  packetIds[copy] = packetIds[f]!;
  marks[copy] = marks[f]!;
  hashes[copy] = hashes[f]!;
  depths[copy] = depths[f]!;
  confirms[copy] = confirms[f]!;
  ports[copy] = ports[f]!;
  nfs[copy] = nfs[f]!;
  fragmentSizes[copy] = fragmentSizes[f]!;
  if (ctInfos[f] !== 0) {
    ctInfos[copy] = ctInfos[f]!;
    cts[copy] = cts[f]!;
  }
  return copy;
}

/** Takes conntrack's mark off a packet (nf_reset_ct). */
export function resetCt(f: Frame): void {
  if (ctInfos[f] === 0) return;
  ctInfos[f] = 0;
  cts[f] = null;
}

/**
 * What a packet loses when it leaves a device for another one or for a tunnel (net/core/skbuff.c skb_scrub_packet).
 * @param otherNamespace it crosses into another namespace: the mark stays behind, too
 */
export function scrubFrame(f: Frame, otherNamespace: boolean): void {
  if (otherNamespace) marks[f] = 0;
  ports[f] = 0;
  fragmentSizes[f] = 0;
  if (ctInfos[f] !== 0) {
    ctInfos[f] = 0;
    cts[f] = null;
  }
}

/** Room in front of the frame's first byte. */
export function headroom(f: Frame): number {
  return starts[f]! - slotStart(f);
}

/** Room behind its last byte. */
export function tailroom(f: Frame): number {
  return slotStart(f) + (f <= SMALL_COUNT ? SMALL_SLOT : BIG_SLOT) - ends[f]!;
}

/** A frame with these bytes, or NO_FRAME. */
export function frameFromBytes(source: Uint8Array): Frame {
  const f = allocFrame(source.length);
  if (f !== NO_FRAME) bytes.set(source, starts[f]!);
  return f;
}

/** A copy of the frame's bytes outside the arena. */
export function frameBytes(f: Frame): Uint8Array {
  return bytes.slice(starts[f]!, ends[f]!);
}

/**
 * One's complement sum of arena bytes [at, end) as big-endian words, folded to 16 bits (see wire/checksum.ts). 32-bit
 * words, unrolled, where alignment allows: RFC 1071 section 2(C).
 */
export function sumArena(at: number, end: number): number {
  let i = at;
  let s = 0;
  let odd = false;
  if (i & 1) {
    // Starts on an odd byte: sum shifted by one byte, turned back at the end (RFC 1071 section 2(B)).
    if (i >= end) return 0;
    odd = true;
    s = LITTLE ? bytes[i]! << 8 : bytes[i]!;
    i++;
  }
  if (i & 2 && i + 1 < end) {
    s += halves[i >> 1]!;
    i += 2;
  }
  let w = i >> 2;
  const lastWord = end >> 2;
  // Each u32 is added as a double-width integer: 2^21 words stay below 2^53.
  for (; w + 3 < lastWord; w += 4) s += words[w]! + words[w + 1]! + words[w + 2]! + words[w + 3]!;
  for (; w < lastWord; w++) s += words[w]!;
  i = i > w << 2 ? i : w << 2;
  if (i + 1 < end) {
    s += halves[i >> 1]!;
    i += 2;
  }
  if (i < end) s += LITTLE ? bytes[i]! : bytes[i]! << 8;
  let r = fold(s);
  if (odd) r = swap16(r);
  return LITTLE ? swap16(r) : r;
}
