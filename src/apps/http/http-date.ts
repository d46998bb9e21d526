// Dates of HTTP (RFC 9110 section 5.6.7, IMF-fixdate) and of access logs.

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const NS_PER_MS = 1_000_000n;

function two(n: number): string {
  return String(n).padStart(2, '0');
}

/** @param milliseconds since 1970 */
export function httpDate(milliseconds: number): string {
  const d = new Date(milliseconds);
  const day = `${DAYS[d.getUTCDay()]}, ${two(d.getUTCDate())} ${MONTHS[d.getUTCMonth()]} ${d.getUTCFullYear()}`;
  return `${day} ${timeOfDay(d)} GMT`;
}

/** `22/Nov/2026` */
export function logDay(milliseconds: number): string {
  const d = new Date(milliseconds);
  return `${two(d.getUTCDate())}/${MONTHS[d.getUTCMonth()]}/${d.getUTCFullYear()}`;
}

/** `17:54:40` */
export function logTime(milliseconds: number): string {
  return timeOfDay(new Date(milliseconds));
}

/** @param ns nanoseconds since 1970 */
export function millisecondsOf(ns: bigint): number {
  return Number(ns / NS_PER_MS);
}

function timeOfDay(d: Date): string {
  return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`;
}
