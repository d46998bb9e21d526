// Commands that people's scripts use and that the emulated machine does not have yet. They say so, rather than look
// mistyped; a name that shell/registry.ts knows is not taken from there.

import type { ShellCommand } from './command.ts';
import { hasCommand } from './registry.ts';

const NAMES = [
  // TCP and what runs on it
  ...['iperf', 'ncat'],
  // names
  ...['dig', 'host', 'nslookup', 'resolvectl'],
  // netfilter and load balancing
  ...['conntrack', 'ip6tables', 'ip6tables-restore', 'ip6tables-save', 'ipset', 'iptables', 'iptables-restore'],
  ...['iptables-save', 'ipvsadm', 'nft'],
  // routing daemons
  ...['bird', 'birdc', 'calicoctl', 'gobgp', 'gobgpd', 'vtysh'],
  // the bundled one runs in a thread of its own, where it would tell the host's time
  'sqlite3',
  // processes, services, and what waits for keys
  ...[
    'crictl',
    'dmesg',
    'docker',
    'htop',
    'journalctl',
    'less',
    'lsof',
    'man',
    'modprobe',
    'more',
    'nano',
    'ps',
    'ssh',
  ],
  ...['strace', 'systemctl', 'top', 'vi', 'vim', 'watch', 'yes'],
  // looking on, and the rest
  ...['dumpcap', 'hping3', 'mtr', 'nmap', 'tc', 'tcpdump', 'tshark'],
];

/** True for names that are only here: nothing but their excuse is emulated. */
export function isMissingCommand(name: string): boolean {
  return NAMES.includes(name) && !hasCommand(name);
}

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
