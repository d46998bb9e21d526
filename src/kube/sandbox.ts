// A pod's sandbox as containerd makes it (pkg/netns, internal/cri/server/sandbox_run.go): a network namespace named
// cni-<uuid>, in which `lo` is brought up before the CNI plugin runs. With lo down a pod would never hear of its own ICMP
// errors.

import type { Machine } from '../stack/machine.ts';
import type { NetNamespace } from '../stack/netns.ts';
import { CONF_DEFAULTS } from '../stack/sysctl.ts';
import { type PodSpec, podLabel } from './cluster-spec.ts';
import { ensureUp } from './ensure.ts';
import { type OnDevice, setSysctl } from './host.ts';
import { randomHex } from './random-mac.ts';

export interface Sandbox {
  /** 64 hex digits, as container ids are */
  readonly id: string;
  readonly netns: NetNamespace;
}

export function createSandbox(machine: Machine, pod: PodSpec, onDevice: OnDevice): Sandbox {
  const { world } = machine;
  const label = podLabel(pod);
  const id = randomHex(world, `sandbox/${label}`, 64);
  const hex = randomHex(world, `netns/${label}`, 32);
  const uuid = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  const netns = machine.addNamespace(`cni-${uuid}`, label);
  inheritDevconf(machine.root, netns);
  onDevice(netns.loopback.dev);
  ensureUp(netns.loopback.dev);
  return { id, netns };
}

/**
 * devinet_init_net() (net/ipv4/devinet.c): a new namespace begins with a copy of the initial one's net.ipv4.conf.all and
 * .default (net.core.devconf_inherit_init_net 0). So a pod of a node that forwards has ip_forward 1 as well.
 */
function inheritDevconf(from: NetNamespace, to: NetNamespace): void {
  const forward = from.sysctl.get('net.ipv4.ip_forward');
  if (forward !== null) setSysctl(to, 'net.ipv4.ip_forward', forward);
  for (const field of Object.keys(CONF_DEFAULTS)) {
    for (const part of ['all', 'default']) {
      const name = `net.ipv4.conf.${part}.${field}`;
      const value = from.sysctl.get(name);
      if (value !== null && to.sysctl.get(name) !== value) setSysctl(to, name, value);
    }
  }
}
