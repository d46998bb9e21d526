// ifconfig(8), route(8), netstat(8): the views of net-tools 2.10, for reading. Changes are made with ip(8).

import { formatIpv4, type Ipv4, maskIpv4 } from '../../addr/ipv4.ts';
import { formatMac } from '../../addr/mac.ts';
import { DeviceKind, type NetDevice } from '../../link/device.ts';
import { type Route, RouteType, Table } from '../../stack/fib.ts';
import type { InetAddress } from '../../stack/in-device.ts';
import { linkSettings, linkStats } from '../../stack/link-control.ts';
import type { NetNamespace } from '../../stack/netns.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import { CommandFailure, EXIT_FAILED, notEmulated } from './ip-arguments.ts';
import { guarded } from './ip-call.ts';
import { socketTable } from './netstat-sockets.ts';

// -- ifconfig ------------------------------------------------------------------------------------------------------

/** IFF_* bits and their words, in the order of the command. */
function flagsOf(dev: NetDevice): { readonly bits: number; readonly words: string[] } {
  const loopback = dev.kind === DeviceKind.LOOPBACK;
  const flags: readonly (readonly [boolean, number, string])[] = [
    [dev.up, 0x1, 'UP'],
    [!loopback, 0x2, 'BROADCAST'],
    [loopback, 0x8, 'LOOPBACK'],
    [dev.up && dev.carrier, 0x40, 'RUNNING'],
    [dev.kind === DeviceKind.DUMMY, 0x80, 'NOARP'],
    [linkSettings(dev).promisc, 0x100, 'PROMISC'],
    [!loopback && dev.kind !== DeviceKind.DUMMY, 0x1000, 'MULTICAST'],
  ];
  const on = flags.filter(([is]) => is);
  return { bits: on.reduce((sum, [, bit]) => sum + bit, 0), words: on.map(([, , word]) => word) };
}

/** 2898 is 2.8 KiB: one digit, cut off. */
function scaled(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
  let at = 0;
  let value = bytes;
  while (value >= 1024 && at < units.length - 1) {
    value /= 1024;
    at++;
  }
  return `${(Math.floor(value * 10) / 10).toFixed(1)} ${units[at]}`;
}

function addressLine(dev: NetDevice, a: InetAddress): string {
  const broadcast = dev.kind === DeviceKind.LOOPBACK ? '' : `  broadcast ${formatIpv4(a.broadcast)}`;
  return `        inet ${formatIpv4(a.local)}  netmask ${formatIpv4(maskIpv4(a.length))}${broadcast}\n`;
}

function block(netns: NetNamespace, dev: NetDevice): string {
  const { bits, words } = flagsOf(dev);
  const head = (name: string): string => `${name}: flags=${bits}<${words.join(',')}>  mtu ${dev.mtu}\n`;
  const queue = linkSettings(dev).txqueuelen;
  const hardware =
    dev.kind === DeviceKind.LOOPBACK
      ? `        loop  txqueuelen ${queue}  (Local Loopback)\n`
      : `        ether ${formatMac(dev.mac)}  txqueuelen ${queue}  (Ethernet)\n`;
  const { addresses } = netns.inDevice(dev);
  const main = addresses.find((a) => a.label === dev.name);
  const s = linkStats(dev);
  let text = head(dev.name);
  if (main !== undefined) text += addressLine(dev, main);
  text += hardware;
  text += `        RX packets ${s.rxPackets}  bytes ${s.rxBytes} (${scaled(s.rxBytes)})\n`;
  text += `        RX errors 0  dropped ${s.rxDropped}  overruns 0  frame 0\n`;
  text += `        TX packets ${s.txPackets}  bytes ${s.txBytes} (${scaled(s.txBytes)})\n`;
  text += `        TX errors 0  dropped ${s.txDropped} overruns 0  carrier 0  collisions 0\n\n`;
  // Labels of further addresses are interfaces of their own in this view.
  for (const label of new Set(addresses.map((a) => a.label))) {
    const first = addresses.find((a) => a.label === label)!;
    if (label !== dev.name) text += `${head(label)}${addressLine(dev, first)}${hardware}\n`;
  }
  return text;
}

