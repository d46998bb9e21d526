// MAC addresses as values: a number below 2^48 for configuration and printing; in the packet path two integers,
// `hi` (first two bytes, 0..65535) and `lo` (last four bytes as signed 32 bits), which V8 keeps unboxed.

/** 0 .. 2^48-1, the first byte on the wire is the most significant. */
export type Mac = number;

export const MAC_ZERO: Mac = 0;
export const MAC_BROADCAST: Mac = 0xffffffffffff;

export function macHi(m: Mac): number {
  return Math.floor(m / 0x1_0000_0000);
}

export function macLo(m: Mac): number {
  return m | 0;
}

export function macOf(hi: number, lo: number): Mac {
  return hi * 0x1_0000_0000 + (lo >>> 0);
}

/** "0a:58:0a:f4:01:02" (either case, six two-digit groups); null for anything else. */
export function parseMac(text: string): Mac | null {
  if (!/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/.test(text)) return null;
  return Number.parseInt(text.replaceAll(':', ''), 16);
}

export function formatMac(m: Mac): string {
  const hex = m.toString(16).padStart(12, '0');
  return `${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4, 6)}:${hex.slice(6, 8)}:${hex.slice(8, 10)}:${hex.slice(10, 12)}`;
}

/** Group bit of the first byte (multicast or broadcast). */
export function isGroupMac(m: Mac): boolean {
  return (macHi(m) & 0x0100) !== 0;
}
