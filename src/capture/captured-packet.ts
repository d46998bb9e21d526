// What a capture file gives, whichever its format: packets, interfaces, names, and the one error that ended it.

/** Longest captured length that is believed, bytes (Wireshark's and tcpdump's limit, MAXIMUM_SNAPLEN of libpcap). */
export const CAPTURED_LENGTH_MAX = 262_144;

export interface CapturedPacket {
  /** 1, 2, 3, ... over the whole file; only packets count (Wireshark's list also numbers custom blocks). */
  readonly number: number;
  /** Index into CaptureReader.interfaces (over all sections of the file). */
  readonly interfaceIndex: number;
  /** False when the record has no time (pcapng simple packet block); both time fields are 0 then. */
  readonly hasTime: boolean;
  /** Whole seconds since 1970-01-01; may be negative through if_tsoffset. */
  readonly timeSeconds: number;
  /** 0 .. 999,999,999; finer units are cut. */
  readonly timeNanos: number;
  /** Length on the wire, bytes. */
  readonly length: number;
  /** The captured bytes. Of a file: a copy; of an array: a view of it. */
  readonly bytes: Uint8Array;
  /** 0 unknown, 1 inbound, 2 outbound (bits 0-1 of epb_flags). */
  readonly direction: 0 | 1 | 2;
  /** epb_packetid: equal on every record of one packet; null when absent. */
  readonly packetId: number | null;
  readonly comments: readonly string[];
}

export interface CaptureInterface {
  /** LINKTYPE_* number. */
  readonly linkType: number;
  /** Bytes kept of each packet; 0 when the file states no limit. */
  readonly snapLength: number;
  readonly name: string | null;
  readonly description: string | null;
  /** Six bytes, or null. */
  readonly mac: Uint8Array | null;
  /** Digits after the decimal point that its times carry (6 = us, 9 = ns); binary resolutions are rounded up. */
  readonly timeDigits: number;
  readonly comments: readonly string[];
}

/** A line of a name resolution block. */
export interface CapturedName {
  /** 4 bytes (IPv4) or 16 (IPv6). */
  readonly address: Uint8Array;
  readonly names: readonly string[];
}

/** Interface statistics block; null where the file says nothing. Times in seconds and nanoseconds since 1970. */
export interface CapturedStatistics {
  readonly interfaceIndex: number;
  readonly received: number | null;
  readonly dropped: number | null;
  readonly comments: readonly string[];
}

/** Section header; a classic pcap file has one without texts. */
export interface CaptureSection {
  readonly hardware: string | null;
  readonly os: string | null;
  readonly application: string | null;
  readonly comments: readonly string[];
}

/** Where and why reading stopped before the end of the file. */
export interface CaptureError {
  /** Byte offset of the record or block that is wrong. */
  readonly offset: number;
  /** Number of the packet that could not be read (the last good one + 1). */
  readonly packet: number;
  /** One sentence that names offset and, past the head of the file, the packet. */
  readonly message: string;
}

/** What the two formats have in common; CaptureReader chooses one of them by the first bytes. */
export interface FormatReader {
  readonly interfaces: readonly CaptureInterface[];
  readonly sections: readonly CaptureSection[];
  readonly names: readonly CapturedName[];
  readonly statistics: readonly CapturedStatistics[];
  readonly error: CaptureError | null;
  next(): CapturedPacket | null;
}
