// What ipvsadm 1.31 prints: the table, its counters, the connections, and the table as commands (-S).

import { formatIpv4, type Ipv4 } from '../../addr/ipv4.ts';
import { IPVS_TABLE_SIZE, type IpvsConnection } from '../../netfilter/ipvs/connection.ts';
import type { Ipvs } from '../../netfilter/ipvs/ipvs.ts';
import type { IpvsDestination, IpvsService, IpvsStats } from '../../netfilter/ipvs/service.ts';
import { IPVS_STATE_NAMES } from '../../netfilter/ipvs/state.ts';
import { NS_PER_S } from '../../sim/sim.ts';
import { IpProtocol } from '../../wire/ipv4.ts';

export type IpvsListing = 'plain' | 'stats' | 'rate' | 'thresholds' | 'persistent';

export interface IpvsListOptions {
  readonly listing: IpvsListing;
  /** --exact: numbers as they are, not in K, M, G */
  readonly exact: boolean;
  readonly sorted: boolean;
  /** names a port (false: -n was given) */
  readonly portName: ((port: number, protocol: number) => string) | null;
}

const VERSION_LINE = `IP Virtual Server version 1.2.1 (size=${IPVS_TABLE_SIZE})\n`;

function pad(text: string, width: number): string {
  return text.padEnd(width);
}

const HEADS: Record<IpvsListing, string> = {
  plain:
    'Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n',
  stats: counters('Conns', 'InPkts', 'OutPkts', 'InBytes', 'OutBytes'),
  rate: counters('CPS', 'InPPS', 'OutPPS', 'InBPS', 'OutBPS'),
  thresholds: `${pad('Prot LocalAddress:Port', 33)} ${pad('Uthreshold', 10)} ${pad('Lthreshold', 10)} ${pad('ActiveConn', 10)} ${pad('InActConn', 10)}\n  -> RemoteAddress:Port\n`,
  persistent: `${pad('Prot LocalAddress:Port', 33)} ${pad('Weight', 9)} ${pad('PersistConn', 11)} ${pad('ActiveConn', 10)} ${pad('InActConn', 10)}\n  -> RemoteAddress:Port\n`,
};

function counters(...columns: string[]): string {
  return `${pad('Prot LocalAddress:Port', 33)}${columns.map((c) => ` ${c.padStart(8)}`).join('')}\n  -> RemoteAddress:Port\n`;
}

/** print_largenum */
function largeNumber(n: number, exact: boolean): string {
  if (exact) return String(n).padStart(15);
  const steps: readonly [number, number, string][] = [
    [1e8, 1, ''],
    [1e11, 1e3, 'K'],
    [1e14, 1e6, 'M'],
    [1e17, 1e9, 'G'],
  ];
  for (const [below, divisor, unit] of steps) {
    if (n < below) return `${String(Math.floor(n / divisor)).padStart(9 - unit.length)}${unit}`;
  }
  return `${String(Math.floor(n / 1e12)).padStart(8)}T`;
}

function compareAddress(a: Ipv4, b: Ipv4): number {
  return (a >>> 0) - (b >>> 0);
}

/** ipvs_cmp_services */
function compareServices(a: IpvsService, b: IpvsService): number {
  return a.fwmark - b.fwmark || a.protocol - b.protocol || compareAddress(a.address, b.address) || a.port - b.port;
}

/** ipvs_cmp_dests */
function compareDestinations(a: IpvsDestination, b: IpvsDestination): number {
  return compareAddress(a.address, b.address) || a.port - b.port;
}

function protocolName(protocol: number): string {
  return protocol === IpProtocol.TCP ? 'TCP' : protocol === IpProtocol.UDP ? 'UDP' : 'IP';
}

function endpoint(address: Ipv4, port: number, protocol: number, options: Pick<IpvsListOptions, 'portName'>): string {
  const name = options.portName === null ? String(port) : options.portName(port, protocol);
  return `${formatIpv4(address)}:${name}`;
}

function services(ipvs: Ipvs, only: IpvsService | null, sorted: boolean): IpvsService[] {
  const list = only === null ? [...ipvs.services()] : [only];
  return sorted ? list.sort(compareServices) : list;
}

function destinations(service: IpvsService, sorted: boolean): IpvsDestination[] {
  const list = [...service.destinations];
  return sorted ? list.sort(compareDestinations) : list;
}

/** One packet per this many seconds would be rates; nothing is estimated in between, so they are over the whole life. */
function statsColumns(stats: IpvsStats, exact: boolean): string {
  return [stats.connections, stats.inPackets, stats.outPackets, stats.inBytes, stats.outBytes]
    .map((n) => largeNumber(n, exact))
    .join('');
}

