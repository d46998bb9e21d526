// The numbers of pcapng (draft-ietf-opsawg-pcapng): block types, option codes and field offsets, for reader and writer.
//
//   +0  block type     +4  total length     +8  body ...  options ...     -4  total length again

export const BlockType = {
  SECTION_HEADER: 0x0a0d0d0a,
  INTERFACE_DESCRIPTION: 1,
  /** Obsolete; read, never written. */
  PACKET: 2,
  SIMPLE_PACKET: 3,
  NAME_RESOLUTION: 4,
  INTERFACE_STATISTICS: 5,
  ENHANCED_PACKET: 6,
} as const;

export const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
/** Type, length in front, length behind. */
export const BLOCK_OVERHEAD = 12;
export const BODY = 8;

export const Option = {
  END: 0,
  COMMENT: 1,
  SHB_HARDWARE: 2,
  SHB_OS: 3,
  SHB_USERAPPL: 4,
  IF_NAME: 2,
  IF_DESCRIPTION: 3,
  IF_MACADDR: 6,
  IF_SPEED: 8,
  IF_TSRESOL: 9,
  IF_TSOFFSET: 14,
  EPB_FLAGS: 2,
  EPB_PACKETID: 5,
  PACK_FLAGS: 2,
  ISB_STARTTIME: 2,
  ISB_ENDTIME: 3,
  ISB_IFRECV: 4,
  ISB_IFDROP: 5,
} as const;

/** Name resolution record types. */
export const NameRecord = { END: 0, IPV4: 1, IPV6: 2 } as const;

/** LINKTYPE_ETHERNET */
export const LINKTYPE_ETHERNET = 1;

/** Rounded up to the 32-bit boundary that blocks and options keep. */
export function padded(length: number): number {
  return (length + 3) & ~3;
}
