// What one node's kube-proxy knows: every service port with a virtual address and its endpoints, and which Services changed
// since it last wrote rules (pkg/proxy/servicechangetracker.go, endpointschangetracker.go).

import { chooseEndpoints, type EndpointChoice, type ProxyNode } from './endpoint-choice.ts';
import { serviceKey } from './service.ts';
import { endpointsOf, type ServiceEndpoint, type ServicePort, servicePorts } from './service-port.ts';
import type { Services } from './services.ts';

export interface ProxyPort {
  readonly port: ServicePort;
  readonly endpoints: readonly ServiceEndpoint[];
  readonly choice: EndpointChoice;
}

export class ProxyState {
  readonly #services: Services;
  readonly #node: ProxyNode;
  /** `ns/svc` -> its ports; what did not change is kept */
  readonly #known = new Map<string, ProxyPort[]>();
  readonly #changed = new Set<string>();

  constructor(services: Services, node: ProxyNode) {
    this.#services = services;
    this.#node = node;
    for (const service of services.list()) this.#changed.add(serviceKey(service));
  }

  /** The Service or its endpoints are not as they were. */
  note(key: string): void {
    this.#changed.add(key);
  }

  /** Takes in what changed. @returns keys of the Services that did */
  update(): ReadonlySet<string> {
    const changed = new Set(this.#changed);
    this.#changed.clear();
    for (const key of changed) {
      const slash = key.indexOf('/');
      const service = this.#services.get(key.slice(0, slash), key.slice(slash + 1));
      if (service === null) this.#known.delete(key);
      else {
        const slices = this.#services.slices(service);
        this.#known.set(
          key,
          servicePorts(service).map((port) => {
            const endpoints = endpointsOf(port, slices);
            return { port, endpoints, choice: chooseEndpoints(port, endpoints, this.#node) };
          }),
        );
      }
    }
    return changed;
  }

  /** All ports, by name and protocol. */
  ports(): ProxyPort[] {
    return [...this.#known.values()]
      .flat()
      .sort((a, b) => order(a.port.name, b.port.name) || order(a.port.protocol, b.port.protocol));
  }
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
