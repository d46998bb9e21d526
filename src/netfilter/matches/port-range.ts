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

  /** The one port it stands for, -1 when it is not one. */
  get exact(): number {
    return this.low === this.high && !this.inverted ? this.low : -1;
  }

  matches(port: number): boolean {
    return (port >= this.low && port <= this.high) !== this.inverted;
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
