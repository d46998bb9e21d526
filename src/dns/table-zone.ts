// A resolver of the outside world: it knows a table of names and denies all others as a recursive server would that has
// asked the root. It stands for whatever a node's /etc/resolv.conf names.

import type { Ipv4 } from '../addr/ipv4.ts';
import { DnsClass, DnsFlag, DnsRcode, DnsType } from '../wire/dns.ts';
import { type DnsName, foldName } from '../wire/dns-name.ts';
import type { DnsRecord } from '../wire/dns-record.ts';
import { type DnsHandler, type DnsRequest, replyTo } from './server.ts';

export interface TableRecord {
  /** absolute */
  readonly name: DnsName;
  /** seconds */
  readonly ttl: number;
  /** addresses, or the name that this one stands for */
  readonly addresses: readonly Ipv4[];
  readonly alias: DnsName | null;
}

/** CNAMEs that one answer follows; BIND's max-recursion-depth is of this order. */
const ALIASES_MAX = 8;

/** The root zone's SOA and how long its denials hold, seconds. */
const ROOT_TTL = 86_400;
const ROOT_SOA: DnsRecord = {
  name: '.',
  type: DnsType.SOA,
  cls: DnsClass.IN,
  ttl: ROOT_TTL,
  data: {
    kind: 'soa',
    mname: 'a.root-servers.net.',
    rname: 'nstld.verisign-grs.com.',
    serial: 2_026_010_100,
    refresh: 1800,
    retry: 900,
    expire: 604_800,
    minimum: ROOT_TTL,
  },
};

export class TableZone implements DnsHandler {
  readonly #records = new Map<DnsName, TableRecord>();
  /** names that exist because something stands below them */
  readonly #above = new Set<DnsName>();

  constructor(records: readonly TableRecord[]) {
    for (const record of records) {
      this.#records.set(foldName(record.name), record);
      const labels = foldName(record.name).split('.');
      for (let i = 1; i < labels.length - 1; i++) this.#above.add(labels.slice(i).join('.'));
    }
  }

  serve(request: DnsRequest, done: Parameters<DnsHandler['serve']>[1]): void {
    const answers: DnsRecord[] = [];
    let { name } = request.question;
    const { type } = request.question;
    for (let i = 0; i < ALIASES_MAX; i++) {
      const record = this.#records.get(foldName(name));
      const base = { name, cls: DnsClass.IN, ttl: record?.ttl ?? 0 };
      if (record?.alias != null) {
        answers.push({ ...base, type: DnsType.CNAME, data: { kind: 'name', name: record.alias } });
        if (type === DnsType.CNAME) break;
        name = record.alias;
        continue;
      }
      if (type === DnsType.A) {
        for (const address of record?.addresses ?? [])
          answers.push({ ...base, type: DnsType.A, data: { kind: 'a', address } });
      }
      break;
    }
    const folded = foldName(name);
    const exists = this.#records.has(folded) || this.#above.has(folded);
    const last = answers.at(-1);
    const denied = last === undefined || (last.type === DnsType.CNAME && type !== DnsType.CNAME);
    done(
      replyTo(request, {
        flags: DnsFlag.RA,
        rcode: exists ? DnsRcode.NOERROR : DnsRcode.NXDOMAIN,
        answers,
        authorities: denied ? [ROOT_SOA] : [],
      }),
    );
  }
}