/** `ipvsadm -L` */
export function listServices(ipvs: Ipvs, only: IpvsService | null, options: IpvsListOptions): string {
  let out = VERSION_LINE + HEADS[options.listing];
  for (const service of services(ipvs, only, options.sorted)) {
    const name =
      service.fwmark !== 0
        ? `FWM  ${service.fwmark}`
        : `${pad(protocolName(service.protocol), 4)} ${endpoint(service.address, service.port, service.protocol, options)}`;
    if (options.listing === 'plain') {
      out += `${name} ${service.scheduler.name}`;
      if (service.persistence !== 0) {
        out += ` persistent ${service.persistence / NS_PER_S}`;
        if (service.persistenceMask !== -1) out += ` mask ${formatIpv4(service.persistenceMask)}`;
      }
      if (service.onePacket) out += ' ops';
    } else {
      out += pad(name, 33);
      if (options.listing === 'stats') out += statsColumns(service.stats, options.exact);
    }
    out += '\n';
    for (const dest of destinations(service, options.sorted)) {
      const where = `  -> ${pad(endpoint(dest.address, dest.port, service.protocol, options), 28)}`;
      out += `${where}${destinationColumns(dest, options)}\n`;
    }
  }
  return out;
}

function destinationColumns(dest: IpvsDestination, options: IpvsListOptions): string {
  const active = pad(String(dest.activeConnections), 10);
  const inactive = pad(String(dest.inactiveConnections), 10);
  switch (options.listing) {
    case 'plain':
      return ` ${pad('Masq', 7)} ${pad(String(dest.weight), 6)} ${active} ${inactive}`;
    case 'thresholds':
      return ` ${pad(String(dest.upper), 10)} ${pad(String(dest.lower), 10)} ${active} ${inactive}`;
    case 'persistent':
      return ` ${pad(String(dest.weight), 9)} ${pad(String(dest.persistentConnections), 11)} ${active} ${inactive}`;
    default:
      return statsColumns(dest.stats, options.exact);
  }
}

/** `ipvsadm -S`: one command per line, as -R reads them. */
export function saveServices(ipvs: Ipvs, options: Pick<IpvsListOptions, 'sorted' | 'portName'>): string {
  let out = '';
  for (const service of services(ipvs, null, options.sorted)) {
    const name = serviceArguments(service, options);
    out += `-A ${name} -s ${service.scheduler.name}`;
    if (service.persistence !== 0) {
      out += ` -p ${service.persistence / NS_PER_S}`;
      if (service.persistenceMask !== -1) out += ` -M ${formatIpv4(service.persistenceMask)}`;
    }
    if (service.onePacket) out += ' -o';
    out += '\n';
    for (const dest of destinations(service, options.sorted)) {
      out += `-a ${name} -r ${endpoint(dest.address, dest.port, service.protocol, options)} -m -w ${dest.weight}`;
      if (dest.upper !== 0) out += ` -x ${dest.upper}`;
      if (dest.lower !== 0) out += ` -y ${dest.lower}`;
      out += '\n';
    }
  }
  return out;
}

function serviceArguments(service: IpvsService, options: Pick<IpvsListOptions, 'portName'>): string {
  if (service.fwmark !== 0) return `-f ${service.fwmark}`;
  const option = service.protocol === IpProtocol.TCP ? '-t' : '-u';
  return `${option} ${endpoint(service.address, service.port, service.protocol, options)}`;
}

/** `ipvsadm -Lc` */
export function listConnections(ipvs: Ipvs, now: number, options: Pick<IpvsListOptions, 'portName'>): string {
  let out = 'IPVS connection entries\n';
  out += `pro expire ${pad('state', 11)} ${pad('source', 18)} ${pad('virtual', 18)} destination\n`;
  for (const c of ipvs.connections.all()) out += connectionLine(c, now, options);
  return out;
}

function connectionLine(c: IpvsConnection, now: number, options: Pick<IpvsListOptions, 'portName'>): string {
  const left = Math.max(0, Math.floor((c.expires - now) / NS_PER_S));
  const expire = `${String(Math.floor(left / 60)).padStart(2, '0')}:${String(left % 60).padStart(2, '0')}`;
  const state = c.template ? 'NONE' : c.protocol === IpProtocol.UDP ? 'UDP' : IPVS_STATE_NAMES[c.state];
  const protocol = protocolName(c.protocol);
  const at = (address: Ipv4, port: number): string => endpoint(address, port, c.protocol, options);
  return `${pad(protocol, 3)} ${pad(expire, 6)} ${pad(state, 11)} ${pad(at(c.clientAddress, c.clientPort), 18)} ${pad(at(c.virtualAddress, c.virtualPort), 18)} ${at(c.realAddress, c.realPort)}\n`;
}
