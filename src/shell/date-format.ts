// date(1) formats, as coreutils prints them in the C locale, always in UTC: the emulated world has one time zone.

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
const NS_PER_S = 1_000_000_000n;
const DAY_MS = 86_400_000;

/** What a conversion gives: a number is padded to `width` with `pad`. */
type Field = { readonly number: number | bigint; readonly width: number; readonly pad: string } | string;

/** Formats that stand for others. */
const COMPOSITE: Readonly<Record<string, string>> = {
  c: '%a %b %e %H:%M:%S %Y',
  D: '%m/%d/%y',
  F: '%Y-%m-%d',
  r: '%I:%M:%S %p',
  R: '%H:%M',
  T: '%H:%M:%S',
  x: '%m/%d/%y',
  X: '%H:%M:%S',
};

/** @param ns nanoseconds since 1970 */
export function formatDate(format: string, ns: bigint): string {
  return format.replace(
    /%([-_0^#]*)(\d*)(:*)([A-Za-z%])/g,
    (all, flags: string, width: string, colons: string, c: string) => {
      if (c === '%') return '%';
      if (c === 'n') return '\n';
      if (c === 't') return '\t';
      if (c === 'z') return colons === '' ? '+0000' : colons === ':' ? '+00:00' : '+00:00:00';
      if (c === 'N') return nanoseconds(ns, width, flags);
      const composite = Object.hasOwn(COMPOSITE, c) ? COMPOSITE[c] : undefined;
      const value = composite !== undefined ? formatDate(composite, ns) : field(c, ns);
      if (value === null) return all;
      return typeof value === 'string' ? text(value, flags, width) : number(value, flags, width);
    },
  );
}

/** The default of date(1) without a format. */
export const DEFAULT_FORMAT = '%a %b %e %H:%M:%S %Z %Y';

function text(value: string, flags: string, width: string): string {
  const cased = flags.includes('^') ? value.toUpperCase() : value;
  return width === '' ? cased : cased.padStart(Number(width), flags.includes('0') ? '0' : ' ');
}

function number(value: Exclude<Field, string>, flags: string, width: string): string {
  const digits = value.number.toString();
  if (flags.includes('-')) return digits;
  const pad = flags.includes('_') ? ' ' : flags.includes('0') ? '0' : value.pad;
  return digits.padStart(width === '' ? value.width : Number(width), pad);
}

/** %N; %3N is the first three digits; %-N drops trailing zeros. */
function nanoseconds(ns: bigint, width: string, flags: string): string {
  const digits = (((ns % NS_PER_S) + NS_PER_S) % NS_PER_S).toString().padStart(9, '0');
  if (flags.includes('-')) return digits.replace(/0+$/, '') || '0';
  return width === '' ? digits : digits.padEnd(Number(width), '0').slice(0, Number(width));
}

function field(conversion: string, ns: bigint): Field | null {
  const seconds = ns >= 0n ? ns / NS_PER_S : (ns - NS_PER_S + 1n) / NS_PER_S;
  const date = new Date(Number(seconds) * 1000);
  const hour = date.getUTCHours();
  const day = date.getUTCDay();
  const yearDay = Math.floor(
    (Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()) - Date.UTC(date.getUTCFullYear(), 0, 1)) /
      DAY_MS,
  );
  const zero = (n: number, width = 2): Field => ({ number: n, width, pad: '0' });
  const blank = (n: number): Field => ({ number: n, width: 2, pad: ' ' });
  switch (conversion) {
    case 'a':
      return DAYS[day]!.slice(0, 3);
    case 'A':
      return DAYS[day]!;
    case 'b':
    case 'h':
      return MONTHS[date.getUTCMonth()]!.slice(0, 3);
    case 'B':
      return MONTHS[date.getUTCMonth()]!;
    case 'C':
      return zero(Math.floor(date.getUTCFullYear() / 100));
    case 'd':
      return zero(date.getUTCDate());
    case 'e':
      return blank(date.getUTCDate());
    case 'g':
      return zero(isoWeek(date).year % 100);
    case 'G':
      return zero(isoWeek(date).year, 4);
    case 'H':
      return zero(hour);
    case 'I':
      return zero(hour % 12 === 0 ? 12 : hour % 12);
    case 'j':
      return zero(yearDay + 1, 3);
    case 'k':
      return blank(hour);
    case 'l':
      return blank(hour % 12 === 0 ? 12 : hour % 12);
    case 'm':
      return zero(date.getUTCMonth() + 1);
    case 'M':
      return zero(date.getUTCMinutes());
    case 'p':
      return hour < 12 ? 'AM' : 'PM';
    case 'P':
      return hour < 12 ? 'am' : 'pm';
    case 'q':
      return zero(Math.floor(date.getUTCMonth() / 3) + 1, 1);
    case 's':
      return { number: seconds, width: 1, pad: '0' };
    case 'S':
      return zero(date.getUTCSeconds());
    case 'u':
      return zero(day === 0 ? 7 : day, 1);
    case 'U':
      return zero(Math.floor((yearDay + 7 - day) / 7));
    case 'V':
      return zero(isoWeek(date).week);
    case 'w':
      return zero(day, 1);
    case 'W':
      return zero(Math.floor((yearDay + 7 - ((day + 6) % 7)) / 7));
    case 'y':
      return zero(date.getUTCFullYear() % 100);
    case 'Y':
      return zero(date.getUTCFullYear(), 4);
    case 'Z':
      return 'UTC';
    default:
      return null;
  }
}

/** ISO 8601: the week belongs to the year that has its Thursday. */
function isoWeek(date: Date): { year: number; week: number } {
  const thursday = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()));
  thursday.setUTCDate(thursday.getUTCDate() + 4 - (thursday.getUTCDay() || 7));
  const year = thursday.getUTCFullYear();
  return { year, week: Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / (7 * DAY_MS)) + 1 };
}

/** A moment as `date -d` takes it: `@SECONDS`, `now`, or an ISO 8601 date with or without time; null when it is none. */
export function parseMoment(text: string, now: bigint): bigint | null {
  const trimmed = text.trim();
  if (trimmed === '' || trimmed === 'now') return now;
  const epoch = /^@(-?\d+)(?:\.(\d{1,9})\d*)?$/.exec(trimmed);
  if (epoch !== null) return BigInt(epoch[1]!) * NS_PER_S + BigInt((epoch[2] ?? '0').padEnd(9, '0'));
  const iso = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?)?\s*(?:Z|UTC)?$/.exec(trimmed);
  if (iso === null) return null;
  const ms = Date.parse(`${iso[1]}T${(iso[2] ?? '00:00').padEnd(8, ':00')}Z`);
  return Number.isNaN(ms) ? null : BigInt(ms) * 1_000_000n + BigInt((iso[3] ?? '0').padEnd(9, '0'));
}
