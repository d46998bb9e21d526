// Proves what CoreDNS's kubernetes plugin answers: every kind of name of the Kubernetes DNS specification, names that exist
// without the type asked for, names that do not exist, flags, TTLs and the SOA that a denial carries.

import { describe, expect, it } from 'vitest';
import { KubernetesZone, type KubernetesZoneOptions } from '../../src/dns/kubernetes-zone.ts';
import type { DnsHandler } from '../../src/dns/server.ts';
import { TableZone } from '../../src/dns/table-zone.ts';
import { DnsFlag, DnsRcode } from '../../src/wire/dns.ts';
import { rcodeOf } from '../../src/wire/dns-message.ts';
import { ask, ip, objects, recordText, told } from './rig.ts';

const upstream = new TableZone([
  { name: 'www.example.com.', ttl: 300, addresses: [], alias: 'example.com.' },
  { name: 'example.com.', ttl: 600, addresses: [ip('93.184.216.34')], alias: null },
]);

function zone(options: Partial<KubernetesZoneOptions> = {}, synced = true): DnsHandler {
  const standard = { zone: 'cluster.local.', ttl: 30, pods: 'insecure', localAddresses: [ip('10.244.1.2')] } as const;
  return new KubernetesZone(objects(synced), { ...standard, ...options }, upstream);
}

const SOA = 'cluster.local. 30 SOA ns.dns.cluster.local. hostmaster.cluster.local. 1767225600 7200 1800 86400 30';
const D = 'cluster.local.';

describe('names of the cluster', () => {
  it.each([
    [`web.shop.svc.${D}`, 'A', `NOERROR | web.shop.svc.${D} 30 A 10.96.7.7`],
    [`WEB.Shop.svc.Cluster.LOCAL.`, 'A', `NOERROR | WEB.Shop.svc.Cluster.LOCAL. 30 A 10.96.7.7`],
    [
      `db.shop.svc.${D}`,
      'A',
      `NOERROR | db.shop.svc.${D} 30 A 10.244.1.5 | db.shop.svc.${D} 30 A 10.244.2.5 | db.shop.svc.${D} 30 A 10.244.2.6`,
    ],
    [`bare.shop.svc.${D}`, 'A', `NOERROR | bare.shop.svc.${D} 30 A 10.244.1.9`],
    [`db-0.db.shop.svc.${D}`, 'A', `NOERROR | db-0.db.shop.svc.${D} 30 A 10.244.1.5`],
    [`10-244-2-6.db.shop.svc.${D}`, 'A', `NOERROR | 10-244-2-6.db.shop.svc.${D} 30 A 10.244.2.6`],
    [`10-244-1-7.web.shop.svc.${D}`, 'A', `NOERROR | 10-244-1-7.web.shop.svc.${D} 30 A 10.244.1.7`],
    [`_http._tcp.web.shop.svc.${D}`, 'SRV', `NOERROR | _http._tcp.web.shop.svc.${D} 30 SRV 0 100 80 web.shop.svc.${D}`],
    [
      `web.shop.svc.${D}`,
      'SRV',
      `NOERROR | web.shop.svc.${D} 30 SRV 0 50 80 web.shop.svc.${D} | web.shop.svc.${D} 30 SRV 0 50 81 web.shop.svc.${D}`,
    ],
    [
      `_pg._tcp.db.shop.svc.${D}`,
      'SRV',
      `NOERROR | _pg._tcp.db.shop.svc.${D} 30 SRV 0 33 5432 db-0.db.shop.svc.${D} | _pg._tcp.db.shop.svc.${D} 30 SRV 0 33 5432 10-244-2-5.db.shop.svc.${D} | _pg._tcp.db.shop.svc.${D} 30 SRV 0 33 5432 10-244-2-6.db.shop.svc.${D}`,
    ],
    [`10-9-8-7.shop.pod.${D}`, 'A', `NOERROR | 10-9-8-7.shop.pod.${D} 30 A 10.9.8.7`],
    [`dns-version.${D}`, 'TXT', `NOERROR | dns-version.${D} 28800 TXT "1.1.0"`],
    ['7.7.96.10.in-addr.arpa.', 'PTR', `NOERROR | 7.7.96.10.in-addr.arpa. 30 PTR web.shop.svc.${D}`],
    ['5.1.244.10.in-addr.arpa.', 'PTR', `NOERROR | 5.1.244.10.in-addr.arpa. 30 PTR db-0.db.shop.svc.${D}`],
    ['6.2.244.10.in-addr.arpa.', 'PTR', `NOERROR | 6.2.244.10.in-addr.arpa. 30 PTR 10-244-2-6.db.shop.svc.${D}`],
    [`out.shop.svc.${D}`, 'CNAME', `NOERROR | out.shop.svc.${D} 30 CNAME www.example.com.`],
    [
      `out.shop.svc.${D}`,
      'A',
      `NOERROR | out.shop.svc.${D} 30 CNAME www.example.com. | www.example.com. 300 CNAME example.com. | example.com. 600 A 93.184.216.34`,
    ],
    [
      `in.shop.svc.${D}`,
      'A',
      `NOERROR | in.shop.svc.${D} 30 CNAME web.shop.svc.${D} | web.shop.svc.${D} 30 A 10.96.7.7`,
    ],
    [D, 'NS', `NOERROR | ${D} 30 NS kube-dns.kube-system.svc.${D}`],
    [`ns.dns.${D}`, 'A', `NOERROR | ns.dns.${D} 30 A 10.96.0.10`],
    [D, 'SOA', `NOERROR | ${SOA}`],
  ])('%s %s', (name, type, expected) => {
    expect(told(ask(zone(), name, type))).toBe(expected);
  });

  it('gives the addresses of SRV targets in the additional section', () => {
    expect(ask(zone(), `_pg._tcp.db.shop.svc.${D}`, 'SRV').additionals.map(recordText)).toEqual([
      `db-0.db.shop.svc.${D} 30 A 10.244.1.5`,
      `10-244-2-5.db.shop.svc.${D} 30 A 10.244.2.5`,
      `10-244-2-6.db.shop.svc.${D} 30 A 10.244.2.6`,
    ]);
  });

  it('is authoritative, without recursion, and copies RD', () => {
    const asked = ask(zone(), `web.shop.svc.${D}`, 'A').flags;
    expect(asked & (DnsFlag.AA | DnsFlag.RA | DnsFlag.RD)).toBe(DnsFlag.AA | DnsFlag.RD);
  });
});

