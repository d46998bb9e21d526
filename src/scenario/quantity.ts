// Quantities as people write them in a scenario: each a zod schema whose input has a JSON Schema and whose output is a
// plain number. A bad value is told with what was expected.

import { z } from 'zod';
import { parseIpv4, parseIpv4Interface } from '../addr/ipv4.ts';
import { isGroupMac, parseMac } from '../addr/mac.ts';

const TIME_UNITS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1_000,
  µs: 1_000,
  ms: 1_000_000,
  s: 1_000_000_000,
  m: 60_000_000_000,
  h: 3_600_000_000_000,
};
const TIME = /^(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)$/;
/** Choice: no time of a scenario is longer than a week; 2^53 ns are 104 days. */
export const TIME_MAX = 7 * 86_400_000_000_000;

const TIME_EXPECTED = 'a time with its unit, such as 500ms, 2s or 1.5us (ns, us, ms, s, m, h; at most 7 days)';

/** `1.5ms` as whole nanoseconds, or null. */
export function parseTime(text: string): number | null {
  const match = TIME.exec(text);
  if (match === null) return null;
  const value = Math.round(Number(match[1]) * TIME_UNITS[match[2]!]!);
  return value <= TIME_MAX ? value : null;
}

/** Virtual time in nanoseconds. */
export const time = z
  .string({ error: TIME_EXPECTED })
  .regex(TIME, { error: TIME_EXPECTED, abort: true })
  .refine((text) => parseTime(text) !== null, { error: TIME_EXPECTED, abort: true })
  .transform((text) => parseTime(text)!)
  .meta({ description: 'A virtual time with its unit: 500ms, 2s, 1.5us.' });

const PROBABILITY_EXPECTED = 'a probability: 0% to 100%, or a number from 0 to 1';

/** 0..1 from `10%` or 0.1. */
export const probability = z
  .union(
    [
      z.number().min(0).max(1),
      z
        .string()
        .regex(/^\d+(?:\.\d+)?%$/)
        .refine((text) => Number.parseFloat(text) <= 100)
        .transform((text) => Number.parseFloat(text) / 100),
    ],
    { error: PROBABILITY_EXPECTED },
  )
  .meta({ description: 'A probability: 10% or 0.1.' });

const RATE_UNITS: Readonly<Record<string, number>> = { bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9 };
const RATE = /^(\d+(?:\.\d+)?)(bit|kbit|mbit|gbit)$/;
const RATE_EXPECTED = 'a rate from 1bit to 1000gbit per second, such as 10mbit (bit, kbit, mbit, gbit)';

function parseRate(text: string): number {
  const match = RATE.exec(text);
  return match === null ? Number.NaN : Number(match[1]) * RATE_UNITS[match[2]!]!;
}

/** Bits per second, in tc's units. */
export const rate = z
  .string({ error: RATE_EXPECTED })
  .regex(RATE, { error: RATE_EXPECTED, abort: true })
  .refine((text) => parseRate(text) >= 1 && parseRate(text) <= 1e12, { error: RATE_EXPECTED, abort: true })
  .transform(parseRate)
  .meta({ description: 'A rate in bits per second, in units of tc: 10mbit.' });

const SIZE = /^(\d+)([KMG]i?)?B?$/;
const SIZE_EXPECTED = 'a size in bytes such as 65536, 64K or 10M';

function parseSize(text: string): number {
  const match = SIZE.exec(text);
  if (match === null) return Number.NaN;
  return Number(match[1]) * 1024 ** ['', 'K', 'M', 'G'].indexOf((match[2] ?? '').charAt(0));
}

/** Bytes. */
export const size = z
  .union(
    [
      z.int().min(1),
      z
        .string()
        .regex(SIZE)
        .refine((text) => parseSize(text) >= 1)
        .transform(parseSize),
    ],
    { error: SIZE_EXPECTED },
  )
  .meta({ description: 'A size in bytes: 65536, 64K, 10M.' });

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
export const NAME_EXPECTED =
  'a DNS label (RFC 1123): lower-case letters, digits and inner hyphens, at most 63 characters';

