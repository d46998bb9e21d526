// What ping can be told (iputils ping.c), and what it does untold.

import type { Ipv4 } from '../addr/ipv4.ts';
import type { PathMtuDiscovery } from '../stack/path-mtu-discovery.ts';

/** MAXWAIT, ms: the last request is waited for so long when nothing has been answered. */
const LINGER_MS = 10_000;

export interface PingOptions {
  /** as it was typed, for the summary */
  readonly target: string;
  readonly destination: Ipv4;
  /** 0: no end */
  readonly count: number;
  readonly intervalMs: number;
  readonly intervalGiven: boolean;
  readonly lingerMs: number;
  /** 0: none */
  readonly deadlineS: number;
  /** bytes of data behind the ICMP header */
  readonly size: number;
  /** 0: the namespace's default */
  readonly ttl: number;
  readonly tos: number;
  readonly pathMtuDiscovery: PathMtuDiscovery | null;
  /** 0: by route */
  readonly source: Ipv4;
  readonly device: string | null;
  readonly quiet: boolean;
  readonly flood: boolean;
  readonly adaptive: boolean;
  readonly preload: number;
  readonly timestamps: boolean;
  readonly outstanding: boolean;
  readonly verbose: boolean;
  readonly audible: boolean;
  readonly broadcast: boolean;
  /** bytes that fill the data, or null for 0x10 0x11 ... */
  readonly pattern: Uint8Array | null;
}

export const PING_DEFAULTS: Omit<PingOptions, 'target' | 'destination'> = {
  count: 0,
  intervalMs: 1000,
  intervalGiven: false,
  lingerMs: LINGER_MS,
  deadlineS: 0,
  size: 56,
  ttl: 0,
  tos: 0,
  pathMtuDiscovery: null,
  source: 0,
  device: null,
  quiet: false,
  flood: false,
  adaptive: false,
  preload: 1,
  timestamps: false,
  outstanding: false,
  verbose: false,
  audible: false,
  broadcast: false,
  pattern: null,
};
