// The sysctls of a namespace, under their real names, with the kernel's defaults (Documentation/networking/ip-sysctl.rst;
// net/ipv4/devinet.c, sysctl_net_ipv4.c, net/core/neighbour.c).
//
// Three groups: plain values (net.ipv4.ip_default_ttl), per-device values with `all` and `default`
// (net.ipv4.conf.*, net.ipv4.neigh.*), and values that this emulator keeps and reports but that steer nothing here.
// How `all` and a device's own value combine (maximum, or, and) is the reader's business: see in-device.ts.

import { CONNTRACK_SYSCTLS } from '../netfilter/conntrack/conntrack-sysctl.ts';
import { IPVS_SYSCTLS } from '../netfilter/ipvs/ipvs-sysctl.ts';
import { NEIGH_DEFAULTS, type NeighParameterName, NeighParameters } from './neigh-parameters.ts';
import { AVAILABLE_CONGESTION_CONTROL, findCongestionControl } from './tcp/tcp-cong-choice.ts';
import { TCP_VALUES, TCP_VECTORS, type TcpVectorName } from './tcp/tcp-sysctl.ts';

/** Per-device values of net.ipv4.conf.X, all integers. */
export const CONF_DEFAULTS = {
  forwarding: 0,
  mc_forwarding: 0,
  bc_forwarding: 0,
  accept_redirects: 1,
  secure_redirects: 1,
  shared_media: 1,
  rp_filter: 0,
  send_redirects: 1,
  accept_source_route: 0,
  accept_local: 0,
  src_valid_mark: 0,
  proxy_arp: 0,
  proxy_arp_pvlan: 0,
  medium_id: 0,
  bootp_relay: 0,
  log_martians: 0,
  tag: 0,
  arp_filter: 0,
  arp_announce: 0,
  arp_ignore: 0,
  arp_accept: 0,
  arp_notify: 0,
  arp_evict_nocarrier: 1,
  disable_xfrm: 0,
  disable_policy: 0,
  promote_secondaries: 0,
  route_localnet: 0,
  drop_unicast_in_l2_multicast: 0,
  drop_gratuitous_arp: 0,
  ignore_routes_with_linkdown: 0,
  igmpv2_unsolicited_report_interval: 10_000,
  igmpv3_unsolicited_report_interval: 1_000,
  force_igmp_version: 0,
} as const;
export type ConfName = keyof typeof CONF_DEFAULTS;
export type DeviceConf = Record<ConfName, number>;

/** Plain integers that steer something here: name behind "net.ipv4.", default, range. */
const IPV4_VALUES = {
  ip_forward: [0, 0, 1],
  ip_default_ttl: [64, 1, 255],
  ip_no_pmtu_disc: [0, 0, 3],
  ip_forward_use_pmtu: [0, 0, 1],
  ip_nonlocal_bind: [0, 0, 1],
  icmp_echo_ignore_all: [0, 0, 1],
  icmp_echo_ignore_broadcasts: [1, 0, 1],
  icmp_ignore_bogus_error_responses: [1, 0, 1],
  icmp_errors_use_inbound_ifaddr: [0, 0, 1],
  /** milliseconds */
  icmp_ratelimit: [1000, 0, 0x7fffffff],
  icmp_ratemask: [6168, 0, 0xffffffff],
  icmp_msgs_per_sec: [1000, 0, 0x7fffffff],
  icmp_msgs_burst: [50, 0, 0x7fffffff],
  /** bytes */
  ipfrag_high_thresh: [4_194_304, 0, Number.MAX_SAFE_INTEGER],
  ipfrag_low_thresh: [3_145_728, 0, Number.MAX_SAFE_INTEGER],
  /** seconds */
  ipfrag_time: [30, 0, 0x7fffffff],
  ipfrag_max_dist: [64, 0, 0x7fffffff],
  'route.min_pmtu': [552, 68, 0x7fffffff],
  /** seconds */
  'route.mtu_expires': [600, 0, 0x7fffffff],
  'neigh.default.gc_thresh1': [128, 0, 0x7fffffff],
  'neigh.default.gc_thresh2': [512, 0, 0x7fffffff],
  'neigh.default.gc_thresh3': [1024, 0, 0x7fffffff],
  /** seconds */
  'neigh.default.gc_interval': [30, 0, 0x7fffffff],
  ...TCP_VALUES,
} as const satisfies Record<string, readonly [number, number, number]>;
export type Ipv4ValueName = keyof typeof IPV4_VALUES;

