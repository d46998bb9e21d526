// What the recorder asks of a capture format, and what it tells it of an interface.

import type { Ipv4 } from '../addr/ipv4.ts';
import type { Mac } from '../addr/mac.ts';
import type { Frame } from '../link/frame.ts';
import type { Ns } from '../sim/sim.ts';

/** Directions of epb_flags (bits 0-1). */
export const Direction = { UNKNOWN: 0, IN: 1, OUT: 2 } as const;
export type Direction = (typeof Direction)[keyof typeof Direction];

export interface InterfaceDescription {
  /** `owner/ifname` */
  readonly name: string;
  readonly description: string;
  readonly mac: Mac | null;
  /** Bits per second, or 0 when nobody says. */
  readonly speed: number;
}

export interface NameEntry {
  readonly address: Ipv4;
  /** Wireshark shows the last one. */
  readonly names: readonly string[];
}

export const NO_RECORD = -1;

export interface PacketWriter {
  /** Why nothing more is recorded (full disk, reader gone), or null. */
  readonly problem: string | null;
  /** True once the size limit has been met. */
  readonly limitReached: boolean;
  /** Returns the id that record() takes; may be called at any time. */
  addInterface(description: InterfaceDescription): number;
  addNames(entries: readonly NameEntry[]): void;
  /** Appends the frame's bytes; returns the ordinal of the record (0, 1, ...), or NO_RECORD when it was not taken. */
  record(interfaceId: number, time: Ns, frame: Frame, direction: Direction, packetId: number): number;
  /** Adds a comment to a record that is still in memory; false when it is not, or has another packet id. */
  comment(ordinal: number, packetId: number, text: string): boolean;
  /** Newest record of this packet among the last few, on this interface unless it is -1; or NO_RECORD. */
  find(packetId: number, interfaceId: number): number;
  /** Writes out everything recorded so far. */
  flush(): void;
  /** Writes what a file ends with and closes the sink. */
  close(): void;
}
