// The hand-written limit: what V8 allows for the work that podwire does for one UDP flow, when nothing else is asked.
// Real bytes, checksums made at the source, verified at every IP hop and at the end, neighbour tables, bridges that
// learn and look up, longest-prefix routes, VXLAN encapsulation and decapsulation in headroom, an event queue in virtual
// time, pcapng records of every interface crossed; but one topology, one flow, no devices, no reasons, no errors.
// The bytes are held against tshark in hand-written.test.ts; the harness beside it is run.ts.
//
//   same node    A.eth0 > vetha > (cni0 bridges) > vethb > B.eth0                                            4 crossings
//   two nodes    A.eth0 > vetha > cni0 > flannel.1 > eth0 ~ eth0 > flannel.1 > cni0 > vethb > B.eth0        10 crossings
//   ... with a switch between the nodes: two more
//
// Everything is module level on purpose: V8 treats module constants as constants.

import { closeSync, openSync, writeSync } from 'node:fs';

/** Where captured records go. */
export const CaptureTo = { NOWHERE: 'none', MEMORY: 'memory', FILE: 'file' } as const;
export type CaptureTo = (typeof CaptureTo)[keyof typeof CaptureTo];

export interface FlowSettings {
  readonly acrossNodes: boolean;
  /** a learning switch between the nodes, as in the golden captures; otherwise one cable */
  readonly throughSwitch: boolean;
  /** UDP payload, 8..1432 bytes */
  readonly payload: number;
  readonly capture: CaptureTo;
  /** for CaptureTo.FILE */
  readonly path: string;
}

export interface FlowResult {
  delivered: number;
  /** interfaces crossed by one packet: one capture record each when capturing */
  crossings: number;
  captureBytes: number;
}

// -- one arena: frame slots, then the capture block -------------------------------------------------------------------

const SLOT = 2048;
const SLOTS = 4096;
const HEADROOM = 254; // 2 mod 4: an IPv4 header behind 14 bytes of Ethernet is aligned
const BLOCK_AT = SLOT * SLOTS;
const BLOCK = 1 << 20;
const BLOCK_SLACK = 4096;

const arena = new ArrayBuffer(BLOCK_AT + BLOCK + BLOCK_SLACK);
const u8 = new Uint8Array(arena);
const u16 = new Uint16Array(arena);
const i32 = new Int32Array(arena);
const u32 = new Uint32Array(arena);
if (new Uint8Array(new Uint16Array([1]).buffer)[0] !== 1) throw new Error('the hand-written limit is little-endian');

const frameStart = new Int32Array(SLOTS);
const frameEnd = new Int32Array(SLOTS);
const framePacketId = new Int32Array(SLOTS);
const free = new Int32Array(SLOTS);
let freeTop = 0;

// -- values: 16-bit words as they lie in memory (network order read by a little-endian machine) ------------------------

const swap = (x: number): number => ((x & 0xff) << 8) | ((x >>> 8) & 0xff);
const swap32 = (x: number): number =>
  ((x & 0xff) << 24) | ((x & 0xff00) << 8) | ((x >>> 8) & 0xff00) | ((x >>> 24) & 0xff);
const ip = (a: number, b: number, c: number, d: number): number => (a << 24) | (b << 16) | (c << 8) | d;

const POD_A = ip(10, 244, 1, 2);
const POD_B_HERE = ip(10, 244, 1, 3);
const POD_B_THERE = ip(10, 244, 2, 2);
const NODE_1 = ip(10, 0, 1, 1);
const NODE_2 = ip(10, 0, 1, 2);
const SOURCE_PORT = 40000;
const DESTINATION_PORT = 9000;
const VXLAN_PORT = 8472;
const VNI = 1;
const VETH_DELAY = 2_000;
const CABLE_DELAY = 10_000;
const SEND_INTERVAL = 1_000;
/** 2026-01-01T00:00:00Z in ns: high and low 32 bits of the capture's time base */
const EPOCH_NS = 1_767_225_600n * 1_000_000_000n;
const EPOCH_HIGH = Number(EPOCH_NS >> 32n);
const EPOCH_LOW = Number(EPOCH_NS & 0xffffffffn);

