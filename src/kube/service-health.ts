// Health check node ports (pkg/proxy/healthcheck/service_health.go): with externalTrafficPolicy Local a load balancer asks every
// node whether it has an endpoint of its own; 200 when it has, 503 when it has none.

import { type GoAnswer, GoHttpServer } from '../apps/http/go-http-server.ts';
import type { ProgramHost } from '../apps/program.ts';
import type { NetNamespace } from '../stack/netns.ts';
import { type RunningProgram, runProgramIn } from './pod-program.ts';
import type { ProxyPort } from './proxy-state.ts';

interface Checked {
  /** `ns/svc` */
  readonly service: string;
  readonly port: number;
  readonly program: RunningProgram;
  /** ready endpoints on this node */
  local: number;
}

/** The answers of one node. */
export class ServiceHealth {
  readonly #netns: NetNamespace;
  readonly #node: string;
  /** by port */
  readonly #checked = new Map<number, Checked>();

  constructor(netns: NetNamespace, node: string) {
    this.#netns = netns;
    this.#node = node;
  }

  /** Listens for what asks for it, no longer for what does not, and counts endpoints anew. */
  sync(ports: readonly ProxyPort[]): void {
    const wanted = new Map<number, { service: string; local: Set<number> }>();
    for (const { port, endpoints } of ports) {
      if (port.healthCheckNodePort === 0) continue;
      const wish = wanted.get(port.healthCheckNodePort) ?? { service: port.service, local: new Set<number>() };
      for (const e of endpoints) if (e.ready && e.nodeName === this.#node) wish.local.add(e.address);
      wanted.set(port.healthCheckNodePort, wish);
    }
    for (const checked of this.#checked.values()) {
      if (wanted.get(checked.port)?.service === checked.service) continue;
      checked.program.stop();
      this.#checked.delete(checked.port);
    }
    for (const [port, { service, local }] of wanted) {
      const known = this.#checked.get(port);
      if (known !== undefined) known.local = local.size;
      else this.#checked.set(port, this.#listen(service, port, local.size));
    }
  }

  #listen(service: string, port: number, local: number): Checked {
    const count = (): number => this.#checked.get(port)?.local ?? 0;
    const program = runProgramIn(this.#netns, (host) => new HealthServer(host, { service, port, count }));
    return { service, port, program, local };
  }
}

class HealthServer extends GoHttpServer {
  readonly #service: string;
  readonly #count: () => number;

  constructor(
    host: ProgramHost,
    options: { readonly service: string; readonly port: number; readonly count: () => number },
  ) {
    super(host, 0, options.port);
    this.#service = options.service;
    this.#count = options.count;
  }

  protected answer(): GoAnswer {
    const local = this.#count();
    const [namespace, name] = this.#service.split('/') as [string, string];
    const text = [
      '{',
      '\t"service": {',
      `\t\t"namespace": "${namespace}",`,
      `\t\t"name": "${name}"`,
      '\t},',
      `\t"localEndpoints": ${local},`,
      '\t"serviceProxyHealthy": true',
      '}',
    ].join('\n');
    return {
      status: local > 0 ? 200 : 503,
      text,
      fields: [
        ['Content-Type', 'application/json'],
        ['X-Content-Type-Options', 'nosniff'],
        ['X-Load-Balancing-Endpoint-Weight', String(local)],
      ],
    };
  }
}
