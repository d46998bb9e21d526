// TCP's sysctls with Linux 6.18's defaults (net/ipv4/tcp_ipv4.c tcp_sk_init, sysctl_net_ipv4.c;
// Documentation/networking/ip-sysctl.rst): default, least and greatest value of each, by its name behind "net.ipv4.".
//
// Some can be set and change nothing: tcp_adv_win_scale does nothing in Linux either; segments leave without a queueing
// discipline's delay, so tcp_limit_output_bytes and tcp_autocorking never hold any back; timers are exact, so
// tcp_comp_sack_slack_ns has nothing to spread; no metrics are kept for tcp_no_metrics_save to forget; and packetization
// layer path MTU discovery (tcp_mtu_probing, tcp_base_mss, tcp_mtu_probe_floor, tcp_probe_threshold, tcp_probe_interval) is
// not emulated.

const INT_MAX = 0x7fffffff;
const UINT_MAX = 0xffffffff;

export const TCP_VALUES = {
  tcp_timestamps: [1, 0, 2],
  tcp_sack: [1, 0, 1],
  tcp_dsack: [1, 0, 1],
  tcp_window_scaling: [1, 0, 1],
  tcp_ecn: [2, 0, 5],
  tcp_ecn_fallback: [1, 0, 1],
  tcp_syn_retries: [6, 1, 127],
  tcp_synack_retries: [5, 0, 255],
  tcp_syn_linear_timeouts: [4, 0, 127],
  tcp_retries1: [3, 0, 255],
  tcp_retries2: [15, 0, 255],
  tcp_orphan_retries: [0, 0, 255],
  /** seconds */
  tcp_fin_timeout: [60, 0, INT_MAX],
  tcp_keepalive_time: [7200, 0, INT_MAX],
  tcp_keepalive_intvl: [75, 0, INT_MAX],
  tcp_keepalive_probes: [9, 0, 255],
  tcp_syncookies: [1, 0, 2],
  /** max(128, entries of the hash / 128) on a machine of some GB */
  tcp_max_syn_backlog: [1024, 0, INT_MAX],
  tcp_abort_on_overflow: [0, 0, 1],
  tcp_tw_reuse: [2, 0, 2],
  /** milliseconds */
  tcp_tw_reuse_delay: [1000, 0, INT_MAX],
  /** half of the entries of the hash */
  tcp_max_tw_buckets: [65_536, 0, INT_MAX],
  tcp_max_orphans: [65_536, 0, INT_MAX],
  tcp_rfc1337: [0, 0, 1],
  tcp_stdurg: [0, 0, 1],
  tcp_moderate_rcvbuf: [1, 0, 1],
  tcp_adv_win_scale: [1, -31, 31],
  tcp_app_win: [31, 0, 31],
  /** per second */
  tcp_challenge_ack_limit: [INT_MAX, 0, INT_MAX],
  /** milliseconds */
  tcp_invalid_ratelimit: [500, 0, INT_MAX],
  tcp_early_retrans: [3, 0, 4],
  tcp_recovery: [1, 0, 255],
  tcp_frto: [2, 0, 255],
  tcp_reordering: [3, 0, INT_MAX],
  tcp_max_reordering: [300, 0, INT_MAX],
  tcp_no_metrics_save: [0, 0, 1],
  tcp_no_ssthresh_metrics_save: [1, 0, 1],
  tcp_slow_start_after_idle: [1, 0, 1],
  /** bytes */
  tcp_limit_output_bytes: [4_194_304, 0, INT_MAX],
  tcp_min_tso_segs: [2, 1, 255],
  tcp_tso_win_divisor: [3, 0, INT_MAX],
  tcp_tso_rtt_log: [9, 0, 255],
  /** bytes */
  tcp_min_snd_mss: [48, 48, 65_535],
  tcp_base_mss: [1024, 0, INT_MAX],
  tcp_mtu_probing: [0, 0, 2],
  tcp_mtu_probe_floor: [48, 48, 65_535],
  tcp_probe_threshold: [8, 0, INT_MAX],
  tcp_probe_interval: [600, 0, UINT_MAX],
  /** seconds */
  tcp_min_rtt_wlen: [300, 0, 86_400],
  tcp_comp_sack_delay_ns: [1_000_000, 0, Number.MAX_SAFE_INTEGER],
  tcp_comp_sack_slack_ns: [100_000, 0, Number.MAX_SAFE_INTEGER],
  tcp_comp_sack_nr: [44, 0, 255],
  /** microseconds */
  tcp_rto_min_us: [200_000, 1, INT_MAX],
  /** milliseconds */
  tcp_rto_max_ms: [120_000, 1000, 120_000],
  /** percent of the rate that window and round trip give, in slow start and after it */
  tcp_pacing_ss_ratio: [200, 0, 1000],
  tcp_pacing_ca_ratio: [120, 0, 1000],
  tcp_autocorking: [1, 0, 1],
  /** bytes */
  tcp_notsent_lowat: [UINT_MAX, 0, UINT_MAX],
  tcp_workaround_signed_windows: [0, 0, 1],
  tcp_thin_linear_timeouts: [0, 0, 1],
  tcp_retrans_collapse: [1, 0, 1],
  tcp_reflect_tos: [0, 0, 1],
  tcp_shrink_window: [0, 0, 1],
  tcp_pingpong_thresh: [1, 1, 255],
} as const satisfies Record<string, readonly [number, number, number]>;

/** Values of several numbers. */
export const TCP_VECTORS = {
  /** bytes: least, default, greatest receive buffer */
  tcp_rmem: [4096, 131_072, 33_554_432],
  /** bytes: least, default, greatest send buffer */
  tcp_wmem: [4096, 16_384, 4_194_304],
  ip_local_port_range: [32_768, 60_999],
} as const satisfies Record<string, readonly number[]>;
export type TcpVectorName = keyof typeof TCP_VECTORS;
