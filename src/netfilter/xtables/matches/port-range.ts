// Ports of the tcp and udp matches: one, or a range.

import { type OptionValue, RuleError } from '../extension-option.ts';
import { parsePort } from '../option-text.ts';
import { serviceName } from '../protocol-names.ts';

const ANY_LAST = 0xffff;

export class PortRange {
  low = 0;
  high = ANY_LAST;
  inverted = false;

  /** "80", "1024:65535", ":1023", "1024:", names too */
  parse(option: OptionValue, protocol: number): void {
    const [first = '', last] = option.value.split(':', 2);
    this.low = first === '' && last !== undefined ? 0 : parsePort(first, protocol);
    this.high = last === undefined ? this.low : last === '' ? ANY_LAST : parsePort(last, protocol);
    this.inverted = option.inverted;
    if (this.low > this.high) throw new RuleError('invalid portrange (min > max)');
  }

  get any(): boolean {
    return this.low === 0 && this.high === ANY_LAST && !this.inverted;
  }

  /** The one port that is named, inverted or not, -1 when it is a range. */
  get single(): number {
    return this.low === this.high ? this.low : -1;
  }

  /** The one port it stands for, -1 when it is not one. */
  get exact(): number {
    return this.low === this.high && !this.inverted ? this.low : -1;
  }

  /** As nf_tables keeps it: what is not in a range from 0 on is above it (`! :443` is `444:`). */
  normalise(): void {
    if (!this.inverted || this.low !== 0 || this.high === ANY_LAST) return;
    [this.low, this.high] = [this.high + 1, ANY_LAST];
    this.inverted = false;
  }

  /** @param port -1 where the packet has none: that matches nothing */
  matches(port: number): boolean {
    return port >= 0 && (port >= this.low && port <= this.high) !== this.inverted;
  }

  save(option: string): string {
    if (this.low === 0 && this.high === ANY_LAST) return '';
    const range = this.low === this.high ? `${this.low}` : `${this.low}:${this.high}`;
    return `${this.inverted ? ' !' : ''} --${option} ${range}`;
  }

  list(name: string, protocol: number, numeric: boolean): string {
    if (this.any) return '';
    const text = (port: number): string => (numeric ? null : serviceName(port, protocol)) ?? String(port);
    const not = this.inverted ? '!' : '';
    return this.low === this.high
      ? ` ${name}:${not}${text(this.low)}`
      : ` ${name}s:${not}${text(this.low)}:${text(this.high)}`;
  }
}

/**
 * A test of two port ranges as iptables' payload expressions ask them. Two single ports that are inverted alike become one
 * comparison of 32 bits (iptables/nft.c add_nft_tcpudp): `! --sport 80 ! --dport 53` matches what is not both.
 */
export function portsTest(source: PortRange, destination: PortRange): (source: number, destination: number) => boolean {
  const both = source.single > 0 && destination.single > 0 && source.inverted && destination.inverted;
  if (both) {
    const from = source.single;
    const to = destination.single;
    return (s, d) => d >= 0 && (s !== from || d !== to);
  }
  if (source.any) return (_s, d) => destination.matches(d);
  if (destination.any) return (s) => source.matches(s);
  return (s, d) => source.matches(s) && destination.matches(d);
}
