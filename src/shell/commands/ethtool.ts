// ethtool(8): what there is to say about virtual devices. Every device of podwire computes its checksums and cuts its
// segments itself: all offloads are off and stay off, but for the switch of tx-checksum-ip-generic (stack/kernel-bug.ts).

import { bridgeOf } from '../../link/bridge.ts';
import { DeviceKind, type NetDevice } from '../../link/device.ts';
import { vethPeer } from '../../link/veth.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import { CommandFailure, EXIT_FAILED, notEmulated } from './ip-arguments.ts';
import { guarded } from './ip-call.ts';

/** What ethtool 6.1 exits with when netlink says no. */
const EXIT_NO_DEVICE = 92;
/** ... and when no property of the device can be read. */
const EXIT_NO_DATA = 75;

/** The legacy short names of `-K` and the features that they stand for, and the features of `-k`. */
const SHORT_NAMES: ReadonlySet<string> = new Set('rx tx sg tso ufo gso gro lro rxvlan txvlan ntuple rxhash'.split(' '));
const FEATURES: readonly string[] = [
  'rx-checksumming',
  'tx-checksumming',
  'scatter-gather',
  'tcp-segmentation-offload',
  'generic-segmentation-offload',
  'generic-receive-offload',
  'large-receive-offload',
  'rx-vlan-offload',
  'tx-vlan-offload',
  'ntuple-filters',
  'receive-hashing',
  'highdma',
  'tx-checksum-ipv4',
  'tx-checksum-ip-generic',
  'tx-checksum-ipv6',
  'tx-checksum-sctp',
  'tx-scatter-gather',
  'tx-scatter-gather-fraglist',
  'tx-tcp-segmentation',
  'tx-tcp-ecn-segmentation',
  'tx-tcp-mangleid-segmentation',
  'tx-tcp6-segmentation',
  'tx-udp-segmentation',
  'tx-udp_tnl-segmentation',
  'tx-udp_tnl-csum-segmentation',
  'tx-gso-list',
  'tx-nocache-copy',
  'rx-gro-list',
  'rx-udp-gro-forwarding',
  'rx-checksum',
  'rx-gro',
  'rx-lro',
  'tx-generic-segmentation',
  'loopback',
];
const FEATURE_NAMES: ReadonlySet<string> = new Set(FEATURES);
/** One switch under three names: it changes no byte on a wire, only what kernel-bug.ts tells of. */
const TX_CHECKSUM: ReadonlySet<string> = new Set(['tx', 'tx-checksumming', 'tx-checksum-ip-generic']);
/** `-k` lists these. */
const SHOWN = 12;

async function run(args: readonly string[], ctx: ShellContext): Promise<number> {
  return guarded(ctx, () => {
    const [first, second] = args;
    if (first === undefined) {
      throw new CommandFailure(
        'ethtool: bad command line argument(s)\nFor more information run ethtool -h',
        EXIT_FAILED,
      );
    }
    if (!first.startsWith('-')) return settings(ctx, first);
    if (first === '--version') {
      ctx.out('ethtool version 6.1\n');
      return 0;
    }
    const action = ACTIONS[first];
    if (action === undefined) throw notEmulated('ethtool', `the option ${first}`);
    if (second === undefined) {
      throw new CommandFailure(
        'ethtool: bad command line argument(s)\nFor more information run ethtool -h',
        EXIT_FAILED,
      );
    }
    return action(ctx, second, args.slice(2));
  });
}

type Action = (ctx: ShellContext, name: string, words: readonly string[]) => number;

const ACTIONS: Readonly<Record<string, Action>> = {
  '-K': setFeatures,
  '--features': setFeatures,
  '--offload': setFeatures,
  '-k': showFeatures,
  '--show-features': showFeatures,
  '--show-offload': showFeatures,
  '-S': statistics,
  '--statistics': statistics,
  '-i': driver,
  '--driver': driver,
};

function device(ctx: ShellContext, name: string): NetDevice {
  const dev = ctx.netns.device(name);
  if (dev === null) {
    throw new CommandFailure(
      'netlink error: no device matches name (offset 24)\nnetlink error: No such device',
      EXIT_NO_DEVICE,
    );
  }
  return dev;
}