/** A name of Kubernetes: DNS-1123 label, so that it is safe as a file name and as a host name. */
export const name = z
  .string({ error: NAME_EXPECTED })
  .regex(DNS_LABEL, { error: NAME_EXPECTED, abort: true })
  .max(63, { error: NAME_EXPECTED })
  .meta({ description: 'A DNS label (RFC 1123).' });

const ADDRESS = /^\d{1,3}(\.\d{1,3}){3}$/;
const ADDRESS_EXPECTED = 'an IPv4 address such as 10.0.1.1';
const INTERFACE = /^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$/;
const INTERFACE_EXPECTED = 'an IPv4 address with its prefix length, such as 10.0.1.1/24';
const CIDR_EXPECTED = 'an IPv4 prefix such as 10.244.0.0/16, host bits zero';

export const ipv4 = z
  .string({ error: ADDRESS_EXPECTED })
  .regex(ADDRESS, { error: ADDRESS_EXPECTED, abort: true })
  .refine((text) => parseIpv4(text) !== null, { error: ADDRESS_EXPECTED, abort: true });

/** address/length, host bits kept */
export const ipv4Interface = z
  .string({ error: INTERFACE_EXPECTED })
  .regex(INTERFACE, { error: INTERFACE_EXPECTED, abort: true })
  .refine((text) => parseIpv4Interface(text) !== null, { error: INTERFACE_EXPECTED, abort: true })
  .transform((text) => parseIpv4Interface(text)!)
  .meta({ description: 'An IPv4 address with its prefix length: 10.0.1.1/24.' });

export const ipv4Cidr = z
  .string({ error: CIDR_EXPECTED })
  .regex(INTERFACE, { error: CIDR_EXPECTED, abort: true })
  .refine(
    (text) => {
      const p = parseIpv4Interface(text);
      return p !== null && (p.length === 32 || p.address << p.length === 0) && (p.length > 0 || p.address === 0);
    },
    { error: CIDR_EXPECTED, abort: true },
  )
  .transform((text) => parseIpv4Interface(text)!)
  .meta({ description: 'An IPv4 prefix: 10.244.0.0/16.' });

const MAC_EXPECTED = 'a unicast MAC address such as 0a:58:0a:00:01:01';

export const mac = z
  .string({ error: MAC_EXPECTED })
  .regex(/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/, { error: MAC_EXPECTED, abort: true })
  .refine((text) => parseMac(text) !== 0 && !isGroupMac(parseMac(text)!), { error: MAC_EXPECTED, abort: true })
  .transform((text) => parseMac(text)!)
  .meta({ description: 'A unicast MAC address.' });

const MTU_EXPECTED = 'an MTU from 68 to 65535 bytes';
/** 68 is the least of IPv4 (RFC 791), 65535 the most of veth (ETH_MAX_MTU). */
export const mtu = z
  .int({ error: MTU_EXPECTED })
  .min(68, { error: MTU_EXPECTED })
  .max(65_535, { error: MTU_EXPECTED })
  .meta({ description: 'Bytes of an IP packet that fit into one frame.' });

const PORT_EXPECTED = 'a UDP port from 1 to 65535';
export const port = z
  .int({ error: PORT_EXPECTED })
  .min(1, { error: PORT_EXPECTED })
  .max(65_535, { error: PORT_EXPECTED });

const RANGE_EXPECTED = 'a range of ports such as 30000-32767';

/** `first-last`, both within. */
export const portRange = z
  .string({ error: RANGE_EXPECTED })
  .regex(/^\d{1,5}-\d{1,5}$/, { error: RANGE_EXPECTED, abort: true })
  .transform((text) => {
    const [first, last] = text.split('-').map(Number) as [number, number];
    return { first, last };
  })
  .refine(({ first, last }) => first >= 1 && first <= last && last <= 65_535, { error: RANGE_EXPECTED });

const VNI_EXPECTED = 'a VNI from 1 to 16777215 (24 bits)';
export const vni = z
  .int({ error: VNI_EXPECTED })
  .min(1, { error: VNI_EXPECTED })
  .max(0xff_ffff, { error: VNI_EXPECTED });

/** Whole number of something, within bounds. */
export function count(least: number, most: number, what: string) {
  const error = `${what} from ${least} to ${most}`;
  return z.int({ error }).min(least, { error }).max(most, { error });
}