/** Kept and reported; the parts of the kernel that they steer come with later floors. */
const KEPT: Readonly<Record<string, string>> = {
  ...CONNTRACK_SYSCTLS,
  ...IPVS_SYSCTLS,
  'net.ipv4.ping_group_range': '1\t0',
  'net.ipv4.tcp_allowed_congestion_control': AVAILABLE_CONGESTION_CONTROL,
  'net.ipv4.tcp_available_congestion_control': AVAILABLE_CONGESTION_CONTROL,
  'net.ipv4.tcp_congestion_control': 'cubic',
  'net.ipv4.fib_multipath_hash_policy': '0',
  'net.ipv6.conf.all.disable_ipv6': '0',
  'net.ipv6.conf.default.disable_ipv6': '0',
  'net.ipv6.conf.lo.disable_ipv6': '0',
  'net.ipv6.conf.all.forwarding': '0',
  'net.ipv6.conf.default.forwarding': '0',
  'net.ipv6.conf.all.accept_ra': '1',
  'net.ipv6.conf.default.accept_ra': '1',
  'net.ipv6.conf.all.accept_dad': '0',
  'net.ipv6.conf.default.accept_dad': '1',
  'net.bridge.bridge-nf-call-iptables': '1',
  'net.bridge.bridge-nf-call-ip6tables': '1',
  'net.bridge.bridge-nf-call-arptables': '1',
  'net.core.rmem_default': '212992',
  'net.core.wmem_default': '212992',
  'net.core.rmem_max': '212992',
  'net.core.wmem_max': '212992',
  'net.core.somaxconn': '4096',
};

/** What `sysctl -w` says no with: the kernel's errno and words. */
export type SysctlError = 'No such file or directory' | 'Invalid argument' | 'Permission denied';

/** One device's values, with the marks of those that were set for it by hand (in_device->cnf.state). */
interface ConfEntry {
  readonly values: DeviceConf;
  readonly touched: Set<ConfName>;
}

export class Sysctl {
  readonly ipv4: Record<Ipv4ValueName, number>;
  /** Values that are several numbers (tcp_rmem), by their names behind "net.ipv4.". */
  readonly vectors: Record<TcpVectorName, readonly number[]> = { ...TCP_VECTORS };
  readonly #conf = new Map<string, ConfEntry>();
  readonly #neigh = new Map<string, NeighParameters>();
  readonly #kept = new Map<string, string>(Object.entries(KEPT));
  /** Values that are counted when somebody asks (net.netfilter.nf_conntrack_count). */
  readonly computed = new Map<string, () => string>();
  /** net.ipv4.conf.all: kept at hand, the packet path reads it. */
  readonly all: DeviceConf = { ...CONF_DEFAULTS };
  /** Called after every change: caches that depend on values (route cache) are dropped. */
  onChange: (name: string) => void = () => {};

  constructor() {
    this.ipv4 = Object.fromEntries(Object.entries(IPV4_VALUES).map(([k, v]) => [k, v[0]])) as Record<
      Ipv4ValueName,
      number
    >;
    this.#conf.set('all', { values: this.all, touched: new Set() });
    // ipv4_devconf_dflt: devices may take source routes, `all` may not, and both must agree.
    this.#conf.set('default', { values: { ...CONF_DEFAULTS, accept_source_route: 1 }, touched: new Set() });
    this.#neigh.set('default', new NeighParameters());
  }

