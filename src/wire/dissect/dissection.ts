// What a dissection is made of, and the reader with which every protocol file takes a header apart.
//
// This is the slow, talkative reading of a frame: for people, JSON and tests. The packet path uses the accessors of
// wire/*.ts. Any bytes whatever give a Dissection: the reader stops at the first field that is not there, remembers why,
// and every later read is a no-op, so no protocol file needs an exception or a null check per field.
//
//   |<------------- reported: what was on the wire ------------->|
//   |<------ captured: what the file has ------>|
//         at                                            end           a layer's extent; end <= its outer layer's end
//
// A field beyond `end` makes the layer malformed (a length lied); one beyond the captured bytes makes it truncated (the
// snap length cut it).

/** One field: Wireshark's field name and tshark's value form. */
export interface Field {
  readonly name: string;
  readonly value: string;
  /** False for what only the encoder needs (bits that no Wireshark field shows). */
  readonly shown: boolean;
}

/** One header with its place in the frame. */
export interface Layer {
  /** tshark's protocol name: eth, vlan, ip, ... */
  readonly name: string;
  /** For people: "Internet Protocol Version 4". */
  readonly title: string;
  /** offset of the first byte in the frame */
  readonly at: number;
  readonly fields: Field[];
  /** one line about this layer, for the summary of the packet; empty when it has nothing to say */
  info: string;
  /** part of a packet that an ICMP error quotes */
  readonly quoted: boolean;
  /** bytes behind the inner layers that belong to this one and that no field shows (hex) */
  rest: string;
}

/** Something wrong with a layer. */
export interface Flaw {
  readonly layer: string;
  readonly message: string;
}

export interface Dissection {
  readonly layers: Layer[];
  /** the first layer whose bytes contradict themselves or whose checksum is wrong; null when sound */
  readonly malformed: Flaw | null;
  /** the layer that the snap length cut; null when whole */
  readonly truncated: Flaw | null;
  /** tshark's frame.protocols, as far as the layers are known: "eth:ethertype:ip:udp:data" */
  readonly protocols: string;
}

/** Most layers of one frame; 4 tunnels of (vxlan, eth, 8 tags, ip, udp) and ICMP quotes stay below (a choice). */
export const LAYERS_MAX = 64;
/** Tunnels inside one another: as the receive path of the emulator (the kernel's own limit is in net/core/dev.c). */
export const TUNNELS_MAX = 4;

/** A protocol's dissection of [at, end); returns where the protocol's own length says that it ends. */
export type Dissect = (d: Dissector, at: number, end: number) => number;

/** Who takes apart what: the files of the protocols know each other only through this (dissect.ts fills it). */
export interface DissectTables {
  /** a frame inside a tunnel */
  readonly ethernet: Dissect;
  /** an IP packet of either version */
  readonly ip: Dissect;
  readonly etherTypes: ReadonlyMap<number, Dissect>;
  readonly ipProtocols: ReadonlyMap<number, Dissect>;
  /** the destination port is looked up first, then the source port */
  readonly udpPorts: ReadonlyMap<number, Dissect>;
  /** the same for what a segment carries */
  readonly tcpPorts: ReadonlyMap<number, Dissect>;
}

/** tshark's codes of a checksum's state. */
export const ChecksumStatus = { BAD: 0, GOOD: 1, UNVERIFIED: 2, NOT_PRESENT: 3, ILLEGAL: 4 } as const;

/** State of one dissection, handed through the layers. */
export class Dissector {
  readonly view: DataView;
  readonly bytes: Uint8Array;
  /** bytes of the whole packet on the wire */
  readonly length: number;
  readonly tables: DissectTables;
  readonly layers: Layer[] = [];
  readonly protocols: string[] = [];
  malformed: Flaw | null = null;
  truncated: Flaw | null = null;
  /** VLAN tags of the frame in hand */
  tags = 0;
  /** tunnels entered so far */
  tunnels = 0;
  /** inside the quote of an ICMP error: lengths may promise more than is there, checksums cannot be verified */
  quoted = false;
  /** inside the first fragment of a datagram: the same, for another reason */
  fragmented = false;
  /** sum of the 16-bit words of the last IP header's addresses, for pseudo-header checksums (RFC 768, RFC 8200 s8.1) */
  addressSum = 0;
  /** the last IP header was IPv6, over which UDP must have a checksum (RFC 8200 s8.1) */
  ipv6 = false;