function setFeatures(ctx: ShellContext, name: string, words: readonly string[]): number {
  let txChecksum: boolean | null = null;
  for (let i = 0; i < words.length; i += 2) {
    const feature = words[i]!;
    const value = words[i + 1];
    if (!SHORT_NAMES.has(feature) && !FEATURE_NAMES.has(feature)) {
      throw new CommandFailure(
        'netlink error: bit name not found (offset 52)\nnetlink error: Operation not supported',
        EXIT_NO_DEVICE,
      );
    }
    if (value !== 'on' && value !== 'off') {
      throw new CommandFailure(
        `ethtool (-K): flag '${value ?? ''}' for parameter '${feature}' is not followed by 'on' or 'off'`,
        EXIT_FAILED,
      );
    }
    if (value === 'on' && !TX_CHECKSUM.has(feature)) throw notEmulated('ethtool', `the offload ${feature}`);
    if (TX_CHECKSUM.has(feature)) txChecksum = value === 'on';
  }
  const dev = device(ctx, name);
  if (txChecksum !== null) dev.txChecksum = txChecksum;
  return 0;
}

function showFeatures(ctx: ShellContext, name: string): number {
  device(ctx, name);
  ctx.out(`Features for ${name}:\n`);
  for (const feature of FEATURES.slice(0, SHOWN)) ctx.out(`${feature}: off [fixed]\n`);
  return 0;
}

function statistics(ctx: ShellContext, name: string): number {
  const peer = vethPeer(device(ctx, name));
  if (peer === null) throw new CommandFailure('no stats available', EXIT_NO_DEVICE + 2);
  ctx.out(`NIC statistics:\n     peer_ifindex: ${peer.index}\n`);
  return 0;
}

/** Driver and version of each kind, as the kernel reports them. */
const DRIVERS: Readonly<Record<string, readonly [name: string, version: string, firmware: string]>> = {
  [DeviceKind.VETH]: ['veth', '1.0', ''],
  [DeviceKind.BRIDGE]: ['bridge', '2.3', 'N/A'],
  [DeviceKind.VXLAN]: ['vxlan', '0.1', ''],
  [DeviceKind.DUMMY]: ['dummy', '1.0', ''],
};

function driver(ctx: ShellContext, name: string): number {
  const dev = device(ctx, name);
  const known = DRIVERS[dev.kind];
  if (known === undefined)
    throw new CommandFailure('Cannot get driver information: Operation not supported', EXIT_NO_DEVICE - 21);
  const [kind, version, firmware] = known;
  ctx.out(`driver: ${kind}
version: ${version}
firmware-version: ${firmware}
expansion-rom-version: 
bus-info: ${firmware}
supports-statistics: ${dev.kind === DeviceKind.VETH ? 'yes' : 'no'}
supports-test: no
supports-eeprom-access: no
supports-register-dump: no
supports-priv-flags: no
`);
  return 0;
}

function settings(ctx: ShellContext, name: string): number {
  const dev = ctx.netns.device(name);
  if (dev === null) {
    const error = 'netlink error: no device matches name (offset 24)\nnetlink error: No such device\n';
    ctx.err(error.repeat(5));
    throw new CommandFailure('No data available', EXIT_NO_DATA);
  }
  ctx.out(`Settings for ${name}:\n`);
  const isVeth = dev.kind === DeviceKind.VETH;
  // A bridge reports the fastest of its running ports.
  const fast = isVeth || (bridgeOf(dev)?.ports.some((p) => p.dev.up && p.dev.kind === DeviceKind.VETH) ?? false);
  if (dev.kind !== DeviceKind.LOOPBACK && dev.kind !== DeviceKind.DUMMY) {
    ctx.out(`\tSupported ports: [  ]
\tSupported link modes:   Not reported
\tSupported pause frame use: No
\tSupports auto-negotiation: No
\tSupported FEC modes: Not reported
\tAdvertised link modes:  Not reported
\tAdvertised pause frame use: No
\tAdvertised auto-negotiation: No
\tAdvertised FEC modes: Not reported
\tSpeed: ${fast ? '10000Mb/s' : 'Unknown!'}
\tDuplex: ${isVeth ? 'Full' : 'Unknown! (255)'}
\tAuto-negotiation: off
\tPort: ${isVeth ? 'Twisted Pair' : 'Other'}
\tPHYAD: 0
\tTransceiver: internal
${isVeth ? '\tMDI-X: Unknown\n' : ''}`);
  }
  ctx.out(`\tLink detected: ${dev.up && dev.carrier ? 'yes' : 'no'}\n`);
  return 0;
}

const ethtool: ShellCommand = {
  name: 'ethtool',
  summary: 'show what kind of device it is; offloads are always off',
  run,
};

export const commands: readonly ShellCommand[] = [ethtool];
