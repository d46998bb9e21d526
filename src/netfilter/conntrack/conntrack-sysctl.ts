// net.netfilter.nf_conntrack_*: names and defaults (net/netfilter/nf_conntrack_standalone.c), and the values as conntrack
// reads them for each packet. Time-outs are whole seconds, as /proc shows them.

/** Name behind "net.netfilter.", default. */
export const CONNTRACK_DEFAULTS = {
  nf_conntrack_acct: 0,
  nf_conntrack_buckets: 262_144,
  nf_conntrack_checksum: 1,
  nf_conntrack_events: 2,
  nf_conntrack_expect_max: 4_096,
  nf_conntrack_frag6_high_thresh: 4_194_304,
  nf_conntrack_frag6_low_thresh: 3_145_728,
  nf_conntrack_frag6_timeout: 60,
  nf_conntrack_generic_timeout: 600,
  nf_conntrack_gre_timeout: 30,
  nf_conntrack_gre_timeout_stream: 180,
  nf_conntrack_icmp_timeout: 30,
  nf_conntrack_icmpv6_timeout: 30,
  nf_conntrack_log_invalid: 0,
  nf_conntrack_max: 262_144,
  nf_conntrack_sctp_timeout_closed: 10,
  nf_conntrack_sctp_timeout_cookie_echoed: 3,
  nf_conntrack_sctp_timeout_cookie_wait: 3,
  nf_conntrack_sctp_timeout_established: 210,
  nf_conntrack_sctp_timeout_heartbeat_sent: 30,
  nf_conntrack_sctp_timeout_shutdown_ack_sent: 3,
  nf_conntrack_sctp_timeout_shutdown_recd: 3,
  nf_conntrack_sctp_timeout_shutdown_sent: 3,
  nf_conntrack_tcp_be_liberal: 0,
  nf_conntrack_tcp_ignore_invalid_rst: 0,
  nf_conntrack_tcp_loose: 1,
  nf_conntrack_tcp_max_retrans: 3,
  nf_conntrack_tcp_timeout_close: 10,
  nf_conntrack_tcp_timeout_close_wait: 60,
  nf_conntrack_tcp_timeout_established: 432_000,
  nf_conntrack_tcp_timeout_fin_wait: 120,
  nf_conntrack_tcp_timeout_last_ack: 30,
  nf_conntrack_tcp_timeout_max_retrans: 300,
  nf_conntrack_tcp_timeout_syn_recv: 60,
  nf_conntrack_tcp_timeout_syn_sent: 120,
  nf_conntrack_tcp_timeout_time_wait: 120,
  nf_conntrack_tcp_timeout_unacknowledged: 300,
  nf_conntrack_timestamp: 0,
  nf_conntrack_udp_timeout: 30,
  nf_conntrack_udp_timeout_stream: 120,
} as const;
export type ConntrackValueName = keyof typeof CONNTRACK_DEFAULTS;
const NAMES = Object.keys(CONNTRACK_DEFAULTS) as ConntrackValueName[];

/** Where the names begin. */
export const CONNTRACK_PREFIX = 'net.netfilter.';

/** Every name in full with its default as text: what a namespace's sysctls start with. */
export const CONNTRACK_SYSCTLS: Readonly<Record<string, string>> = Object.fromEntries(
  NAMES.map((name) => [`${CONNTRACK_PREFIX}${name}`, String(CONNTRACK_DEFAULTS[name])]),
);

/** The values, at hand. */
export class ConntrackSettings {
  readonly values: Record<ConntrackValueName, number> = { ...CONNTRACK_DEFAULTS };

  /** Reads all values anew. */
  load(sysctl: (name: string, otherwise: number) => number): void {
    for (const name of NAMES) this.values[name] = sysctl(`${CONNTRACK_PREFIX}${name}`, CONNTRACK_DEFAULTS[name]);
  }
}
