// CoreDNS with the Corefile that kubeadm writes: the plugins that decide what is answered, in the order of plugin.cfg.
//
//   query -> loadbalance -> cache -> kubernetes -> forward -> upstream
//
// errors, health, ready, prometheus and reload put nothing on the wire of a query; loop's one query at start is left out.

import type { Ipv4 } from '../addr/ipv4.ts';
import type { Rng } from '../base/rng.ts';
import type { Ns } from '../sim/sim.ts';
import { foldName } from '../wire/dns-name.ts';
import { AnswerCache } from './answer-cache.ts';
import { Forward } from './forward.ts';
import { KubernetesZone, type KubernetesZoneOptions, type ZoneObjects } from './kubernetes-zone.ts';
import { loadBalance } from './load-balance.ts';
import type { DnsHandler } from './server.ts';
import type { StubNetwork } from './stub-network.ts';

export interface CoreDnsOptions extends KubernetesZoneOptions {
  /** seconds; `cache 30` */
  readonly cacheTtl: number;
  readonly upstreams: readonly Ipv4[];
  readonly now: () => Ns;
  readonly rng: Rng;
}

export interface CoreDns {
  readonly handler: DnsHandler;
  stop(): void;
}

export function coreDns(objects: ZoneObjects, network: StubNetwork, options: CoreDnsOptions): CoreDns {
  const forward = new Forward(network, options.upstreams);
  const kubernetes = new KubernetesZone(objects, options, forward);
  const except = [foldName(options.zone)];
  const cache = new AnswerCache({ ttl: options.cacheTtl, except, now: options.now }, kubernetes);
  return { handler: loadBalance(options.rng, cache), stop: () => forward.stop() };
}
