// Proves what the API server's allocators and the EndpointSlice controller make of Services and pods: bands, refusals and their
// words, conditions of endpoints, slices of at most 100, named ports, and that watchers hear of what changed and nothing else.

import { describe, expect, it } from 'vitest';
import { formatIpv4, parseIpv4, parseIpv4Prefix } from '../../src/addr/ipv4.ts';
import { Rng } from '../../src/base/rng.ts';
import { ClusterIpAllocator, clusterIpBand } from '../../src/kube/cluster-ip-allocator.ts';
import type { PodView } from '../../src/kube/endpoint-slice.ts';
import { NODE_PORT_RANGE, NodePortAllocator, nodePortBand } from '../../src/kube/node-port-allocator.ts';
import { servicePort, serviceSpec } from '../../src/kube/service.ts';
import { Services } from '../../src/kube/services.ts';
import { Sim } from '../../src/sim/sim.ts';

const ip = (text: string): number => parseIpv4(text)!;
const rng = (): Rng => new Rng(1, 'test');

function pod(n: number, change: Partial<PodView> = {}): PodView {
  return {
    name: `web-${n}`,
    namespace: 'default',
    labels: { app: 'web', tier: 'front' },
    ip: ip('10.244.0.0') + n,
    nodeName: 'node-1',
    zone: null,
    ready: true,
    terminating: false,
    hostname: null,
    subdomain: null,
    ports: [],
    ...change,
  };
}

function world() {
  const services = new Services({
    sim: new Sim(),
    rng: (purpose) => new Rng(1, purpose),
    serviceCIDR: parseIpv4Prefix('10.96.0.0/12')!,
    nodePortRange: NODE_PORT_RANGE,
  });
  const heard: string[] = [];
  services.listen((key, what) => heard.push(`${key} ${what}`));
  return { services, heard };
}

describe('cluster addresses', () => {
  it('leave a band to people: 16 of a /24, 256 of a /12, none of a /28', () => {
    expect([256, 4096, 2 ** 20, 16].map(clusterIpBand)).toEqual([16, 256, 256, 0]);
  });

  it('are drawn above the band, then within it, then there is none left', () => {
    const range = new ClusterIpAllocator(parseIpv4Prefix('10.0.0.0/24')!, rng());
    const given = Array.from({ length: 254 }, () => {
      const next = range.next();
      return 'error' in next ? next.error : formatIpv4(next.address);
    });
    expect(new Set(given).size).toBe(254);
    const last = (text: string): number => Number(text.split('.')[3]);
    expect(given.slice(0, 238).every((a) => last(a) >= 17 && last(a) <= 254)).toBe(true);
    expect(given.slice(238).every((a) => last(a) >= 1 && last(a) <= 16)).toBe(true);
    expect(range.next()).toEqual({ error: 'range is full' });
    range.release(ip('10.0.0.7'));
    expect(range.next()).toEqual({ address: ip('10.0.0.7') });
  });

  it('are refused outside the range, at its ends and twice', () => {
    const range = new ClusterIpAllocator(parseIpv4Prefix('10.0.0.0/24')!, rng());
    for (const text of ['10.0.0.0', '10.0.0.255', '10.0.1.1']) {
      const taken = range.take(ip(text));
      const why = `the provided IP (${text}) is not in the valid range. The range of valid IPs is 10.0.0.0/24`;
      expect(taken).toEqual({ error: why });
    }
    expect(range.take(ip('10.0.0.10'))).toEqual({ address: ip('10.0.0.10') });
    expect(range.take(ip('10.0.0.10'))).toEqual({ error: 'provided IP is already allocated' });
  });
});

describe('node ports', () => {
  it('are drawn from 30086 on; the band below is for people', () => {
    expect(nodePortBand(2768)).toBe(86);
    const range = new NodePortAllocator(NODE_PORT_RANGE, rng());
    for (let i = 0; i < 200; i++) {
      const next = range.next();
      expect('port' in next && next.port >= 30_086 && next.port <= 32_767).toBe(true);
    }
    expect(range.take(29_999)).toHaveProperty('error');
  });

  it('one number for TCP and UDP of one Service is one allocation, for two Services it is refused', () => {
    const { services } = world();
    const both = [
      servicePort({ name: 'tcp', port: 53, nodePort: 30_053 }),
      servicePort({ name: 'udp', port: 53, protocol: 'UDP', nodePort: 30_053 }),
    ];
    expect(services.create(serviceSpec({ name: 'dns', type: 'NodePort', ports: both }))).toHaveProperty('service');
    const again = services.create(serviceSpec({ name: 'other', type: 'NodePort', ports: both }));
    expect(again).toEqual({ error: 'provided port is already allocated' });
    // What was refused holds nothing.
    expect(services.delete('default', 'dns')).toBe(true);
    expect(services.create(serviceSpec({ name: 'other', type: 'NodePort', ports: both }))).toHaveProperty('service');
  });
});

