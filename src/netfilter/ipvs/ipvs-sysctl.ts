// net.ipv4.vs.*: names and defaults (net/netfilter/ipvs/ip_vs_ctl.c vs_vars, Documentation/networking/ipvs-sysctl.rst). Those
// that steer something here are read where they do (ipvs.ts).

export const IPVS_SYSCTLS: Readonly<Record<string, string>> = {
  'net.ipv4.vs.amemthresh': '1024',
  'net.ipv4.vs.am_droprate': '10',
  'net.ipv4.vs.backup_only': '0',
  'net.ipv4.vs.cache_bypass': '0',
  'net.ipv4.vs.conn_reuse_mode': '1',
  'net.ipv4.vs.conntrack': '0',
  'net.ipv4.vs.drop_entry': '0',
  'net.ipv4.vs.drop_packet': '0',
  'net.ipv4.vs.expire_nodest_conn': '0',
  'net.ipv4.vs.expire_quiescent_template': '0',
  'net.ipv4.vs.ignore_tunneled': '0',
  'net.ipv4.vs.nat_icmp_send': '0',
  'net.ipv4.vs.pmtu_disc': '1',
  'net.ipv4.vs.schedule_icmp': '0',
  'net.ipv4.vs.secure_tcp': '0',
  'net.ipv4.vs.sloppy_sctp': '0',
  'net.ipv4.vs.sloppy_tcp': '0',
  'net.ipv4.vs.snat_reroute': '1',
};
