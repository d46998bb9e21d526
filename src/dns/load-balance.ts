// CoreDNS's plugin loadbalance (plugin/loadbalance/loadbalance.go): the addresses of each reply in a random order, CNAMEs
// in front of them.

import type { Rng } from '../base/rng.ts';
import { DnsRcode, DnsType } from '../wire/dns.ts';
import { rcodeOf } from '../wire/dns-message.ts';
import type { DnsRecord } from '../wire/dns-record.ts';
import type { DnsHandler } from './server.ts';

export function loadBalance(rng: Rng, next: DnsHandler): DnsHandler {
  return {
    serve(request, done) {
      next.serve(request, (reply) => {
        if (typeof reply === 'number' || rcodeOf(reply.flags) !== DnsRcode.NOERROR) {
          done(reply);
          return;
        }
        done({
          ...reply,
          answers: roundRobin(rng, reply.answers),
          authorities: roundRobin(rng, reply.authorities),
          additionals: roundRobin(rng, reply.additionals),
        });
      });
    },
  };
}

function roundRobin(rng: Rng, records: readonly DnsRecord[]): DnsRecord[] {
  const of = (...types: number[]): DnsRecord[] => records.filter((r) => types.includes(r.type));
  const addresses = of(DnsType.A, DnsType.AAAA);
  const mail = of(DnsType.MX);
  const aliases = of(DnsType.CNAME);
  const others = records.filter((r) => !addresses.includes(r) && !mail.includes(r) && !aliases.includes(r));
  return [...aliases, ...others, ...shuffled(rng, addresses), ...shuffled(rng, mail)];
}

function shuffled(rng: Rng, records: DnsRecord[]): DnsRecord[] {
  for (let i = 0; i < records.length - 1; i++) {
    const j = i + rng.below(records.length - i);
    const kept = records[i]!;
    records[i] = records[j]!;
    records[j] = kept;
  }
  return records;
}