describe('endpoints', () => {
  const web = serviceSpec({
    name: 'web',
    selector: { app: 'web' },
    ports: [servicePort({ name: 'http', port: 80, targetPort: 8080 })],
  });
  const conditions = (services: Services): string[] =>
    services
      .slices({ namespace: 'default', name: 'web' })
      .flatMap((s) => s.endpoints)
      .map(
        (e) =>
          `${e.podName}${e.ready ? ' ready' : ''}${e.serving ? ' serving' : ''}${e.terminating ? ' terminating' : ''}`,
      );

  it('are ready, serving and terminating as the API defines it', () => {
    const { services } = world();
    services.create(web);
    services.setPods([
      pod(1),
      pod(2, { ready: false }),
      pod(3, { terminating: true }),
      pod(4, { ready: false, terminating: true }),
      pod(5, { labels: { app: 'db' } }),
      pod(6, { namespace: 'other' }),
      pod(7, { ip: null }),
    ]);
    expect(conditions(services)).toEqual([
      'web-1 ready serving',
      'web-2',
      'web-3 serving terminating',
      'web-4 terminating',
    ]);
  });

  it('publishNotReadyAddresses makes every one ready, serving stays what it is', () => {
    const { services } = world();
    services.create({ ...web, publishNotReadyAddresses: true });
    services.setPods([pod(1), pod(2, { ready: false }), pod(3, { terminating: true })]);
    expect(conditions(services)).toEqual(['web-1 ready serving', 'web-2 ready', 'web-3 ready serving terminating']);
  });

  it('a hundred to a slice; a slice keeps its name while others come and go', () => {
    const { services } = world();
    services.create(web);
    const many = Array.from({ length: 230 }, (_, i) => pod(i + 1));
    services.setPods(many);
    const before = services.slices(web);
    expect(before.map((s) => s.endpoints.length)).toEqual([100, 100, 30]);
    expect(before.every((s) => /^web-[bcdfghjklmnpqrstvwxz2456789]{5}$/.test(s.name))).toBe(true);
    services.setPods(many.slice(0, 150));
    const after = services.slices(web);
    expect(after.map((s) => s.endpoints.length)).toEqual([100, 50]);
    expect(after.map((s) => s.name)).toEqual(before.slice(0, 2).map((s) => s.name));
  });

  it('a named target port is looked up in each pod: pods that differ stand in different slices', () => {
    const { services } = world();
    services.create({ ...web, ports: [servicePort({ name: 'http', port: 80, targetPort: 'web' })] });
    const port = (n: number): Partial<PodView> => ({ ports: [{ name: 'web', port: n, protocol: 'TCP' }] });
    services.setPods([pod(1, port(8080)), pod(2, port(9090)), pod(3, port(8080)), pod(4)]);
    const slices = services
      .slices(web)
      .map((s) => `${s.ports.map((p) => p.port)}: ${s.endpoints.map((e) => e.podName)}`);
    expect(slices).toEqual(['8080: web-1,web-3', '9090: web-2', ': web-4']);
  });

  it('a Service without a selector has those that people wrote, and keeps them', () => {
    const { services } = world();
    services.create(serviceSpec({ name: 'db', ports: [servicePort({ port: 5432 })] }));
    expect(services.slices({ namespace: 'default', name: 'db' })).toEqual([]);
    services.setPods([pod(1)]);
    expect(services.slices({ namespace: 'default', name: 'db' })).toEqual([]);
  });

  it('trafficDistribution gives each its own zone or node as a hint', () => {
    const hints = (trafficDistribution: 'PreferClose' | 'PreferSameNode'): unknown => {
      const { services } = world();
      services.create({ ...web, trafficDistribution });
      services.setPods([pod(1, { zone: 'a' })]);
      const [e] = services.slices(web)[0]!.endpoints;
      return [e!.forZones, e!.forNodes];
    };
    expect(hints('PreferClose')).toEqual([['a'], []]);
    expect(hints('PreferSameNode')).toEqual([['a'], ['node-1']]);
  });

  it('watchers hear of a change once, and of no change nothing', () => {
    const { services, heard } = world();
    services.create(web);
    expect(heard.splice(0)).toEqual(['default/web service', 'default/web endpoints']);
    services.setPods([pod(1)]);
    expect(heard.splice(0)).toEqual(['default/web endpoints']);
    services.setPods([pod(1), pod(9, { labels: {} })]);
    expect(heard.splice(0)).toEqual([]);
    services.delete('default', 'web');
    expect(heard.splice(0)).toEqual(['default/web service', 'default/web endpoints']);
  });
});

describe('addresses of Services', () => {
  it('headless has None, ExternalName none, and neither takes one of the range', () => {
    const { services } = world();
    const made = (spec: Parameters<typeof serviceSpec>[0]): unknown => {
      const result = services.create(serviceSpec(spec));
      return 'service' in result ? result.service.clusterIP : result.error;
    };
    expect(made({ name: 'h', clusterIP: 'None' })).toBe('None');
    expect(made({ name: 'e', type: 'ExternalName', externalName: 'example.com' })).toBeNull();
    expect(made({ name: 'h' })).toBe('services "h" already exists');
    expect(made({ name: 'f', clusterIP: services.clusterIps.first })).toBe(ip('10.96.0.1'));
  });
});
