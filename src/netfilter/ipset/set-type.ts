// The types of sets (net/netfilter/ipset/ip_set_*.c): what an element is made of, and what their kernel side tells of itself.

export type Part = 'ip' | 'net' | 'port' | 'set';

export interface SetType {
  readonly name: string;
  /** revision of Linux 6.18 */
  readonly revision: number;
  readonly parts: readonly Part[];
  /** bytes that an empty set and each element take (measured; buckets that collide take less) */
  readonly memory: readonly [empty: number, element: number];
}

export const SET_TYPES: readonly SetType[] = [
  { name: 'hash:ip', revision: 6, parts: ['ip'], memory: [216, 40] },
  { name: 'hash:net', revision: 7, parts: ['net'], memory: [456, 48] },
  { name: 'hash:ip,port', revision: 7, parts: ['ip', 'port'], memory: [216, 48] },
  { name: 'hash:ip,port,ip', revision: 6, parts: ['ip', 'port', 'ip'], memory: [208, 56] },
  { name: 'hash:ip,port,net', revision: 8, parts: ['ip', 'port', 'net'], memory: [464, 56] },
  { name: 'hash:net,port', revision: 8, parts: ['net', 'port'], memory: [456, 48] },
  { name: 'bitmap:port', revision: 3, parts: ['port'], memory: [8264, 0] },
  { name: 'list:set', revision: 3, parts: ['set'], memory: [80, 48] },
];

/** Names that ipset took for types before they had these. */
export const TYPE_ALIASES: Readonly<Record<string, string>> = {
  iphash: 'hash:ip',
  nethash: 'hash:net',
  ipporthash: 'hash:ip,port',
  ipportiphash: 'hash:ip,port,ip',
  ipportnethash: 'hash:ip,port,net',
  portmap: 'bitmap:port',
  setlist: 'list:set',
};

/** Types that ipset knows and podwire has not. */
export const OTHER_TYPES: readonly string[] = [
  ...['bitmap:ip', 'bitmap:ip,mac', 'hash:mac', 'hash:ip,mac', 'hash:ip,mark', 'hash:net,net', 'hash:net,port,net'],
  'hash:net,iface',
];
