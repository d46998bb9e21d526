// Settings of a bridge and of a bridge port as people write them: `ip link ... type bridge WORDS`, `... type bridge_slave
// WORDS` and `bridge link set dev PORT WORDS` share these (iproute2 6.1 ip/iplink_bridge.c, iplink_bridge_slave.c).

import type { Bridge } from '../../link/bridge.ts';
import { type BridgePort, PortState } from '../../link/bridge-port.ts';
import type { Ns } from '../../sim/sim.ts';
import { refuse } from '../../stack/netlink-error.ts';
import { type Arguments, CommandFailure, EXIT_FAILED, notEmulated, numberOf, refused } from './ip-arguments.ts';

/** 1/100 s (USER_HZ) */
const CENTISECOND: Ns = 10_000_000;

export type BridgeChange = (bridge: Bridge) => void;
export type PortChange = (port: BridgePort) => void;

function u32(args: Arguments, name: string): number {
  return numberOf(args.next(), `invalid ${name}`, 0xffff_ffff);
}

/** Words that podwire knows in one position only: the one that is always so here. */
const BRIDGE_FIXED: Readonly<Record<string, number>> = {
  stp_state: 0,
  vlan_filtering: 0,
  vlan_stats_enabled: 0,
  vlan_stats_per_port: 0,
  mcast_vlan_snooping: 0,
  mcast_querier: 0,
  mcast_query_use_ifaddr: 0,
  mcast_router: 1,
  mcast_stats_enabled: 0,
  nf_call_iptables: 0,
  nf_call_ip6tables: 0,
  nf_call_arptables: 0,
};

/** All words up to the end of the line. */
export function readBridgeChanges(args: Arguments): BridgeChange[] {
  const changes: BridgeChange[] = [];
  while (!args.done) changes.push(readBridgeChange(args));
  return changes;
}

function readBridgeChange(args: Arguments): BridgeChange {
  const word = args.next();
  const fixed = BRIDGE_FIXED[word];
  if (fixed !== undefined) {
    if (u32(args, word) !== fixed) throw notEmulated('ip', `bridge ${word} other than ${fixed}`);
    return () => {};
  }
  switch (word) {
    case 'ageing_time': {
      const time = u32(args, word) * CENTISECOND;
      return (bridge) => bridge.setAgeingTime(time);
    }
    case 'forward_delay': {
      const time = u32(args, word) * CENTISECOND;
      return (bridge) => {
        bridge.forwardDelay = time;
      };
    }
    case 'hello_time': {
      const time = u32(args, word) * CENTISECOND;
      return (bridge) => {
        bridge.helloTime = time;
      };
    }
    case 'max_age': {
      const time = u32(args, word) * CENTISECOND;
      return (bridge) => {
        bridge.maxAge = time;
      };
    }
    case 'priority': {
      const priority = numberOf(args.next(), 'invalid priority', 0xffff);
      return (bridge) => {
        bridge.priority = priority;
      };
    }
    case 'group_fwd_mask': {
      const mask = numberOf(args.next(), 'invalid group_fwd_mask', 0xffff);
      return (bridge) => {
        if (!bridge.setGroupFwdMask(mask)) throw refused(refuse('EINVAL'));
      };
    }
    case 'mcast_snooping': {
      const on = u32(args, word) !== 0;
      return (bridge) => {
        bridge.mcastSnooping = on;
      };
    }
    case 'no_linklocal_learn': {
      const on = u32(args, word) !== 0;
      return (bridge) => {
        bridge.noLinkLocalLearn = on;
      };
    }
    case 'fdb_max_learned': {
      const limit = u32(args, word);
      return (bridge) => {
        bridge.fdb.maxLearned = limit;
      };
    }
    case 'vlan_default_pvid':
      // It counts only while VLANs are filtered, which they are not.
      numberOf(args.next(), 'invalid default pvid', 4094);
      return () => {};
    case 'fdb_flush':
      return (bridge) => bridge.flush();
    case 'group_address':
    case 'vlan_protocol':
      throw notEmulated('ip', `bridge ${word}`);
    default:
      if (word.startsWith('mcast_')) throw notEmulated('ip', `bridge ${word}`);
      throw new CommandFailure(`bridge: unknown command "${word}"?`, EXIT_FAILED);
  }
}

