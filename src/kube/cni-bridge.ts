// The CNI bridge plugin's ADD (containernetworking/plugins, plugins/main/bridge/bridge.go), in its order, with the network
// configuration that flannel's delegate gives it: bridge cni0, isDefaultGateway, hairpinMode, host-local, MTU of flannel.
//
//   1 bridge, up                       4 address from IPAM             7 gateway address on the bridge, its MAC written
//   2 veth pair, pod end in the pod    5 default route, if not given     back (which pins it), ip_forward
//   3 host end up, enslaved, hairpin   6 pod: arp_notify, address, up, routes

import { formatIpv4Prefix, type Ipv4, type Ipv4Prefix } from '../addr/ipv4.ts';
import { Bridge, bridgeOf } from '../link/bridge.ts';
import { PortState } from '../link/bridge-port.ts';
import type { NetDevice } from '../link/device.ts';
import { createVethPair } from '../link/veth.ts';
import { NS_PER_US, type Ns } from '../sim/sim.ts';
import type { NetNamespace } from '../stack/netns.ts';
import { ensureAddress, ensureRoute, ensureUp } from './ensure.ts';
import { broadcastOf, type OnDevice, setSysctl } from './host.ts';
import type { HostLocal } from './host-local.ts';
import { randomHex, randomMac } from './random-mac.ts';

/** $CNI_IFNAME */
const POD_IFNAME = 'eth0';
/** Tries for a free name of the host end, each with four random bytes (pkg/ip/link_linux.go). */
const VETH_NAME_TRIES = 10;
/**
 * Time until the bridge hears of a port's new carrier: linkwatch hands it to a work queue (net/core/link_watch.c). What the
 * pod sends at the moment its link comes up, the announcement of arp_notify, arrives before that and is dropped by the
 * port, which is still disabled. Choice of the order of a work queue's start.
 */
const LINKWATCH: Ns = 100 * NS_PER_US;

export interface BridgeNetConf {
  /** bridge: name of the bridge */
  readonly bridge: string;
  readonly mtu: number;
  readonly hairpinMode: boolean;
  /** routes of the IPAM section, in list order; each through the pod's gateway */
  readonly routes: readonly Ipv4Prefix[];
}

export interface BridgeAddRequest {
  readonly host: NetNamespace;
  readonly pod: NetNamespace;
  readonly containerId: string;
  readonly ipam: HostLocal;
  readonly conf: BridgeNetConf;
  readonly onDevice: OnDevice;
}

/** What the plugin prints: [bridge, host veth, pod interface] and the address. */
export type BridgeAddResult =
  | {
      readonly bridge: Bridge;
      readonly hostVeth: NetDevice;
      readonly eth0: NetDevice;
      readonly address: Ipv4;
      readonly gateway: Ipv4;
    }
  | { readonly error: string };

export function bridgeAdd(request: BridgeAddRequest): BridgeAddResult {
  const { host, pod, conf, ipam, onDevice } = request;
  const bridge = ensureBridge(host, conf, onDevice);
  const pinned = bridge.dev.mac;

  const [eth0, hostVeth] = createPodLink(request);
  ensureUp(hostVeth);
  bridge.addPort(hostVeth);
  const port = bridge.port(hostVeth)!;
  port.hairpin = conf.hairpinMode;

  const allocation = ipam.allocate(request.containerId, POD_IFNAME);
  if ('error' in allocation) return { error: allocation.error };
  const { address, gateway } = allocation;
  const { length } = ipam.subnet;

  const idev = pod.inDevice(eth0);
  setSysctl(pod, `net.ipv4.conf.${POD_IFNAME}.arp_notify`, '1');
  ensureAddress(idev, { local: address, length, broadcast: broadcastOf(address, length) });
  ensureUp(eth0);
  // The carrier is there; the bridge learns of it later.
  port.state = PortState.DISABLED;
  host.world.sim.after(LINKWATCH, () => bridge.checkPort(port));
  for (const destination of [...conf.routes, DEFAULT_ROUTE]) {
    ensureRoute(pod, { destination, gateway, out: idev, onlink: false });
  }

  const error = ensureGateway(host, bridge, { gateway, length });
  if (error !== null) return { error };
  // The MAC that the bridge had when it was made; enslaving the first port may have replaced it.
  bridge.dev.setMac(pinned);
  setSysctl(host, 'net.ipv4.ip_forward', '1');
  return { bridge, hostVeth, eth0, address, gateway };
}

const DEFAULT_ROUTE: Ipv4Prefix = { address: 0, length: 0 };

function ensureBridge(host: NetNamespace, conf: BridgeNetConf, onDevice: OnDevice): Bridge {
  const present = host.device(conf.bridge);
  if (present !== null) {
    const bridge = bridgeOf(present);
    if (bridge !== null) return bridge;
  }
  const bridge = new Bridge(host.world, {
    name: conf.bridge,
    mac: randomMac(host.world, `${host.label}/${conf.bridge}`),
    macGiven: false,
    mtu: conf.mtu,
    owner: host.label,
  });
  host.addDevice(bridge.dev);
  onDevice(bridge.dev);
  ensureUp(bridge.dev);
  return bridge;
}

/** Both ends with the same MTU, the peer created in the host's namespace. */
function createPodLink(request: BridgeAddRequest): [NetDevice, NetDevice] {
  const { host, pod, conf, onDevice } = request;
  const { world } = host;
  let name = '';
  for (let n = 0; n < VETH_NAME_TRIES && (name === '' || host.device(name) !== null); n++) {
    name = `veth${randomHex(world, `veth-name/${pod.label}`, 8)}`;
  }
  const [eth0, hostVeth] = createVethPair(
    world,
    { name: POD_IFNAME, mac: randomMac(world, `${pod.label}/${POD_IFNAME}`), mtu: conf.mtu, owner: pod.label },
    { name, mac: randomMac(world, `${host.label}/${pod.label}`), mtu: conf.mtu, owner: host.label },
  );
  pod.addDevice(eth0);
  host.addDevice(hostVeth);
  onDevice(eth0);
  onDevice(hostVeth);
  return [eth0, hostVeth];
}

/** ensureAddr(): a bridge with another address is left alone, and that is an error (forceAddress is off). */
function ensureGateway(
  host: NetNamespace,
  bridge: Bridge,
  wish: { readonly gateway: Ipv4; readonly length: number },
): string | null {
  const idev = host.inDevice(bridge.dev);
  const other = idev.addresses.find((a) => a.local !== wish.gateway || a.length !== wish.length);
  if (other !== undefined) {
    const text = formatIpv4Prefix({ address: wish.gateway, length: wish.length });
    return `"${bridge.dev.name}" already has an IP address different from ${text}`;
  }
  ensureAddress(idev, {
    local: wish.gateway,
    length: wish.length,
    broadcast: broadcastOf(wish.gateway, wish.length),
  });
  return null;
}