  constructor(bytes: Uint8Array, length: number, tables: DissectTables) {
    this.bytes = bytes;
    this.length = length;
    this.tables = tables;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Starts a layer; null when the frame has too many. */
  layer(name: string, title: string, at: number, end: number): LayerReader | null {
    if (this.layers.length >= LAYERS_MAX) {
      this.flaw(name, 'too many layers');
      return null;
    }
    const layer: Layer = { name, title, at, fields: [], info: '', quoted: this.quoted, rest: '' };
    this.layers.push(layer);
    this.protocols.push(name);
    return new LayerReader(this, layer, at, end);
  }

  /** Notes what is wrong; the first flaw stays. */
  flaw(layer: string, message: string): void {
    this.malformed ??= { layer, message };
  }

  /** Hex of the captured part of [at, end). */
  hex(at: number, end: number): string {
    return hex(this.bytes, at, Math.min(end, this.bytes.length));
  }
}

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));

export function hex(bytes: Uint8Array, at: number, end: number): string {
  let text = '';
  for (let i = at; i < end; i++) text += HEX[bytes[i]!];
  return text;
}

/** tshark's form of a byte field: "00:1f:a0". */
export function colonHex(bytes: Uint8Array, at: number, end: number): string {
  let text = '';
  for (let i = at; i < end; i++) text += i === at ? HEX[bytes[i]!] : `:${HEX[bytes[i]!]}`;
  return text;
}

export function hex16(value: number): string {
  return `0x${value.toString(16).padStart(4, '0')}`;
}

export function hex8(value: number): string {
  return `0x${value.toString(16).padStart(2, '0')}`;
}

/** Reads one layer front to back. After the first missing field `ok` is false and nothing more is recorded. */
export class LayerReader {
  readonly d: Dissector;
  readonly layer: Layer;
  /** offset of the next byte */
  at: number;
  /** end of the layer on the wire; may lie behind the captured bytes */
  end: number;
  ok = true;

  constructor(d: Dissector, layer: Layer, at: number, end: number) {
    this.d = d;
    this.layer = layer;
    this.at = at;
    this.end = end;
  }

  /** True when n more bytes are there; otherwise records why not and ends the layer. */
  need(n: number): boolean {
    if (!this.ok) return false;
    const stop = this.at + n;
    if (stop <= this.end && stop <= this.d.bytes.length) return true;
    this.ok = false;
    const { layer, end, d } = this;
    layer.rest = d.hex(this.at, end);
    if (stop <= end) d.truncated ??= { layer: layer.name, message: 'cut by the snap length' };
    // A quote in an ICMP error is cut by nature, and so is a fragment.
    else if (!d.quoted && !d.fragmented)
      this.flaw(`the header needs ${stop - layer.at} bytes, ${end - layer.at} are left`);
    return false;
  }

  /** Bytes of the layer that are left on the wire. */
  get left(): number {
    return this.end - this.at;
  }

  /** End of what is left and captured. */
  get capturedEnd(): number {
    return Math.min(this.end, this.d.bytes.length);
  }

  add(name: string, value: string | number): void {
    this.layer.fields.push({ name, value: String(value), shown: true });
  }

  /** A value that only the encoder needs. */
  hide(name: string, value: string | number): void {
    this.layer.fields.push({ name, value: String(value), shown: false });
  }

  u8(name: string, form: (value: number) => string = String): number {
    if (!this.need(1)) return 0;
    const value = this.d.view.getUint8(this.at++);
    this.add(name, form(value));
    return value;
  }

  u16(name: string, form: (value: number) => string = String): number {
    if (!this.need(2)) return 0;
    const value = this.d.view.getUint16(this.at);
    this.at += 2;
    this.add(name, form(value));
    return value;
  }

  u24(name: string, form: (value: number) => string = String): number {
    if (!this.need(3)) return 0;
    const value = this.d.view.getUint16(this.at) * 256 + this.d.view.getUint8(this.at + 2);
    this.at += 3;
    this.add(name, form(value));
    return value;
  }

  u32(name: string, form: (value: number) => string = String): number {
    if (!this.need(4)) return 0;
    const value = this.d.view.getUint32(this.at);
    this.at += 4;
    this.add(name, form(value));
    return value;
  }

  /** n bytes as "00:1f:a0"; nothing is recorded for n = 0. */
  octets(name: string, n: number): void {
    if (n <= 0 || !this.need(n)) return;
    this.add(name, colonHex(this.d.bytes, this.at, this.at + n));
    this.at += n;
  }

  flaw(message: string): void {
    this.d.flaw(this.layer.name, message);
  }
}