/** Port flags that can be changed, and the words for them. */
const PORT_FLAGS = {
  hairpin: 'hairpin',
  learning: 'learning',
  flood: 'flood',
  mcast_flood: 'mcastFlood',
  bcast_flood: 'bcastFlood',
  isolated: 'isolated',
} as const satisfies Readonly<Record<string, keyof BridgePort>>;

const PORT_FLAGS_OFF: ReadonlySet<string> = new Set([
  'guard',
  'root_block',
  'fastleave',
  'mcast_fast_leave',
  'learning_sync',
  'mcast_to_unicast',
  'neigh_suppress',
  'neigh_vlan_suppress',
  'vlan_tunnel',
  'locked',
  'proxy_arp',
  'proxy_arp_wifi',
]);

/** EINVAL: what `bridge link set` exits with for a word that is neither on nor off (234 = -22). */
const EXIT_BAD_FLAG = 234;

function portFlag(args: Arguments, word: string): boolean {
  const value = args.next();
  if (value === 'on') return true;
  if (value === 'off') return false;
  throw new CommandFailure(`Error: argument of "${word}" must be one of "off", "on", not "${value}"`, EXIT_BAD_FLAG);
}

/** One word and its value; null when it is no word for a port. */
export function readPortChange(command: string, args: Arguments): PortChange | null {
  const word = args.peek;
  if (Object.hasOwn(PORT_FLAGS, word)) {
    args.next();
    const field = PORT_FLAGS[word as keyof typeof PORT_FLAGS];
    const on = portFlag(args, word);
    return (port) => {
      port[field] = on;
    };
  }
  if (PORT_FLAGS_OFF.has(word)) {
    args.next();
    if (portFlag(args, word)) throw notEmulated(command, `bridge port ${word}`);
    return () => {};
  }
  switch (word) {
    case 'state': {
      args.next();
      const state = portState(args.next());
      return (port) => setPortState(port, state);
    }
    case 'cost': {
      args.next();
      const cost = numberOf(args.next(), 'invalid cost', 65_535, 1);
      return (port) => {
        port.pathCost = cost;
      };
    }
    case 'priority': {
      args.next();
      // BR_MAX_PORT_PRIORITY: six bits of the port id
      const priority = numberOf(args.next(), 'invalid priority', 63);
      return (port) => {
        port.priority = priority;
      };
    }
    case 'group_fwd_mask': {
      args.next();
      const mask = numberOf(args.next(), 'invalid group_fwd_mask', 0xffff);
      return (port) => {
        if ((mask & 7) !== 0) throw refused(refuse('EINVAL'));
        port.groupFwdMask = mask;
      };
    }
    case 'mcast_router':
      args.next();
      if (numberOf(args.next(), 'invalid mcast_router', 255) !== 1)
        throw notEmulated(command, 'bridge port mcast_router other than 1');
      return () => {};
    case 'backup_port':
      throw notEmulated(command, 'bridge port backup_port');
    case 'nobackup_port':
      args.next();
      return () => {};
    default:
      return null;
  }
}

const STATE_NAMES: readonly string[] = ['disabled', 'listening', 'learning', 'forwarding', 'blocking'];

function portState(word: string): PortState {
  const byName = STATE_NAMES.indexOf(word.toLowerCase());
  const number = byName >= 0 ? byName : numberOf(word, 'invalid STP port state', PortState.BLOCKING);
  return number as PortState;
}

/** br_set_port_state() */
function setPortState(port: BridgePort, state: PortState): void {
  if (state !== PortState.DISABLED && (!port.dev.up || !port.dev.carrier)) throw refused(refuse('ENETDOWN'));
  // br_port_state_selection(): without a spanning tree a blocked port forwards at once.
  port.state = state === PortState.BLOCKING ? PortState.FORWARDING : state;
  const { bridge } = port;
  bridge.dev.setCarrier(bridge.ports.some((p) => p.state === PortState.FORWARDING));
}