// MACs: high 16 bits, low 32 bits
const MAC_HI = 0x0a58;
const MAC_A = ip(10, 244, 1, 2);
const MAC_B = ip(10, 244, 9, 9);
const MAC_CNI_1 = ip(10, 244, 1, 1);
const MAC_CNI_2 = ip(10, 244, 2, 1);
const MAC_FLANNEL_1 = ip(1, 1, 1, 1);
const MAC_FLANNEL_2 = ip(2, 2, 2, 2);
const MAC_ETH_1 = ip(10, 0, 1, 1);
const MAC_ETH_2 = ip(10, 0, 1, 2);

// -- tables -----------------------------------------------------------------------------------------------------------

const hash1 = (k: number): number => {
  let x = Math.imul(k ^ (k >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return x ^ (x >>> 16);
};
const hash2 = (a: number, b: number): number => {
  let x = Math.imul(a ^ (a >>> 15), 0x7feb352d) ^ b;
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return x ^ (x >>> 16);
};
const TABLE = 1024;

/** MAC to port (a bridge) or to remote VTEP (VXLAN). */
class MacTable {
  readonly hi = new Int32Array(TABLE).fill(-1);
  readonly lo = new Int32Array(TABLE);
  readonly value = new Int32Array(TABLE);
  readonly seen = new Float64Array(TABLE);
}
/** IPv4 to MAC. */
class NeighbourTable {
  readonly ip = new Int32Array(TABLE);
  readonly used = new Uint8Array(TABLE);
  readonly hi = new Int32Array(TABLE);
  readonly lo = new Int32Array(TABLE);
}
/** Routes, longest prefix first. */
class RouteTable {
  readonly mask = new Int32Array(8);
  readonly net = new Int32Array(8);
  readonly device = new Int32Array(8);
  readonly gateway = new Int32Array(8);
  count = 0;
}

function find(t: MacTable, hi: number, lo: number): number {
  let i = hash2(hi, lo) & (TABLE - 1);
  while (t.hi[i]! !== -1) {
    if (t.lo[i]! === lo && t.hi[i]! === hi) return i;
    i = (i + 1) & (TABLE - 1);
  }
  return -1 - i;
}
function learn(t: MacTable, hi: number, lo: number, value: number, now: number): void {
  let i = find(t, hi, lo);
  if (i < 0) {
    i = -1 - i;
    t.hi[i] = hi;
    t.lo[i] = lo;
  }
  t.value[i] = value;
  t.seen[i] = now;
}
function neighbour(t: NeighbourTable, address: number): number {
  let i = hash1(address) & (TABLE - 1);
  while (t.used[i]! !== 0) {
    if (t.ip[i]! === address) return i;
    i = (i + 1) & (TABLE - 1);
  }
  throw new Error('hand-written: no neighbour');
}
function addNeighbour(t: NeighbourTable, address: number, lo: number): void {
  let i = hash1(address) & (TABLE - 1);
  while (t.used[i]! !== 0 && t.ip[i]! !== address) i = (i + 1) & (TABLE - 1);
  t.used[i] = 1;
  t.ip[i] = address;
  t.hi[i] = MAC_HI;
  t.lo[i] = lo;
}
function route(t: RouteTable, address: number): number {
  for (let i = 0; i < t.count; i++) if ((address & t.mask[i]!) === t.net[i]!) return i;
  throw new Error('hand-written: no route');
}
function addRoute(t: RouteTable, address: number, length: number, device: number, gateway: number): void {
  const mask = length === 0 ? 0 : -1 << (32 - length);
  t.mask[t.count] = mask;
  t.net[t.count] = address & mask;
  t.device[t.count] = device;
  t.gateway[t.count++] = gateway;
}

// Devices of a namespace, as routes and bridge ports name them.
const LOCAL = 0;
const CNI0 = 1;
const FLANNEL = 2;
const ETH0 = 3;
const PORT_SELF = 0;
const PORT_A = 1;
const PORT_B = 2;

const neighboursA = new NeighbourTable();
const routesA = new RouteTable();
const routesB = new RouteTable();
const bridge1 = new MacTable();
const bridge2 = new MacTable();
const bridgeSwitch = new MacTable();
const routes1 = new RouteTable();
const routes2 = new RouteTable();
const neighbours1 = new NeighbourTable();
const neighbours2 = new NeighbourTable();
const vtep1 = new MacTable();
const vtep2 = new MacTable();

addNeighbour(neighboursA, ip(10, 244, 1, 1), MAC_CNI_1);
addNeighbour(neighboursA, POD_B_HERE, MAC_B);
addRoute(routesA, POD_A, 32, LOCAL, 0);
addRoute(routesA, ip(10, 244, 1, 0), 24, ETH0, 0);
addRoute(routesA, ip(10, 244, 0, 0), 16, ETH0, ip(10, 244, 1, 1));
addRoute(routesA, 0, 0, ETH0, ip(10, 244, 1, 1));
addRoute(routesB, POD_B_HERE, 32, LOCAL, 0);
addRoute(routesB, POD_B_THERE, 32, LOCAL, 0);
addRoute(routes1, NODE_1, 32, LOCAL, 0);
addRoute(routes1, ip(10, 244, 1, 1), 32, LOCAL, 0);
addRoute(routes1, ip(10, 244, 1, 0), 24, CNI0, 0);
addRoute(routes1, ip(10, 244, 2, 0), 24, FLANNEL, ip(10, 244, 2, 0));
addRoute(routes1, ip(10, 0, 1, 0), 24, ETH0, 0);
addRoute(routes2, NODE_2, 32, LOCAL, 0);
addRoute(routes2, ip(10, 244, 2, 1), 32, LOCAL, 0);
addRoute(routes2, ip(10, 244, 2, 0), 24, CNI0, 0);
addRoute(routes2, ip(10, 244, 1, 0), 24, FLANNEL, ip(10, 244, 1, 0));
addRoute(routes2, ip(10, 0, 1, 0), 24, ETH0, 0);
addNeighbour(neighbours1, ip(10, 244, 2, 0), MAC_FLANNEL_2);
addNeighbour(neighbours1, NODE_2, MAC_ETH_2);
addNeighbour(neighbours2, POD_B_THERE, MAC_B);
learn(bridge1, MAC_HI, MAC_CNI_1, PORT_SELF, 0);
learn(bridge1, MAC_HI, MAC_B, PORT_B, 0);
learn(bridge2, MAC_HI, MAC_CNI_2, PORT_SELF, 0);
learn(bridge2, MAC_HI, MAC_B, PORT_B, 0);
learn(bridgeSwitch, MAC_HI, MAC_ETH_2, PORT_B, 0);
learn(vtep1, MAC_HI, MAC_FLANNEL_2, NODE_2, 0);

// -- the event queue: one FIFO for each delay, merged in (time, sequence) order ------------------------------------------

const RING = 8192;
class Line {
  readonly time = new Float64Array(RING);
  readonly sequence = new Float64Array(RING);
  readonly frame = new Int32Array(RING);
  readonly target = new Int32Array(RING);
  head = 0;
  tail = 0;
}
const lineVeth = new Line();
const lineCable = new Line();
const lineSend = new Line();
/** Virtual ns: in a typed array, for a module variable beyond 2^31 would be a new heap number at each step. */
const clock = new Float64Array(1);
let sequence = 0;

function push(line: Line, delay: number, target: number, frame: number): void {
  const i = line.tail++ & (RING - 1);
  line.time[i] = clock[0]! + delay;
  line.sequence[i] = sequence++;
  line.frame[i] = frame;
  line.target[i] = target;
}

const AT_SENDER = 0;
const AT_VETH_A = 1;
const AT_POD_B = 2;
const AT_NODE_2 = 3;
const AT_SWITCH = 4;

// -- one flow ---------------------------------------------------------------------------------------------------------

let across = false;
let throughSwitch = false;
let capturing = false;
let fd = -1;
let blockUsed = 0;
let captureBytes = 0;
let left = 0;
let sent = 0;
let delivered = 0;
let ipId = 0;
let nextPacketId = 0;
let destination = 0;
let payload = new Uint8Array(0);
let payloadWord = new Int32Array(0);
/** Shows each delivered datagram to a test. */
let inspect: ((payload: Uint8Array) => void) | null = null;

/** One's complement sum of [at, end) in memory order, unfolded below 2^32; at is even. */
function sum(at: number, end: number): number {
  let s = 0;
  let i = at;
  if (i & 2) {
    s = u16[i >> 1]!;
    i += 2;
  }
  let w = i >> 2;
  const last = end >> 2;
  for (; w + 7 < last; w += 8) {
    s += u32[w]! + u32[w + 1]! + u32[w + 2]! + u32[w + 3]! + u32[w + 4]! + u32[w + 5]! + u32[w + 6]! + u32[w + 7]!;
  }
  for (; w < last; w++) s += u32[w]!;
  i = w << 2;
  if (end - i >= 2) {
    s += u16[i >> 1]!;
    i += 2;
  }
  if (i < end) s += u8[i]!;
  // below 2^44 here: two 32-bit halves, then 16-bit ones
  const high = Math.floor(s / 0x1_0000_0000);
  const low = s >>> 0;
  return (low & 0xffff) + (low >>> 16) + (high & 0xffff);
}
function fold(s: number): number {
  let r = (s & 0xffff) + (s >>> 16);
  r = (r & 0xffff) + (r >>> 16);
  return r;
}
/** Sum of a 20-byte header at any even offset, folded: 0xffff when its checksum is right. */
function headerSum(at: number): number {
  const h = at >> 1;
  return fold(
    u16[h]! +
      u16[h + 1]! +
      u16[h + 2]! +
      u16[h + 3]! +
      u16[h + 4]! +
      u16[h + 5]! +
      u16[h + 6]! +
      u16[h + 7]! +
      u16[h + 8]! +
      u16[h + 9]!,
  );
}
function checkHeader(at: number, end: number): void {
  if (end - at < 20 || u8[at]! !== 0x45) throw new Error('hand-written: no IPv4 header');
  if (headerSum(at) !== 0xffff) throw new Error('hand-written: IPv4 checksum');
  const length = swap(u16[(at + 2) >> 1]!);
  if (length < 20 || length > end - at) throw new Error('hand-written: IPv4 length');
}
/** TTL minus one, the checksum updated as RFC 1624 says. */
function decrementTtl(at: number): void {
  if (u8[at + 8]! <= 1) throw new Error('hand-written: TTL');
  u8[at + 8] = u8[at + 8]! - 1;
  // The TTL is the low byte of its word in memory order: minus one there is plus one on the complement.
  const c = u16[(at + 10) >> 1]! + 1;
  u16[(at + 10) >> 1] = (c & 0xffff) + (c >>> 16);
}
function writeMacs(at: number, toHi: number, toLo: number, fromHi: number, fromLo: number, type: number): void {
  const h = at >> 1;
  u16[h] = swap(toHi);
  u16[h + 1] = swap(toLo >>> 16);
  u16[h + 2] = swap(toLo);
  u16[h + 3] = swap(fromHi);
  u16[h + 4] = swap(fromLo >>> 16);
  u16[h + 5] = swap(fromLo);
  u16[h + 6] = type;
}
function writeIpv4(at: number, length: number, id: number, df: number, from: number, to: number): void {
  const h = at >> 1;
  const w1 = swap(length);
  const w2 = swap(id);
  const w6 = swap(from >>> 16);
  const w7 = swap(from);
  const w8 = swap(to >>> 16);
  const w9 = swap(to);
  u16[h] = 0x0045;
  u16[h + 1] = w1;
  u16[h + 2] = w2;
  u16[h + 3] = df;
  u16[h + 4] = 0x1140; // TTL 64, UDP
  u16[h + 5] = ~fold(0x0045 + w1 + w2 + df + 0x1140 + w6 + w7 + w8 + w9) & 0xffff;
  u16[h + 6] = w6;
  u16[h + 7] = w7;
  u16[h + 8] = w8;
  u16[h + 9] = w9;
}
const IPV4_TYPE = 0x0008; // 0x0800 in memory order
const DF = 0x0040; // 0x4000 in memory order

/** An Enhanced Packet Block (draft-ietf-opsawg-pcapng section 4.3) with direction and packet id. */
function capture(f: number, iface: number, direction: number): void {
  const start = frameStart[f]!;
  const length = frameEnd[f]! - start;
  const padded = (length + 3) & ~3;
  const total = 56 + padded;
  if (blockUsed + total > BLOCK) flush();
  let w = (BLOCK_AT + blockUsed) >> 2;
  blockUsed += total;
  const now = clock[0]!;
  const high = Math.floor(now / 0x1_0000_0000);
  const low = EPOCH_LOW + (now >>> 0);
  i32[w++] = 6;
  i32[w++] = total;
  i32[w++] = iface;
  i32[w++] = EPOCH_HIGH + high + (low >= 0x1_0000_0000 ? 1 : 0);
  i32[w++] = low | 0;
  i32[w++] = length;
  i32[w++] = length;
  // the last word first: a long copy leaves the padding alone
  i32[w + (padded >> 2) - 1] = 0;
  copy(w << 2, start, length);
  w += padded >> 2;
  i32[w++] = 0x0004_0002; // epb_flags, 4 bytes
  i32[w++] = direction;
  i32[w++] = 0x0008_0005; // epb_packetid, 8 bytes
  i32[w++] = framePacketId[f]!;
  i32[w++] = 0;
  i32[w++] = 0; // opt_endofopt
  i32[w] = total;
}
/** Above this many bytes copyWithin's call into the runtime is cheaper than a loop (measured on Node 20). */
const LOOP_MAX = 512;

/** Copies a frame behind a record's head: `to` is 0 mod 4, `from` even; bytes after the end may be written up to 4. */
function copy(to: number, from: number, length: number): void {
  if (length > LOOP_MAX) {
    u8.copyWithin(to, from, from + length);
    return;
  }
  let t = to >> 2;
  let s = from >> 2;
  const last = t + ((length + 3) >> 2);
  if ((from & 2) === 0) {
    while (t < last) i32[t++] = i32[s++]!;
  } else {
    let word = i32[s++]!;
    while (t < last) {
      const next = i32[s++]!;
      i32[t++] = (word >>> 16) | (next << 16);
      word = next;
    }
  }
  // The padding is zero: the same bytes on every run.
  for (let i = to + length; i < last << 2; i++) u8[i] = 0;
}
function flush(): void {
  captureBytes += blockUsed;
  if (fd >= 0) {
    const block = u8.subarray(BLOCK_AT, BLOCK_AT + blockUsed);
    for (let at = 0; at < block.length; ) at += writeSync(fd, block, at, block.length - at);
  }
  blockUsed = 0;
}

function send(): void {
  // socket: the payload is copied once into a frame with headroom
  const f = free[--freeTop]!;
  const start = f * SLOT + HEADROOM;
  const udp = start + 34;
  const length = payload.length;
  const end = udp + 8 + length;
  frameStart[f] = start;
  frameEnd[f] = end;
  framePacketId[f] = ++nextPacketId;
  payloadWord[0] = sent++;
  u8.set(payload, udp + 8);
  // output: route, source address, UDP and IPv4 headers
  const r = route(routesA, destination);
  const hop = routesA.gateway[r]! !== 0 ? routesA.gateway[r]! : destination;
  const h = udp >> 1;
  const w0 = swap(SOURCE_PORT);
  const w1 = swap(DESTINATION_PORT);
  const w2 = swap(8 + length);
  u16[h] = w0;
  u16[h + 1] = w1;
  u16[h + 2] = w2;
  const pseudo = (POD_A >>> 16) + (POD_A & 0xffff) + (destination >>> 16) + (destination & 0xffff) + 17 + (8 + length);
  const checksum = ~fold(swap(fold(pseudo)) + w0 + w1 + w2 + sum(udp + 8, end)) & 0xffff;
  u16[h + 3] = checksum === 0 ? 0xffff : checksum;
  ipId = (ipId + 1) & 0xffff;
  writeIpv4(udp - 20, 28 + length, ipId, DF, POD_A, destination);
  const n = neighbour(neighboursA, hop);
  writeMacs(start, neighboursA.hi[n]!, neighboursA.lo[n]!, MAC_HI, MAC_A, IPV4_TYPE);
  if (capturing) capture(f, 0, 2);
  push(lineVeth, VETH_DELAY, AT_VETH_A, f);
}

/** The pod's end of a cable: a frame has arrived at the host's end and goes through the bridge. */
function atVethA(f: number): void {
  if (capturing) capture(f, 1, 1);
  const h = frameStart[f]! >> 1;
  learn(bridge1, swap(u16[h + 3]!), (swap(u16[h + 4]!) << 16) | swap(u16[h + 5]!), PORT_A, clock[0]!);
  const i = find(bridge1, swap(u16[h]!), (swap(u16[h + 1]!) << 16) | swap(u16[h + 2]!));
  if (i < 0) throw new Error('hand-written: flooding is not its work');
  if (bridge1.value[i]! !== PORT_SELF) {
    if (capturing) capture(f, 2, 2);
    push(lineVeth, VETH_DELAY, AT_POD_B, f);
    return;
  }
  if (capturing) capture(f, 2, 1);
  forwardFromNode1(f);
}

function forwardFromNode1(f: number): void {
  const inner = frameStart[f]!;
  const at = inner + 14;
  checkHeader(at, frameEnd[f]!);
  const to = swap32(i32[(at + 16) >> 2]!);
  const r = route(routes1, to);
  if (routes1.device[r]! !== FLANNEL) throw new Error('hand-written: not to the other node');
  decrementTtl(at);
  const n = neighbour(neighbours1, routes1.gateway[r]!);
  const hi = neighbours1.hi[n]!;
  const lo = neighbours1.lo[n]!;
  writeMacs(inner, hi, lo, MAC_HI, MAC_FLANNEL_1, IPV4_TYPE);
  if (capturing) capture(f, 3, 2);
  // flannel.1: the FDB names the remote VTEP; everything is prepended into the same headroom
  const i = find(vtep1, hi, lo);
  if (i < 0) throw new Error('hand-written: no VTEP');
  const remote = vtep1.value[i]!;
  const flow = hash2(hash2(i32[(at + 12) >> 2]!, i32[(at + 16) >> 2]!), i32[(at + 20) >> 2]!) >>> 0;
  const port = 32768 + Math.floor((flow / 0x1_0000_0000) * 28233);
  const outer = inner - 50;
  const h = (inner - 16) >> 1;
  const length = frameEnd[f]! - inner;
  u16[h] = swap(port);
  u16[h + 1] = swap(VXLAN_PORT);
  u16[h + 2] = swap(16 + length);
  u16[h + 4] = 0x0008; // flags: the VNI is valid
  u16[h + 5] = 0;
  u16[h + 6] = swap(VNI >>> 8);
  u16[h + 7] = swap((VNI & 0xff) << 8);
  // the outer checksum over everything inside, as Linux sends it unless told otherwise
  u16[h + 3] = 0;
  const size = 16 + length;
  const pseudo = (NODE_1 >>> 16) + (NODE_1 & 0xffff) + (remote >>> 16) + (remote & 0xffff) + 17 + size;
  const checksum = ~fold(swap(fold(pseudo)) + sum(inner - 16, frameEnd[f]!)) & 0xffff;
  u16[h + 3] = checksum === 0 ? 0xffff : checksum;
  const ro = route(routes1, remote);
  if (routes1.device[ro]! !== ETH0) throw new Error('hand-written: the other node is on eth0');
  ipId = (ipId + 1) & 0xffff;
  writeIpv4(inner - 36, 36 + length, ipId, 0, NODE_1, remote);
  const no = neighbour(neighbours1, remote);
  writeMacs(outer, neighbours1.hi[no]!, neighbours1.lo[no]!, MAC_HI, MAC_ETH_1, IPV4_TYPE);
  frameStart[f] = outer;
  if (capturing) capture(f, 4, 2);
  push(lineCable, CABLE_DELAY, throughSwitch ? AT_SWITCH : AT_NODE_2, f);
}

function atSwitch(f: number): void {
  if (capturing) capture(f, 10, 1);
  const h = frameStart[f]! >> 1;
  learn(bridgeSwitch, swap(u16[h + 3]!), (swap(u16[h + 4]!) << 16) | swap(u16[h + 5]!), PORT_A, clock[0]!);
  const i = find(bridgeSwitch, swap(u16[h]!), (swap(u16[h + 1]!) << 16) | swap(u16[h + 2]!));
  if (i < 0 || bridgeSwitch.value[i]! !== PORT_B) throw new Error('hand-written: the switch does not know');
  if (capturing) capture(f, 11, 2);
  push(lineVeth, VETH_DELAY, AT_NODE_2, f);
}

function atNode2(f: number): void {
  if (capturing) capture(f, 5, 1);
  const outer = frameStart[f]!;
  const end = frameEnd[f]!;
  const h = outer >> 1;
  if (swap(u16[h]!) !== MAC_HI || u16[h + 6]! !== IPV4_TYPE) throw new Error('hand-written: not for node 2');
  checkHeader(outer + 14, end);
  const to = (swap(u16[(outer + 30) >> 1]!) << 16) | swap(u16[(outer + 32) >> 1]!);
  if (routes2.device[route(routes2, to)]! !== LOCAL) throw new Error('hand-written: not local');
  const udp = (outer + 34) >> 1;
  const size = swap(u16[udp + 2]!);
  if (size < 16 || outer + 34 + size > end) throw new Error('hand-written: UDP length');
  const a = (outer + 26) >> 1;
  const pseudo = u16[a]! + u16[a + 1]! + u16[a + 2]! + u16[a + 3]! + 0x1100 + swap(size);
  if (fold(pseudo + sum(outer + 34, outer + 34 + size)) !== 0xffff) throw new Error('hand-written: UDP checksum');
  if (u16[udp + 1]! !== swap(VXLAN_PORT)) throw new Error('hand-written: not VXLAN');
  if ((u16[udp + 4]! & 0x08) === 0 || u16[udp + 7]! !== swap(VNI << 8)) throw new Error('hand-written: VNI');
  const inner = outer + 50;
  frameStart[f] = inner;
  // flannel.1 knows the sender from now on (a real device does when learning is on; flannel's is off and looks up only)
  if (find(vtep2, MAC_HI, MAC_FLANNEL_1) >= 0) throw new Error('hand-written: learning is off');
  if (swap(u16[inner >> 1]!) !== MAC_HI || u16[(inner + 12) >> 1]! !== IPV4_TYPE) throw new Error('hand-written: MAC');
  if (capturing) capture(f, 6, 1);
  const at = inner + 14;
  checkHeader(at, end);
  const pod = swap32(i32[(at + 16) >> 2]!);
  const r = route(routes2, pod);
  if (routes2.device[r]! !== CNI0) throw new Error('hand-written: not to a pod');
  decrementTtl(at);
  const n = neighbour(neighbours2, routes2.gateway[r]! !== 0 ? routes2.gateway[r]! : pod);
  const hi = neighbours2.hi[n]!;
  const lo = neighbours2.lo[n]!;
  writeMacs(inner, hi, lo, MAC_HI, MAC_CNI_2, IPV4_TYPE);
  if (capturing) capture(f, 7, 2);
  const i = find(bridge2, hi, lo);
  if (i < 0 || bridge2.value[i]! !== PORT_B) throw new Error('hand-written: flooding is not its work');
  if (capturing) capture(f, 8, 2);
  push(lineVeth, VETH_DELAY, AT_POD_B, f);
}

function atPodB(f: number): void {
  if (capturing) capture(f, across ? 9 : 3, 1);
  const start = frameStart[f]!;
  const end = frameEnd[f]!;
  const h = start >> 1;
  if (swap(u16[h]!) !== MAC_HI || ((swap(u16[h + 1]!) << 16) | swap(u16[h + 2]!)) !== MAC_B) {
    throw new Error('hand-written: not for pod B');
  }
  const at = start + 14;
  checkHeader(at, end);
  const to = swap32(i32[(at + 16) >> 2]!);
  if (routesB.device[route(routesB, to)]! !== LOCAL) throw new Error('hand-written: not local');
  const udp = at + 20;
  const length = swap(u16[(udp + 4) >> 1]!);
  if (length < 8 || udp + length > end) throw new Error('hand-written: UDP length');
  const a = (at + 12) >> 1;
  const s = u16[a]! + u16[a + 1]! + u16[a + 2]! + u16[a + 3]! + 0x1100 + swap(length) + sum(udp, udp + length);
  if (fold(s) !== 0xffff) throw new Error('hand-written: UDP checksum');
  if (u16[(udp + 2) >> 1]! !== swap(DESTINATION_PORT)) throw new Error('hand-written: no socket');
  // the program reads the datagram where it lies
  const number = u16[(udp + 8) >> 1]! | (u16[(udp + 10) >> 1]! << 16);
  if (number !== delivered) throw new Error('hand-written: out of order');
  if (inspect !== null) inspect(u8.slice(udp + 8, udp + length));
  delivered++;
  free[freeTop++] = f;
}

function loop(): void {
  for (;;) {
    let line: Line | null = null;
    let time = Number.POSITIVE_INFINITY;
    let order = 0;
    if (lineVeth.head !== lineVeth.tail) {
      line = lineVeth;
      const i = lineVeth.head & (RING - 1);
      time = lineVeth.time[i]!;
      order = lineVeth.sequence[i]!;
    }
    if (lineCable.head !== lineCable.tail) {
      const i = lineCable.head & (RING - 1);
      const t = lineCable.time[i]!;
      if (t < time || (t === time && lineCable.sequence[i]! < order)) {
        line = lineCable;
        time = t;
        order = lineCable.sequence[i]!;
      }
    }
    if (lineSend.head !== lineSend.tail) {
      const i = lineSend.head & (RING - 1);
      const t = lineSend.time[i]!;
      if (t < time || (t === time && lineSend.sequence[i]! < order)) {
        line = lineSend;
        time = t;
      }
    }
    if (line === null) return;
    const i = line.head++ & (RING - 1);
    clock[0] = time;
    const f = line.frame[i]!;
    switch (line.target[i]!) {
      case AT_SENDER:
        send();
        if (--left > 0) push(lineSend, SEND_INTERVAL, AT_SENDER, 0);
        break;
      case AT_VETH_A:
        atVethA(f);
        break;
      case AT_SWITCH:
        atSwitch(f);
        break;
      case AT_NODE_2:
        atNode2(f);
        break;
      default:
        atPodB(f);
    }
  }
}

/** pcapng section and interface blocks: no names, ns resolution. */
function writeFileHead(interfaces: number): void {
  const put = (words: number[]): void => {
    for (const word of words) {
      i32[(BLOCK_AT + blockUsed) >> 2] = word;
      blockUsed += 4;
    }
  };
  put([0x0a0d0d0a, 28, 0x1a2b3c4d, 1, -1, -1, 28]);
  // link type Ethernet, no snap length; if_tsresol 9
  for (let i = 0; i < interfaces; i++) put([1, 32, 1, 0, 0x0001_0009, 9, 0, 32]);
}

/**
 * Sends `packets` datagrams from pod A to pod B, one every virtual microsecond, and returns when all have arrived.
 * @param show called with a copy of each delivered payload (tests only: it costs)
 */
export function runHandWritten(
  settings: FlowSettings,
  packets: number,
  show: ((payload: Uint8Array) => void) | null = null,
): FlowResult {
  across = settings.acrossNodes;
  throughSwitch = across && settings.throughSwitch;
  capturing = settings.capture !== CaptureTo.NOWHERE;
  destination = across ? POD_B_THERE : POD_B_HERE;
  payload = new Uint8Array(settings.payload);
  for (let i = 0; i < payload.length; i++) payload[i] = (i * 7 + 3) & 0xff;
  payloadWord = new Int32Array(payload.buffer, 0, 1);
  inspect = show;
  clock[0] = 0;
  sequence = 0;
  left = packets;
  sent = 0;
  delivered = 0;
  blockUsed = 0;
  captureBytes = 0;
  nextPacketId = 0;
  freeTop = 0;
  for (let f = SLOTS - 1; f >= 0; f--) free[freeTop++] = f;
  const crossings = across ? (throughSwitch ? 12 : 10) : 4;
  fd = settings.capture === CaptureTo.FILE ? openSync(settings.path, 'w') : -1;
  try {
    if (capturing) writeFileHead(throughSwitch ? 12 : across ? 10 : 4);
    push(lineSend, SEND_INTERVAL, AT_SENDER, 0);
    loop();
    if (capturing) flush();
  } finally {
    if (fd >= 0) closeSync(fd);
    fd = -1;
  }
  return { delivered, crossings, captureBytes };
}