function byName(netns: NetNamespace): NetDevice[] {
  return netns.devices().sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function ifconfig(args: readonly string[], ctx: ShellContext): Promise<number> {
  return guarded(ctx, () => {
    const options = args.filter((a) => a.startsWith('-'));
    const words = args.filter((a) => !a.startsWith('-'));
    for (const o of options)
      if (o !== '-a' && o !== '-s' && o !== '-v') throw notEmulated('ifconfig', `the option ${o}`);
    if (words.length > 1) throw notEmulated('ifconfig', 'changing an interface (use ip)');
    const { netns } = ctx;
    let devices = byName(netns).filter((dev) => dev.up || options.includes('-a'));
    if (words[0] !== undefined) {
      const dev = netns.device(words[0]);
      if (dev === null) {
        throw new CommandFailure(`${words[0]}: error fetching interface information: Device not found`, EXIT_FAILED);
      }
      devices = [dev];
    }
    if (options.includes('-s')) ctx.out(interfaceTable(devices, 'Iface      MTU'));
    else for (const dev of devices) ctx.out(block(netns, dev));
    return 0;
  });
}

function interfaceTable(devices: readonly NetDevice[], head: string): string {
  let text = `${head}    RX-OK RX-ERR RX-DRP RX-OVR    TX-OK TX-ERR TX-DRP TX-OVR Flg\n`;
  for (const dev of devices) {
    const s = linkStats(dev);
    const letters = dev.kind === DeviceKind.LOOPBACK ? 'L' : 'BM';
    const flags = `${letters}${dev.up && dev.carrier ? 'R' : ''}${dev.up ? 'U' : ''}`;
    const n = (value: number, width: number): string => String(value).padStart(width);
    text += `${dev.name.padEnd(15)}${n(dev.mtu, 6)} ${n(s.rxPackets, 8)} ${n(0, 6)} ${n(s.rxDropped, 6)} ${'0'.padEnd(6)} `;
    text += `${n(s.txPackets, 8)} ${n(0, 6)} ${n(s.txDropped, 6)} ${n(0, 6)} ${flags}\n`;
  }
  return text;
}

// -- route and netstat -r ------------------------------------------------------------------------------------------

const REJECTED: ReadonlySet<RouteType> = new Set([RouteType.UNREACHABLE, RouteType.PROHIBIT]);

/** /proc/net/route: the main table without broadcast and multicast routes. */
function mainRoutes(netns: NetNamespace): Route[] {
  return netns.fib
    .table(Table.MAIN)
    .routes()
    .filter((r) => r.type !== RouteType.BROADCAST && r.type !== RouteType.MULTICAST);
}

interface Row {
  readonly destination: string;
  readonly gateway: string;
  readonly mask: string;
  readonly flags: string;
  readonly metric: number;
  readonly rejected: boolean;
  readonly dev: string;
}

function row(r: Route, numeric: boolean): Row {
  const rejected = REJECTED.has(r.type);
  const host = r.length === 32 ? 'H' : '';
  const via = r.nexthop.gateway !== 0;
  const any: Ipv4 = 0;
  return {
    destination: r.length === 0 && !numeric ? 'default' : formatIpv4(r.destination),
    gateway: rejected ? '-' : formatIpv4(via ? r.nexthop.gateway : any),
    mask: formatIpv4(maskIpv4(r.length)),
    flags: rejected ? `!${host}` : `U${via ? 'G' : ''}${host}`,
    metric: r.metric,
    rejected,
    dev: rejected ? '-' : (r.nexthop.out?.dev.name ?? '*'),
  };
}

function routeTable(netns: NetNamespace, numeric: boolean, extended: boolean): string {
  let text = 'Kernel IP routing table\n';
  text += extended
    ? 'Destination     Gateway         Genmask         Flags Metric Ref    Use Iface\n'
    : 'Destination     Gateway         Genmask         Flags   MSS Window  irtt Iface\n';
  for (const r of mainRoutes(netns).map((route) => row(route, numeric))) {
    text += `${r.destination.padEnd(15)} ${r.gateway.padEnd(15)} ${r.mask.padEnd(15)} `;
    const dash = r.rejected ? '-' : '0';
    text += extended
      ? `${r.flags.padEnd(5)} ${String(r.metric).padEnd(6)} ${dash.padEnd(2)} ${'0'.padStart(7)} ${r.dev}\n`
      : `${r.flags.padEnd(6)}${dash.padStart(5)} ${dash.padEnd(5)}  ${dash.padStart(5)} ${r.dev}\n`;
  }
  return text;
}

async function route(args: readonly string[], ctx: ShellContext): Promise<number> {
  return guarded(ctx, () => {
    const letters = args.filter((a) => a.startsWith('-')).join('');
    const words = args.filter((a) => !a.startsWith('-'));
    if (words.length > 0) throw notEmulated('route', 'changing routes (use ip route)');
    if (!/^[-nev]*$/.test(letters)) throw notEmulated('route', `the options ${letters}`);
    ctx.out(routeTable(ctx.netns, letters.includes('n'), true));
    return 0;
  });
}

async function netstat(args: readonly string[], ctx: ShellContext): Promise<number> {
  return guarded(ctx, () => {
    const letters = args.join('').replaceAll('-', '');
    if (args.some((a) => !/^-[rneviatulp4]+$/.test(a))) throw notEmulated('netstat', args.join(' '));
    if (/[ri]/.exec(letters) === null) {
      ctx.out(socketTable(ctx.netns, letters));
      return 0;
    }
    if (letters.includes('r')) ctx.out(routeTable(ctx.netns, letters.includes('n'), letters.includes('e')));
    else {
      const devices = byName(ctx.netns).filter((dev) => dev.up);
      ctx.out(`Kernel Interface table\n${interfaceTable(devices, 'Iface             MTU')}`);
    }
    return 0;
  });
}

export const commands: readonly ShellCommand[] = [
  { name: 'ifconfig', summary: 'show interfaces (the old command)', run: ifconfig },
  { name: 'route', summary: 'show the routing table (the old command)', run: route },
  { name: 'netstat', summary: 'show sockets, the routing table (-r) or the interfaces (-i)', run: netstat },
];
