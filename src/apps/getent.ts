// getent(1) of glibc 2.36 (nss/getent.c), the databases hosts, ahosts, ahostsv4 and ahostsv6.

import { formatIpv4, type Ipv4 } from '../addr/ipv4.ts';
import { hostsByAddress, parseHosts } from '../dns/hosts-file.ts';
import { DnsType } from '../wire/dns.ts';
import { Program, type ProgramHost } from './program.ts';
import {
  type AddressFamily,
  addressesOf,
  type Cancel,
  canonicalName,
  fromHosts,
  getAddresses,
  literalAddress,
  search,
} from './resolve.ts';
import { readSystemFile } from './system-files.ts';

/** The exit status for a key that was not found. */
const NOT_FOUND = 2;
/** What a line leaves for an address (INET_ADDRSTRLEN less the zero). */
const ADDRESS_WIDTH = 15;

export type GetentDatabase = 'hosts' | 'ahosts' | 'ahostsv4' | 'ahostsv6';

const FAMILIES: Readonly<Record<Exclude<GetentDatabase, 'hosts'>, AddressFamily>> = {
  ahosts: 'unspec',
  ahostsv4: 'inet',
  ahostsv6: 'inet6',
};

export class Getent extends Program {
  readonly #database: GetentDatabase;
  readonly #keys: string[];
  #cancel: Cancel | null = null;
  #status = 0;

  constructor(host: ProgramHost, database: GetentDatabase, keys: readonly string[]) {
    super(host);
    this.#database = database;
    this.#keys = [...keys];
  }

  protected begin(): void {
    const key = this.#keys.shift();
    if (key === undefined) {
      this.exit(this.#status);
      return;
    }
    if (this.#database === 'hosts') this.#hosts(key);
    else this.#ahosts(key, FAMILIES[this.#database]);
  }

  protected release(): void {
    this.#cancel?.();
  }

  /** @param lines what is printed for the key; null: not found */
  #next(lines: readonly string[] | null): void {
    if (lines === null) this.#status = NOT_FOUND;
    for (const line of lines ?? []) this.host.out(`${line}\n`);
    this.begin();
  }

  #ahosts(name: string, family: AddressFamily): void {
    this.#cancel = getAddresses(this.host, { name, family, addressConfigured: true }, (result) => {
      if ('error' in result) {
        this.#next(null);
        return;
      }
      const lines = result.addresses.flatMap((a, i) =>
        ['STREAM', 'DGRAM', 'RAW'].map((kind, k) => {
          const canonical = i === 0 && k === 0 ? result.canonical : '';
          return `${a.text.padEnd(ADDRESS_WIDTH)} ${kind.padEnd(6)} ${canonical}`;
        }),
      );
      this.#next(lines);
    });
  }

  /** gethostbyaddr() for an address, else gethostbyname2() for IPv6 and, when that finds nothing, for IPv4. */
  #hosts(key: string): void {
    const literal = literalAddress(key);
    if (literal === null) this.#byName(key, 'inet6', () => this.#byName(key, 'inet', () => this.#next(null)));
    else if (literal.ipv4 === null) this.#next(null);
    else this.#byAddress(literal.ipv4);
  }

  #byName(name: string, family: 'inet' | 'inet6', otherwise: () => void): void {
    const local = fromHosts(this.host, name, family);
    if (local !== null) {
      const aliases = local.entries[0]!.aliases;
      this.#next(local.addresses.map((a) => line(a.text, local.canonical, aliases)));
      return;
    }
    const type = family === 'inet' ? DnsType.A : DnsType.AAAA;
    this.#cancel = search(this.host, name, [type], (result) => {
      const answer = result.answers[0] ?? null;
      const addresses = answer === null ? [] : addressesOf(answer);
      if (addresses.length === 0) {
        otherwise();
        return;
      }
      const canonical = canonicalName(result);
      const aliases = answer!.answers.flatMap((r) => (r.type === DnsType.CNAME ? [r.name.replace(/\.$/, '')] : []));
      this.#next(addresses.map((a) => line(a.text, canonical, aliases)));
    });
  }

  #byAddress(address: Ipv4): void {
    const text = formatIpv4(address);
    const local = hostsByAddress(parseHosts(readSystemFile(this.host.netns, '/etc/hosts')), address);
    if (local !== null) {
      this.#next([line(text, local.canonical, local.aliases)]);
      return;
    }
    const reverse = `${text.split('.').reverse().join('.')}.in-addr.arpa.`;
    this.#cancel = search(this.host, reverse, [DnsType.PTR], (result) => {
      const names = (result.answers[0]?.answers ?? []).flatMap(({ data, type }) =>
        data.kind === 'name' && type === DnsType.PTR ? [data.name.replace(/\.$/, '')] : [],
      );
      const [first, ...aliases] = names;
      this.#next(first === undefined ? null : [line(text, first, aliases)]);
    });
  }
}

function line(address: string, canonical: string, aliases: readonly string[]): string {
  return `${address.padEnd(ADDRESS_WIDTH)} ${[canonical, ...aliases].join(' ')}`;
}
