// Commands that people's scripts use and that the emulated machine does not have yet. They say so, rather than look
// mistyped; a name that shell/registry.ts knows is not taken from there.

import type { ShellCommand } from './command.ts';

const NAMES = [
  // small programs of the stimuli
  ...['coredns.py', 'gai.py', 'httpd.py', 'tcphold.py'],
  // TCP and what runs on it
  ...['curl', 'iperf', 'iperf3', 'nc', 'ncat', 'nginx', 'socat', 'ss', 'wget'],
  // names
  ...['dig', 'host', 'nslookup', 'resolvectl'],
  // netfilter and load balancing
  ...['conntrack', 'ip6tables', 'ip6tables-restore', 'ip6tables-save', 'ipset', 'iptables', 'iptables-restore'],
  ...['iptables-save', 'ipvsadm', 'nft'],
  // routing daemons
  ...['bird', 'birdc', 'calicoctl', 'gobgp', 'gobgpd', 'vtysh'],
  // the bundled one runs in a thread of its own, where it would tell the host's time
  'sqlite3',
  // looking on, and the rest
  ...['dumpcap', 'hping3', 'mtr', 'nmap', 'tc', 'tcpdump', 'tracepath', 'traceroute', 'tshark'],
];

/** @param exists true for names that have a command */
export function missingCommands(exists: (name: string) => boolean): ShellCommand[] {
  return NAMES.filter((name) => !exists(name)).map((name) => ({
    name,
    summary: 'not there yet',
    run: async (_args, ctx) => {
      ctx.err(`${name}: podwire does not emulate this command yet\n`);
      return 1;
    },
  }));
}