  /** The values of a device; made from `default` when the device is new. */
  conf(ifname: string): DeviceConf {
    let entry = this.#conf.get(ifname);
    if (entry === undefined) {
      entry = { values: { ...this.#conf.get('default')!.values }, touched: new Set() };
      this.#conf.set(ifname, entry);
      for (const name of ['disable_ipv6', 'accept_ra', 'accept_dad', 'forwarding']) {
        const value = this.#kept.get(`net.ipv6.conf.default.${name}`);
        if (value !== undefined) this.#kept.set(`net.ipv6.conf.${ifname}.${name}`, value);
      }
    }
    return entry.values;
  }

  neigh(ifname: string): NeighParameters {
    let parameters = this.#neigh.get(ifname);
    if (parameters === undefined) {
      parameters = this.#neigh.get('default')!.clone();
      this.#neigh.set(ifname, parameters);
    }
    return parameters;
  }

  /** The device left this namespace. */
  forget(ifname: string): void {
    this.#conf.delete(ifname);
    this.#neigh.delete(ifname);
    for (const key of [...this.#kept.keys()]) if (key.startsWith(`net.ipv6.conf.${ifname}.`)) this.#kept.delete(key);
  }

  rename(from: string, to: string): void {
    const conf = this.#conf.get(from);
    if (conf !== undefined) this.#conf.set(to, conf);
    const neigh = this.#neigh.get(from);
    if (neigh !== undefined) this.#neigh.set(to, neigh);
    this.forget(from);
  }

  /** The value as /proc/sys shows it, or null when there is no such name. */
  get(name: string): string | null {
    const kept = this.#kept.get(name) ?? this.computed.get(name)?.();
    if (kept !== undefined) return kept;
    const part = splitName(name);
    if (part === null) return null;
    if (part.kind === 'conf') {
      const value = this.#conf.get(part.device)?.values[part.field as ConfName];
      return value === undefined ? null : String(value);
    }
    if (part.kind === 'neigh') return this.#neigh.get(part.device)?.read(part.field as NeighParameterName) ?? null;
    const vector = this.vectors[part.field as TcpVectorName];
    if (vector !== undefined) return vector.join('\t');
    const value = this.ipv4[part.field as Ipv4ValueName];
    return value === undefined ? null : String(value);
  }

  /** Sets a value from its text; null when it was taken. */
  set(name: string, text: string): SysctlError | null {
    const error = this.#set(name, text.trim());
    if (error === null) this.onChange(name);
    return error;
  }

  #set(name: string, text: string): SysctlError | null {
    if (this.computed.has(name)) return 'Permission denied';
    if (this.#kept.has(name)) {
      if (name === 'net.ipv4.tcp_available_congestion_control') return 'Permission denied';
      const algorithms = name === 'net.ipv4.tcp_allowed_congestion_control' ? text.split(/\s+/) : [text];
      if (name.endsWith('_congestion_control') && algorithms.some((a) => findCongestionControl(a) === null)) {
        return 'No such file or directory';
      }
      if (name in CONNTRACK_SYSCTLS && !/^\d+$/.test(text)) return 'Invalid argument';
      this.#kept.set(name, text.split(/\s+/).join('\t'));
      this.#copyIpv6(name, text);
      return null;
    }
    const part = splitName(name);
    if (part === null) return 'No such file or directory';
    if (part.kind === 'ipv4' && part.field in TCP_VECTORS) return this.#setVector(part.field as TcpVectorName, text);
    if (!/^-?\d+$/.test(text)) return 'Invalid argument';
    const value = Number(text);
    if (part.kind === 'conf') return this.#setConf(part.device, part.field as ConfName, value);
    if (part.kind === 'neigh') {
      const parameters = this.#neigh.get(part.device);
      if (parameters === undefined || !(part.field in NEIGH_DEFAULTS)) return 'No such file or directory';
      return parameters.write(part.field as NeighParameterName, value) ? null : 'Invalid argument';
    }
    const range = IPV4_VALUES[part.field as Ipv4ValueName];
    if (range === undefined) return 'No such file or directory';
    if (value < range[1] || value > range[2]) return 'Invalid argument';
    this.ipv4[part.field as Ipv4ValueName] = value;
    if (part.field === 'ip_forward') this.#forwardingEverywhere(value);
    return null;
  }

  /** proc_dointvec_minmax: leading numbers may be given alone. */
  #setVector(name: TcpVectorName, text: string): SysctlError | null {
    const words = text.split(/\s+/);
    const old = this.vectors[name];
    if (words.length > old.length || !words.every((w) => /^\d{1,10}$/.test(w))) return 'Invalid argument';
    const least = name === 'ip_local_port_range' ? 0 : 1;
    if (words.some((w) => Number(w) < least || Number(w) > 0x7fffffff)) return 'Invalid argument';
    const next = old.map((v, i) => (words[i] === undefined ? v : Number(words[i])));
    if (name === 'ip_local_port_range' && (next[1]! < next[0]! || next[1]! > 0xffff)) return 'Invalid argument';
    this.vectors[name] = next;
    return null;
  }

  #setConf(device: string, field: ConfName, value: number): SysctlError | null {
    const entry = this.#conf.get(device);
    if (entry === undefined || !(field in CONF_DEFAULTS)) return 'No such file or directory';
    entry.values[field] = value;
    entry.touched.add(field);
    if (field === 'forwarding' && device === 'all') {
      this.ipv4.ip_forward = value === 0 ? 0 : 1;
      this.#forwardingEverywhere(value);
    } else if (device === 'default') {
      // devinet_copy_dflt_conf: devices whose own value was never set follow the default.
      for (const [name, other] of this.#conf) {
        if (name !== 'all' && name !== 'default' && !other.touched.has(field)) other.values[field] = value;
      }
    }
    return null;
  }

  /** inet_forward_change: `all`, `default` and every device get the value. */
  #forwardingEverywhere(value: number): void {
    for (const [name, entry] of this.#conf) {
      entry.values.forwarding = value;
      // A router does not accept redirects (net/ipv4/devinet.c inet_forward_change).
      if (name === 'all') entry.values.accept_redirects = value === 0 ? 1 : 0;
    }
  }

