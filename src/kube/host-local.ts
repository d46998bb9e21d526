// The host-local IPAM plugin (containernetworking/plugins, plugins/ipam/host-local): addresses of one node's pod CIDR.
//
// Round robin: the search begins behind the address that was handed out last and wraps once, so a released address comes
// back only after all the others. The range is network+1 to broadcast-1; the gateway network+1 is never handed out.

import { compareIpv4, formatIpv4, formatIpv4Prefix, type Ipv4, type Ipv4Prefix, maskIpv4 } from '../addr/ipv4.ts';

export type AddressAllocation = { readonly address: Ipv4; readonly gateway: Ipv4 } | { readonly error: string };

export class HostLocal {
  readonly subnet: Ipv4Prefix;
  readonly gateway: Ipv4;
  readonly #first: Ipv4;
  readonly #last: Ipv4;
  /** address -> `containerID ifname`, as the files of /var/lib/cni/networks/<network> */
  readonly #reserved = new Map<Ipv4, string>();
  /** file last_reserved_ip.0 */
  #lastReserved: Ipv4 | null = null;

  constructor(subnet: Ipv4Prefix) {
    this.subnet = subnet;
    this.gateway = (subnet.address + 1) | 0;
    this.#first = this.gateway;
    this.#last = ((subnet.address | ~maskIpv4(subnet.length)) - 1) | 0;
  }

  /** Pods that a subnet of this length takes: all but network, gateway and broadcast. */
  static capacity(length: number): number {
    return length > 30 ? 0 : 2 ** (32 - length) - 3;
  }

  /** The address that `id` holds on `ifname`, or null. */
  held(id: string, ifname: string): Ipv4 | null {
    const owner = `${id} ${ifname}`;
    for (const [address, o] of this.#reserved) if (o === owner) return address;
    return null;
  }

  /** ADD */
  allocate(id: string, ifname: string): AddressAllocation {
    if (this.subnet.length > 30)
      return { error: `Network ${formatIpv4Prefix(this.subnet)} too small to allocate from` };
    const already = this.held(id, ifname);
    if (already !== null) {
      return { error: `${formatIpv4(already)} has been allocated to ${id}, duplicate allocation is not allowed` };
    }
    const size = ((this.#last - this.#first) >>> 0) + 1;
    const last = this.#lastReserved;
    const start = last === null ? 0 : (((last - this.#first) >>> 0) + 1) % size;
    for (let i = 0; i < size; i++) {
      const address = (this.#first + ((start + i) % size)) | 0;
      if (address === this.gateway || this.#reserved.has(address)) continue;
      this.#reserved.set(address, `${id} ${ifname}`);
      this.#lastReserved = address;
      return { address, gateway: this.gateway };
    }
    const range = `${formatIpv4(this.#first)}-${formatIpv4(this.#last)}`;
    return { error: `failed to allocate for range 0: no IP addresses available in range set: ${range}` };
  }

  /** DEL; nothing happens when it holds none. */
  release(id: string, ifname: string): void {
    const address = this.held(id, ifname);
    if (address !== null) this.#reserved.delete(address);
  }

  /** Addresses in use, ascending. */
  addresses(): Ipv4[] {
    return [...this.#reserved.keys()].sort(compareIpv4);
  }
}
