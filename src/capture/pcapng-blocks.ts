// The blocks of a pcapng file that are no packets (draft-ietf-opsawg-pcapng section 4), as podwire writes them: section
// header, interface description, name resolution, interface statistics.

import { macHi, macLo } from '../addr/mac.ts';
import type { Ns } from '../sim/sim.ts';
import { BlockBuilder, encodeText } from './block-builder.ts';
import type { InterfaceDescription, NameEntry } from './packet-writer.ts';
import { BlockType, BYTE_ORDER_MAGIC, LINKTYPE_ETHERNET, NameRecord, Option } from './pcapng.ts';

/** nanoseconds: if_tsresol is a power of ten */
const TSRESOL_NS = 9;
/** A name resolution block ends when it is about this long; the next one follows. */
const NAMES_BLOCK = 16 * 1024;
/** Names kept of one address, the last ones (choice; a record holds 65,535 bytes). */
const NAMES_MAX = 64;
/** DNS names have at most 255 octets. */
const NAME_MAX = 255;

/** The section header block, with which a file begins. Nothing of the host is in it: captures repeat on every machine. */
export function sectionHeader(application: string, comments: readonly string[]): Uint8Array {
  const block = new BlockBuilder(BlockType.SECTION_HEADER).u32(BYTE_ORDER_MAGIC).u16(1).u16(0);
  // Section length: -1, not stated.
  block.u32(0xffff_ffff).u32(0xffff_ffff);
  for (const comment of comments) block.text(Option.COMMENT, comment);
  return block.text(Option.SHB_USERAPPL, application).end();
}

/** @param snapLength bytes kept of each frame, 0 for all */
export function interfaceDescription(description: InterfaceDescription, snapLength: number): Uint8Array {
  const block = new BlockBuilder(BlockType.INTERFACE_DESCRIPTION).u16(LINKTYPE_ETHERNET).u16(0).u32(snapLength);
  block.text(Option.IF_NAME, description.name);
  if (description.description !== '') block.text(Option.IF_DESCRIPTION, description.description);
  if (description.mac !== null) {
    const mac = new DataView(new ArrayBuffer(6));
    mac.setUint16(0, macHi(description.mac));
    mac.setInt32(2, macLo(description.mac));
    block.option(Option.IF_MACADDR, new Uint8Array(mac.buffer));
  }
  if (description.speed > 0) block.u16(Option.IF_SPEED).u16(8).u64(BigInt(description.speed));
  return block.option(Option.IF_TSRESOL, Uint8Array.of(TSRESOL_NS)).end();
}

/** As many blocks as the names need. */
export function nameResolution(entries: readonly NameEntry[]): Uint8Array[] {
  const blocks: Uint8Array[] = [];
  let block: BlockBuilder | null = null;
  for (const entry of entries) {
    block ??= new BlockBuilder(BlockType.NAME_RESOLUTION);
    block.option(NameRecord.IPV4, nameRecord(entry));
    if (block.length < NAMES_BLOCK) continue;
    blocks.push(endNames(block));
    block = null;
  }
  if (block !== null) blocks.push(endNames(block));
  return blocks;
}

/** nrb_record_end, then the end of the (absent) options. */
function endNames(block: BlockBuilder): Uint8Array {
  return block.u16(NameRecord.END).u16(0).end();
}

/** The address, then each name with a NUL behind it. */
function nameRecord({ address, names }: NameEntry): Uint8Array {
  const texts = names.slice(-NAMES_MAX).map((name) => encodeText(name, NAME_MAX));
  const value = new Uint8Array(4 + texts.reduce((n, text) => n + text.length + 1, 0));
  new DataView(value.buffer).setInt32(0, address);
  let at = 4;
  for (const text of texts) {
    value.set(text, at);
    at += text.length + 1;
  }
  return value;
}

export interface InterfaceStatistics {
  readonly interfaceId: number;
  /** Nanoseconds from 1970 to virtual time 0. */
  readonly epoch: bigint;
  /** Virtual times of the first and the last frame; -1 when none came. */
  readonly firstTime: Ns;
  readonly lastTime: Ns;
  /** Frames that passed the interface. */
  readonly received: number;
  /** Of them, those that the capture itself did not record. */
  readonly dropped: number;
  /** '' for none. */
  readonly comment: string;
}

export function interfaceStatistics(statistics: InterfaceStatistics): Uint8Array {
  const { interfaceId, epoch, firstTime, lastTime } = statistics;
  const block = new BlockBuilder(BlockType.INTERFACE_STATISTICS).u32(interfaceId);
  block.time(epoch + BigInt(Math.max(0, lastTime)));
  if (statistics.comment !== '') block.text(Option.COMMENT, statistics.comment);
  if (firstTime >= 0) {
    block
      .u16(Option.ISB_STARTTIME)
      .u16(8)
      .time(epoch + BigInt(firstTime));
    block
      .u16(Option.ISB_ENDTIME)
      .u16(8)
      .time(epoch + BigInt(lastTime));
  }
  block.u16(Option.ISB_IFRECV).u16(8).u64(BigInt(statistics.received));
  return block.u16(Option.ISB_IFDROP).u16(8).u64(BigInt(statistics.dropped)).end();
}
