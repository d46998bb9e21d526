// Names of ports as /etc/services has them (netbase of Debian 12), as far as a cluster's programs meet them.

const TCP: Readonly<Record<number, string>> = {
  7: 'echo',
  9: 'discard',
  13: 'daytime',
  19: 'chargen',
  20: 'ftp-data',
  21: 'ftp',
  22: 'ssh',
  23: 'telnet',
  25: 'smtp',
  37: 'time',
  53: 'domain',
  79: 'finger',
  80: 'http',
  88: 'kerberos',
  110: 'pop3',
  111: 'sunrpc',
  113: 'auth',
  119: 'nntp',
  143: 'imap2',
  179: 'bgp',
  389: 'ldap',
  443: 'https',
  445: 'microsoft-ds',
  465: 'submissions',
  514: 'shell',
  587: 'submission',
  636: 'ldaps',
  853: 'domain-s',
  873: 'rsync',
  993: 'imaps',
  995: 'pop3s',
  1080: 'socks',
  2049: 'nfs',
  3306: 'mysql',
  3389: 'ms-wbt-server',
  5432: 'postgresql',
  5672: 'amqp',
  6379: 'redis',
  7000: 'bbs',
  8080: 'http-alt',
  10050: 'zabbix-agent',
};

const UDP: Readonly<Record<number, string>> = {
  7: 'echo',
  9: 'discard',
  53: 'domain',
  67: 'bootps',
  68: 'bootpc',
  69: 'tftp',
  111: 'sunrpc',
  123: 'ntp',
  137: 'netbios-ns',
  138: 'netbios-dgm',
  161: 'snmp',
  162: 'snmp-trap',
  443: 'https',
  500: 'isakmp',
  514: 'syslog',
  520: 'route',
  4500: 'ipsec-nat-t',
  5353: 'mdns',
};

/** The name of a port, or null. */
export function serviceName(protocol: 'tcp' | 'udp', port: number): string | null {
  return (protocol === 'tcp' ? TCP : UDP)[port] ?? null;
}

/** The port of this name, or null. */
export function servicePort(protocol: 'tcp' | 'udp', name: string): number | null {
  const found = Object.entries(protocol === 'tcp' ? TCP : UDP).find(([, known]) => known === name);
  return found === undefined ? null : Number(found[0]);
}