  #copyIpv6(name: string, text: string): void {
    const m = /^net\.ipv6\.conf\.all\.(disable_ipv6|forwarding)$/.exec(name);
    if (m === null) return;
    for (const key of [...this.#kept.keys()]) {
      if (key.startsWith('net.ipv6.conf.') && key.endsWith(`.${m[1]}`)) this.#kept.set(key, text);
    }
  }

  /** Every name with its value, sorted. */
  list(): readonly { readonly name: string; readonly value: string }[] {
    const out: { name: string; value: string }[] = [];
    for (const [name, value] of this.#kept) out.push({ name, value });
    for (const [name, value] of this.computed) out.push({ name, value: value() });
    for (const [name, value] of Object.entries(this.ipv4)) out.push({ name: `net.ipv4.${name}`, value: String(value) });
    for (const [name, value] of Object.entries(this.vectors)) {
      out.push({ name: `net.ipv4.${name}`, value: value.join('\t') });
    }
    for (const [device, entry] of this.#conf) {
      for (const [field, value] of Object.entries(entry.values)) {
        out.push({ name: `net.ipv4.conf.${device}.${field}`, value: String(value) });
      }
    }
    for (const [device, parameters] of this.#neigh) {
      for (const field of Object.keys(NEIGH_DEFAULTS) as NeighParameterName[]) {
        out.push({ name: `net.ipv4.neigh.${device}.${field}`, value: parameters.read(field) });
      }
    }
    return out.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  }
}

type NamePart =
  | { kind: 'conf' | 'neigh'; device: string; field: string }
  | { kind: 'ipv4'; device: null; field: string };

/** net.ipv4.conf.flannel/1.rp_filter and net.ipv4.conf.flannel.1.rp_filter name the same value, as sysctl(8) has it. */
function splitName(name: string): NamePart | null {
  const m = /^net\.ipv4\.(conf|neigh)\.(.+)\.([a-z0-9_]+)$/.exec(name);
  if (m !== null && !(m[1] === 'neigh' && m[2] === 'default' && m[3]!.startsWith('gc_') && m[3] !== 'gc_stale_time')) {
    return { kind: m[1] as 'conf' | 'neigh', device: m[2]!.replaceAll('/', '.'), field: m[3]! };
  }
  if (!name.startsWith('net.ipv4.')) return null;
  return { kind: 'ipv4', device: null, field: name.slice('net.ipv4.'.length) };
}
