// Names to addresses as getaddrinfo(3) and gethostbyname2(3) find them in a namespace: /etc/hosts, then the name servers of
// /etc/resolv.conf, with real queries (nsswitch.conf: hosts: files dns), as glibc does it or, in an Alpine image, as musl. Each call begins with a new look at the
// files, as a program does that has just started.

import { formatIpv4, type Ipv4 } from '../addr/ipv4.ts';
import { formatIpv6, type Ipv6, parseIpv6 } from '../addr/ipv6.ts';
import { GlibcSearch, type HostErrno, type SearchResult } from '../dns/glibc-search.ts';
import { ResolverState } from '../dns/glibc-send.ts';
import { type HostsEntry, hostsByName, parseHosts } from '../dns/hosts-file.ts';
import { MuslLookup } from '../dns/musl-lookup.ts';
import { parseResolvConf } from '../dns/resolv-conf.ts';
import type { NetNamespace } from '../stack/netns.ts';
import { DnsType } from '../wire/dns.ts';
import type { DnsMessage } from '../wire/dns-message.ts';
import { foldName } from '../wire/dns-name.ts';
import { parseInetAton } from './inet-aton.ts';
import type { ProgramHost } from './program.ts';
import { StubSockets } from './stub-sockets.ts';
import { readSystemFile } from './system-files.ts';

/** getaddrinfo's errors with their numbers (netdb.h). */
export const GaiError = {
  EAI_NONAME: -2,
  EAI_AGAIN: -3,
  EAI_FAIL: -4,
  EAI_NODATA: -5,
  EAI_ADDRFAMILY: -9,
} as const;
export type GaiError = keyof typeof GaiError;

/** gai_strerror(3) */
export const GAI_TEXT: Readonly<Record<GaiError, string>> = {
  EAI_NONAME: 'Name or service not known',
  EAI_AGAIN: 'Temporary failure in name resolution',
  EAI_FAIL: 'Non-recoverable failure in name resolution',
  EAI_NODATA: 'No address associated with hostname',
  EAI_ADDRFAMILY: 'Address family for hostname not supported',
};

export type AddressFamily = 'unspec' | 'inet' | 'inet6';

export interface FoundAddress {
  readonly ipv4: Ipv4 | null;
  readonly ipv6: Ipv6 | null;
  readonly text: string;
}

export type AddressResult =
  | { readonly addresses: readonly FoundAddress[]; readonly canonical: string }
  | { readonly error: GaiError };

export interface AddressQuestion {
  readonly name: string;
  readonly family: AddressFamily;
  /** AI_ADDRCONFIG: no AAAA where there is no IPv6 address */
  readonly addressConfigured: boolean;
}

/** Gives a lookup up; nothing is called afterwards. */
export type Cancel = () => void;

const NOTHING: Cancel = () => {};

/**
 * The IPv4 addresses of a name, as a program gets them that asks getaddrinfo for `family` and uses IPv4 (no namespace has
 * IPv6 yet). Addresses and what /etc/hosts knows are answered before this returns.
 * @param addressConfigured the program sets AI_ADDRCONFIG: no AAAA is asked for
 * @returns what gives the lookup up
 */
export function resolveHost(
  host: ProgramHost,
  name: string,
  family: AddressFamily,
  done: (result: { readonly addresses: readonly Ipv4[] } | { readonly error: GaiError }) => void,
  addressConfigured = false,
): Cancel {
  return getAddresses(host, { name, family, addressConfigured }, (result) => {
    if ('error' in result) {
      done(result);
      return;
    }
    const addresses = result.addresses.flatMap((a) => (a.ipv4 === null ? [] : [a.ipv4]));
    done(addresses.length > 0 ? { addresses } : { error: 'EAI_ADDRFAMILY' });
  });
}

/** getaddrinfo(3). */
export function getAddresses(
  host: ProgramHost,
  question: AddressQuestion,
  done: (result: AddressResult) => void,
): Cancel {
  const { name } = question;
  // No interface has an IPv6 address: AI_ADDRCONFIG makes AF_UNSPEC to AF_INET (check_pf).
  const family = question.addressConfigured && question.family === 'unspec' ? 'inet' : question.family;
  const literal = literalAddress(name);
  if (literal !== null) {
    const fits = family === 'unspec' || (family === 'inet') === (literal.ipv4 !== null);
    done(fits ? { addresses: [literal], canonical: name } : { error: 'EAI_ADDRFAMILY' });
    return NOTHING;
  }
  const local = fromHosts(host, name, family);
  if (local !== null) {
    done(local);
    return NOTHING;
  }
  const types = family === 'unspec' ? [DnsType.A, DnsType.AAAA] : [family === 'inet' ? DnsType.A : DnsType.AAAA];
  if (libcOf(host.netns) === 'musl') return muslAddresses(host, name, types, done);
  return search(host, name, types, (result) => {
    if (result.error !== null) {
      done({ error: GAI_OF[result.error] });
      return;
    }
    const addresses = result.answers.flatMap((a) => (a === null ? [] : addressesOf(a)));
    if (addresses.length === 0) done({ error: 'EAI_NODATA' });
    // RFC 3484 sorting: without an IPv6 address of one's own every IPv6 destination is out of reach and goes behind.
    else done({ addresses: sorted(addresses), canonical: canonicalName(result) });
  });
}