describe('names that have no such record (NODATA)', () => {
  it.each([
    [`web.shop.svc.${D}`, 'AAAA'],
    [`web.shop.svc.${D}`, 'MX'],
    [`web.shop.svc.${D}`, 'TXT'],
    [`shop.svc.${D}`, 'A'],
    [`svc.${D}`, 'A'],
    [`pod.${D}`, 'A'],
    [`shop.pod.${D}`, 'A'],
    [D, 'A'],
    [`web.shop.svc.${D}`, 'SOA'],
    [`bare.shop.svc.${D}`, 'SRV'],
  ])('%s %s: NOERROR and the SOA', (name, type) => {
    const reply = ask(zone(), name, type);
    expect(told(reply)).toBe('NOERROR');
    expect(reply.authorities.map(recordText)).toEqual([SOA]);
  });
});

describe('names that do not exist (NXDOMAIN)', () => {
  it.each([
    [`nope.shop.svc.${D}`, 'A'],
    [`web.nowhere.svc.${D}`, 'A'],
    [`nowhere.svc.${D}`, 'A'],
    [`empty.shop.svc.${D}`, 'A'],
    [`*.shop.svc.${D}`, 'A'],
    [`any.web.shop.svc.${D}`, 'A'],
    [`_ftp._tcp.web.shop.svc.${D}`, 'SRV'],
    [`_http._udp.web.shop.svc.${D}`, 'SRV'],
    [`a.b.c.web.shop.svc.${D}`, 'A'],
    [`web.shop.${D}`, 'A'],
    [`10-0-0-256.shop.pod.${D}`, 'A'],
    [`web.shop.pod.${D}`, 'A'],
    [`10-0-0-1.nowhere.pod.${D}`, 'A'],
    [`addr.shop.svc.${D}`, 'A'],
    [`dns-version.${D}`, 'A'],
    [`other.${D}`, 'TXT'],
  ])('%s %s: NXDOMAIN and the SOA', (name, type) => {
    const reply = ask(zone(), name, type);
    expect(told(reply)).toBe('NXDOMAIN');
    expect(reply.authorities.map(recordText)).toEqual([SOA]);
  });

  it('pods disabled: no name of a pod exists', () => {
    expect(told(ask(zone({ pods: 'disabled' }), `10-244-1-5.shop.pod.${D}`, 'A'))).toBe('NXDOMAIN');
  });

  it('pods verified: only those that run', () => {
    const handler = zone({ pods: 'verified' });
    expect(told(ask(handler, `10-244-1-5.shop.pod.${D}`, 'A'))).toContain('A 10.244.1.5');
    expect(told(ask(handler, `10-244-1-6.shop.pod.${D}`, 'A'))).toBe('NXDOMAIN');
  });

  it('an address that nobody has falls through to the next server', () => {
    const reply = ask(zone(), '9.9.9.10.in-addr.arpa.', 'PTR');
    expect(told(reply)).toBe('NXDOMAIN');
    expect(reply.authorities[0]!.name).toBe('.');
  });
});

describe('before the first sync, and what is refused', () => {
  it('answers SERVFAIL to what it does not know yet', () => {
    expect(told(ask(zone({}, false), `nope.shop.svc.${D}`, 'A'))).toBe('SERVFAIL');
  });

  it('refuses zone transfers', () => {
    expect(rcodeOf(ask(zone(), D, 'AXFR', { protocol: 'tcp' }).flags)).toBe(DnsRcode.REFUSED);
  });
});
