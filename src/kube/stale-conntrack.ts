// Flows that go where no endpoint is any more (pkg/proxy/conntrack/cleanup.go). Conntrack decides once per flow, and a UDP
// client that keeps its port keeps its flow alive: without this it would talk to an endpoint that is gone for as long as it
// keeps asking (kubernetes#48370). TCP has resets and needs no help.

import type { NfConn } from '../netfilter/conntrack/nf-conn.ts';
import { IpProtocol } from '../wire/ipv4.ts';
import type { ProxyPort } from './proxy-state.ts';

/** Key of an address and a port: 2^32 addresses times 2^16 ports fit a number exactly. */
function addressPort(address: number, port: number): number {
  return (address >>> 0) * 65_536 + port;
}

/** True of entries to forget: UDP, towards a Service that has endpoints, and answered by none that serves. */
export function staleFlows(ports: readonly ProxyPort[]): ((ct: NfConn) => boolean) | null {
  const addresses = new Map<number, Set<number>>();
  const nodePorts = new Map<number, Set<number>>();
  for (const { port, endpoints } of ports) {
    if (port.protocol !== 'UDP') continue;
    const serving = new Set(endpoints.filter((e) => e.serving).map((e) => addressPort(e.address, e.port)));
    // A Service without endpoints rejects new flows; the old ones are left to their time-out.
    if (serving.size === 0) continue;
    for (const address of [port.clusterIP, ...port.externalIPs, ...port.loadBalancerVIPs]) {
      addresses.set(addressPort(address, port.port), serving);
    }
    if (port.nodePort !== 0) nodePorts.set(port.nodePort, serving);
  }
  if (addresses.size === 0 && nodePorts.size === 0) return null;
  return (ct) => {
    if (ct.proto !== IpProtocol.UDP) return false;
    const serving = addresses.get(addressPort(ct.oDst, ct.oDport)) ?? nodePorts.get(ct.oDport);
    return serving !== undefined && !serving.has(addressPort(ct.rSrc, ct.rSport));
  };
}