/** Which C library the programs of a namespace were linked with: its image's. */
export function libcOf(netns: NetNamespace): 'glibc' | 'musl' {
  return /^ID=alpine$/m.test(readSystemFile(netns, '/etc/os-release') ?? '') ? 'musl' : 'glibc';
}

function muslAddresses(
  host: ProgramHost,
  name: string,
  types: readonly number[],
  done: (result: AddressResult) => void,
): Cancel {
  const conf = parseResolvConf(readSystemFile(host.netns, '/etc/resolv.conf'));
  const lookup = new MuslLookup(new StubSockets(host), conf, { name, types }, (result) => {
    if (result.error !== null) {
      done({ error: result.error });
      return;
    }
    const found: SearchResult = { answers: result.answers, name: result.name, error: null };
    done({ addresses: sorted(result.answers.flatMap(addressesOf)), canonical: canonicalName(found) });
  });
  lookup.start();
  return () => lookup.cancel();
}

const GAI_OF: Readonly<Record<HostErrno, GaiError>> = {
  HOST_NOT_FOUND: 'EAI_NONAME',
  TRY_AGAIN: 'EAI_AGAIN',
  // getaddrinfo makes no more of it than that there is no such name.
  NO_RECOVERY: 'EAI_NONAME',
  NO_DATA: 'EAI_NODATA',
};

/** Asks the name servers along the search list; types go out together. */
export function search(
  host: ProgramHost,
  name: string,
  types: readonly number[],
  done: (result: SearchResult) => void,
): Cancel {
  const conf = parseResolvConf(readSystemFile(host.netns, '/etc/resolv.conf'));
  const running = new GlibcSearch(new StubSockets(host), new ResolverState(conf), { name, types }, done);
  running.start();
  return () => running.cancel();
}

/** An address as inet_aton(3) or inet_pton(3) reads it, or null. */
export function literalAddress(name: string): FoundAddress | null {
  const ipv4 = parseInetAton(name);
  if (ipv4 !== null) return found(ipv4);
  const ipv6 = name.includes(':') ? parseIpv6(name) : null;
  return ipv6 === null ? null : { ipv4: null, ipv6, text: formatIpv6(ipv6) };
}

function found(ipv4: Ipv4): FoundAddress {
  return { ipv4, ipv6: null, text: formatIpv4(ipv4) };
}

/** What /etc/hosts says, or null when it does not know the name in this family. */
export function fromHosts(
  host: ProgramHost,
  name: string,
  family: AddressFamily,
): { readonly addresses: FoundAddress[]; readonly canonical: string; readonly entries: readonly HostsEntry[] } | null {
  const entries = hostsByName(parseHosts(readSystemFile(host.netns, '/etc/hosts')), name);
  const addresses: FoundAddress[] = [];
  const used: HostsEntry[] = [];
  for (const entry of entries) {
    let address: FoundAddress | null = null;
    if (entry.ipv4 !== null && family !== 'inet6') address = found(entry.ipv4);
    // ::1 stands for 127.0.0.1 too when IPv4 is asked for (nss/nss_files/files-hosts.c).
    else if (entry.ipv6 !== null && family === 'inet') address = isLoopback(entry.ipv6) ? found(0x7f000001) : null;
    else if (entry.ipv6 !== null) address = { ipv4: null, ipv6: entry.ipv6, text: formatIpv6(entry.ipv6) };
    if (address === null) continue;
    used.push(entry);
    addresses.push(address);
  }
  const first = used[0];
  return first === undefined ? null : { addresses, canonical: first.canonical, entries: used };
}

function isLoopback(address: Ipv6): boolean {
  return address.every((byte, i) => byte === (i === address.length - 1 ? 1 : 0));
}

/** The addresses that a message gives for its question, along CNAMEs, in its order. */
export function addressesOf(message: DnsMessage): FoundAddress[] {
  return message.answers.flatMap(({ data }): FoundAddress[] => {
    if (data.kind === 'a') return [found(data.address)];
    if (data.kind === 'aaaa') return [{ ipv4: null, ipv6: data.address, text: formatIpv6(data.address) }];
    return [];
  });
}

function sorted(addresses: readonly FoundAddress[]): FoundAddress[] {
  return [...addresses.filter((a) => a.ipv4 !== null), ...addresses.filter((a) => a.ipv4 === null)];
}

/** Where the CNAMEs of the first answer lead; without a dot at the end. */
export function canonicalName(result: SearchResult): string {
  let name = result.name ?? '.';
  const message = result.answers.find((a) => a !== null && a.answers.length > 0);
  for (const record of message?.answers ?? []) {
    if (record.data.kind === 'name' && record.type === DnsType.CNAME && foldName(record.name) === foldName(name)) {
      name = record.data.name;
    }
  }
  return name.replace(/(.)\.$/, '$1');
}
