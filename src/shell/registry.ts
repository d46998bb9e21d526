// Which module of shell/commands/ answers to which name. Modules are loaded when a script first calls one of their
// commands. A new command is one new file and one new row here.

import type { CommandModule, ShellCommand } from './command.ts';

type Load = () => Promise<CommandModule>;

const MODULES: readonly (readonly [names: readonly string[], load: Load])[] = [
  [['kubectl'], () => import('./commands/kubectl.ts')],
  [['ip'], () => import('./commands/ip.ts')],
  [['bridge'], () => import('./commands/bridge.ts')],
  [['brctl'], () => import('./commands/brctl.ts')],
  [['arp'], () => import('./commands/arp.ts')],
  [['sysctl'], () => import('./commands/sysctl.ts')],
  [['ethtool'], () => import('./commands/ethtool.ts')],
  [['nstat'], () => import('./commands/nstat.ts')],
  [['ifconfig', 'route', 'netstat'], () => import('./commands/ifconfig.ts')],
  [
    [
      ...['iptables', 'iptables-save', 'iptables-restore', 'iptables-nft', 'iptables-nft-save', 'iptables-nft-restore'],
      ...['iptables-legacy', 'iptables-legacy-save', 'iptables-legacy-restore'],
      ...['ip6tables', 'ip6tables-save', 'ip6tables-restore'],
    ],
    () => import('./commands/iptables.ts'),
  ],
  [['ipset'], () => import('./commands/ipset.ts')],
  [['conntrack'], () => import('./commands/conntrack.ts')],
  [['ping'], () => import('./commands/ping.ts')],
  [['arping'], () => import('./commands/arping.ts')],
  [['traceroute'], () => import('./commands/traceroute.ts')],
  [['tracepath'], () => import('./commands/tracepath.ts')],
  [['nc', 'netcat'], () => import('./commands/nc.ts')],
  [
    ['udpsend', 'udpsend.py', 'udpecho', 'udpecho.py', 'sendraw', 'sendraw.py'],
    () => import('./commands/udp-programs.ts'),
  ],
  [['dig'], () => import('./commands/dig.ts')],
  [['busybox'], () => import('./commands/busybox.ts')],
  [['nslookup'], () => import('./commands/nslookup.ts')],
  [['getent', 'gai', 'gai.py', 'coredns.py'], () => import('./commands/dns-programs.ts')],
  [['ipvsadm', 'ipvsadm-save', 'ipvsadm-restore'], () => import('./commands/ipvsadm.ts')],
  [['nft'], () => import('./commands/nft.ts')],
  [['tcphold', 'tcphold.py', 'httpd', 'httpd.py'], () => import('./commands/tcp-programs.ts')],
  [['socat'], () => import('./commands/socat.ts')],
  [['nginx', 'agnhost'], () => import('./commands/web-servers.ts')],
  [['wget'], () => import('./commands/wget.ts')],
  [['ss'], () => import('./commands/ss.ts')],
  [['telnet'], () => import('./commands/telnet.ts')],
  [['iperf3'], () => import('./commands/iperf3.ts')],
  [['curl'], () => import('./commands/curl.ts')],
  [['python3', 'python'], () => import('./commands/python.ts')],
];

const BY_NAME: ReadonlyMap<string, Load> = new Map(
  MODULES.flatMap(([names, load]) => names.map((name) => [name, load] as const)),
);

/** All names, in table order. */
export function commandNames(): readonly string[] {
  return [...BY_NAME.keys()];
}

/** True when a module answers to this name. */
export function hasCommand(name: string): boolean {
  return BY_NAME.has(name);
}

/** The command of this name, or null. */
export async function loadCommand(name: string): Promise<ShellCommand | null> {
  const load = BY_NAME.get(name);
  if (load === undefined) return null;
  const module = await load();
  return module.commands.find((c) => c.name === name) ?? null;
}
