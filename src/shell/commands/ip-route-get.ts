// `ip route get`: what the kernel would do with a packet (net/ipv4/route.c inet_rtm_getroute, rt_fill_info).

import { formatIpv4, type Ipv4 } from '../../addr/ipv4.ts';
import type { NetDevice } from '../../link/device.ts';
import { type NetlinkErrno, refuse } from '../../stack/netlink-error.ts';
import { type Dst, DstKind } from '../../stack/route-cache.ts';
import {
  type Arguments,
  addressOf,
  CommandFailure,
  deviceOf,
  EXIT_FAILED,
  matches,
  notEmulated,
  prefixOf,
  refused,
  usageError,
} from './ip-arguments.ts';
import type { IpCall } from './ip-call.ts';
import type { Printer } from './ip-printer.ts';
import { printCacheInfo, printExpiry, printMetrics, printRouteFlags } from './ip-route-show.ts';

/** What a destination without a way answers. */
const REFUSALS: ReadonlyMap<DstKind, NetlinkErrno> = new Map<DstKind, NetlinkErrno>([
  [DstKind.NO_ROUTE, 'ENETUNREACH'],
  [DstKind.UNREACHABLE, 'EHOSTUNREACH'],
  [DstKind.PROHIBIT, 'EACCES'],
  [DstKind.BLACKHOLE, 'EINVAL'],
]);

export function ipRouteGet(call: IpCall, args: Arguments): number {
  let destination: Ipv4 | null = null;
  let from: Ipv4 = 0;
  let oif: NetDevice | null = null;
  while (!args.done) {
    const word = args.next();
    if (word === 'from') {
      from = addressOf(args.next());
    } else if (word === 'oif' || word === 'dev') {
      oif = deviceOf(call.netns, args.next());
    } else if (word === 'iif') {
      throw notEmulated('ip', 'route get iif');
    } else if (
      ['tos', 'dsfield', 'mark', 'uid', 'ipproto', 'sport', 'dport', 'fibmatch', 'vrf', 'notify', 'connected'].includes(
        word,
      )
    ) {
      throw notEmulated('ip', `route get ${word}`);
    } else if (matches(word, 'help') && word === 'help') {
      throw usageError('Usage: ip route get ADDRESS [ from ADDRESS ] [ oif NAME ]');
    } else {
      const text = word === 'to' ? args.next() : word;
      const prefix = prefixOf(text);
      if (text.includes('/') && prefix.length !== 32) {
        call.ctx.err(`Warning: /${prefix.length} as prefix is invalid, only /32 (or none) is supported.\n`);
      }
      destination = prefix.address;
    }
  }
  if (destination === null) throw new CommandFailure('need at least a destination address', EXIT_FAILED);
  if (from !== 0 && !call.netns.isLocal(from)) throw refused(refuse('ENETUNREACH'));
  const { routes } = call.netns;
  const dst = oif === null ? routes.fresh(destination) : routes.through(destination, call.netns.inDevice(oif));
  const onDevice = dst.kind === DstKind.NO_ROUTE && oif?.up === true;
  const errno = onDevice ? undefined : REFUSALS.get(dst.kind);
  if (errno !== undefined || dst.out === null) throw refused(refuse(errno ?? 'ENETUNREACH'));
  const p = call.printer();
  p.list(() => {
    p.object(null, () => print(call, p, dst, { destination, from }));
    p.text('\n');
  });
  return 0;
}

function print(call: IpCall, p: Printer, dst: Dst, asked: { destination: Ipv4; from: Ipv4 }): void {
  const type = TYPE_NAMES.get(dst.kind);
  const { details } = call.options;
  if (type !== undefined) p.put('type', type, `${type} `);
  else if (details) p.put('type', 'unicast', 'unicast ');
  p.put('dst', formatIpv4(asked.destination), `${formatIpv4(asked.destination)} `);
  if (asked.from !== 0) p.put('from', formatIpv4(asked.from), `from ${formatIpv4(asked.from)} `);
  if (dst.viaGateway) p.put('gateway', formatIpv4(dst.nexthop), `via ${formatIpv4(dst.nexthop)} `);
  const dev = dst.out?.dev ?? null;
  if (dev !== null) p.put('dev', dev.name, `dev ${dev.name} `);
  // The kernel names the main table whatever the table (RTM_F_LOOKUP_TABLE is not asked for).
  if (details) p.put('table', 'main', 'table main ');
  // A destination with no route goes out bound to its device; its source is then any of the namespace's.
  const source = dst.source !== 0 || dst.out === null ? dst.source : call.netns.selectAddress(dst.out, 0, 0);
  if (asked.from === 0 && source !== 0) p.put('prefsrc', formatIpv4(source), `src ${formatIpv4(source)} `);
  printRouteFlags(p, routeFlags(dst));
  p.put('uid', 0, 'uid 0 ');
  printCacheInfo(p, cacheFlags(dst));
  const e = dst.exception;
  const now = call.netns.world.sim.now;
  const learnt = e !== null && now < e.expires;
  if (learnt) printExpiry(p, e.expires - now);
  if (learnt && e.mtu !== 0) {
    printMetrics(p, e.mtu, e.locked);
  } else if (dst.route !== null && dst.route.mtu !== 0) {
    printMetrics(p, dst.route.mtu, dst.route.mtuLocked);
  }
}

/** iproute2 6.1 reads the kernel's RTCF_MULTICAST as RTM_F_OFFLOAD_FAILED: one bit, two names. */
function routeFlags(dst: Dst): string[] {
  if (dst.kind === DstKind.MULTICAST) return ['rt_offload_failed'];
  return dst.route?.nexthop.onlink === true ? ['onlink'] : [];
}

const TYPE_NAMES: ReadonlyMap<DstKind, string> = new Map<DstKind, string>([
  [DstKind.LOCAL, 'local'],
  [DstKind.BROADCAST, 'broadcast'],
  [DstKind.MULTICAST, 'multicast'],
]);

/** RTCF_*: how the packet is treated. */
function cacheFlags(dst: Dst): string[] {
  if (dst.kind === DstKind.LOCAL) return ['local'];
  if (dst.kind === DstKind.BROADCAST) return ['local', 'brd'];
  if (dst.kind === DstKind.MULTICAST) return ['mc'];
  return dst.exception !== null && dst.exception.gateway !== 0 ? ['redirected'] : [];
}
