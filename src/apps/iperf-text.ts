// What iperf3 3.12 prints: amounts with four places and a unit, a line for each stream and interval, and for the whole.

/** -f: a unit for bit rates, or 'a': the one that fits */
export type IperfFormat = 'a' | 'k' | 'm' | 'g' | 't' | 'K' | 'M' | 'G' | 'T';

const KILO = 1000;
const KIBI = 1024;

function scaled(value: number, base: number, units: readonly string[], fixed: number | null): string {
  let i = fixed ?? 0;
  if (fixed === null) while (i < units.length - 1 && value / base ** i >= base) i++;
  const number = value / base ** i;
  const digits = fixed !== null && number >= 1000 ? 0 : number < 9.995 ? 2 : number < 99.95 ? 1 : 0;
  return `${number.toFixed(digits).padStart(4)} ${units[i]}`;
}

/** `3.88 GByte` */
export function amount(bytes: number): string {
  return scaled(bytes, KIBI, ['Byte', 'KByte', 'MByte', 'GByte', 'TByte'], null);
}

/** `33.3 Gbit` of so many bytes in a second */
export function bitRate(bytesPerSecond: number, format: IperfFormat): string {
  const fixed = format === 'a' ? null : 'kmgt'.indexOf(format.toLowerCase()) + 1;
  if (format !== 'a' && format === format.toUpperCase()) {
    return scaled(bytesPerSecond, KIBI, ['Byte', 'KByte', 'MByte', 'GByte', 'TByte'], fixed);
  }
  return scaled(bytesPerSecond * 8, KILO, ['bit', 'Kbit', 'Mbit', 'Gbit', 'Tbit'], fixed);
}

export interface IperfSpan {
  /** socket number, or null: the sum */
  readonly id: number | null;
  /** seconds */
  readonly start: number;
  readonly end: number;
  readonly bytes: number;
  /** retransmitted segments; null: this side does not count them */
  readonly retransmits: number | null;
  /** congestion window in bytes; null: not shown */
  readonly cwnd: number | null;
}

function head({ id, start, end, bytes }: IperfSpan, format: IperfFormat): string {
  const name = id === null ? '[SUM]' : `[${String(id).padStart(3)}]`;
  const seconds = end - start;
  const rate = bitRate(seconds > 0 ? bytes / seconds : 0, format);
  return `${name} ${start.toFixed(2).padStart(6)}-${end.toFixed(2).padEnd(6)} sec  ${amount(bytes)}s  ${rate}s/sec`;
}

/** @param role behind a line of the summary: `sender`, `receiver`; '' in an interval */
export function spanLine(span: IperfSpan, format: IperfFormat, role: string): string {
  const { retransmits, cwnd } = span;
  const start = head(span, format);
  if (retransmits === null) return `${start}                  ${role}\n`;
  const count = String(retransmits).padStart(3);
  if (cwnd === null) return `${start}  ${count}             ${role}\n`;
  return `${start}  ${count}   ${amount(cwnd)}s       \n`;
}

export const SEPARATOR = '- - - - - - - - - - - - - - - - - - - - - - - - -\n';
const COLUMNS = '[ ID] Interval           Transfer     Bitrate';
export const INTERVAL_HEAD = `${COLUMNS}         Retr  Cwnd\n`;
export const SENDER_HEAD = `${COLUMNS}         Retr\n`;
export const RECEIVER_HEAD = `${COLUMNS}\n`;
export const RULE = `${'-'.repeat(59)}\n`;
