// IPVS connections: who talks to which virtual service through which real server (net/netfilter/ipvs/ip_vs_conn.c).
// Found from both sides without a key object: two chained hash tables over integers.

import type { Ipv4 } from '../../addr/ipv4.ts';
import type { Frame } from '../../link/frame.ts';
import { KernelTimer } from '../../sim/jiffies.ts';
import type { Ns, Sim } from '../../sim/sim.ts';
import { ctOf } from '../conntrack/nf-conn.ts';
import type { IpvsDestination } from './service.ts';
import { IpvsState } from './state.ts';

/** IP_VS_CONN_TAB_BITS: `size=` in the head line of ipvsadm. */
export const IPVS_TABLE_SIZE = 4096;

export class IpvsConnection {
  readonly protocol: number;
  readonly clientAddress: Ipv4;
  readonly clientPort: number;
  readonly virtualAddress: Ipv4;
  readonly virtualPort: number;
  readonly realAddress: Ipv4;
  readonly realPort: number;
  /** null once its destination is deleted and the connection may not know another */
  destination: IpvsDestination | null;
  state: IpvsState = IpvsState.NONE;
  /** IP_VS_CONN_F_INACTIVE: counted as such at its destination; every connection begins so */
  inactive = true;
  /** IP_VS_CONN_F_TEMPLATE: remembers a persistent client's real server, carries no packets */
  readonly template: boolean;
  /** IP_VS_CONN_F_NFCT: conntrack follows it */
  readonly conntrack: boolean;
  /** IP_VS_CONN_F_NOOUTPUT is not set: an answer has been seen */
  seenOutput = false;
  /** the template that decided (cp->control), and how many a template decided for (n_control) */
  control: IpvsConnection | null = null;
  controlled = 0;
  timeout: Ns;
  expires: Ns = 0;
  /** @internal chains of the tables */
  nextIn: IpvsConnection | null = null;
  nextOut: IpvsConnection | null = null;
  readonly timer: KernelTimer;
  dead = false;

  constructor(
    sim: Sim,
    protocol: number,
    client: Ipv4,
    clientPort: number,
    virtual: Ipv4,
    virtualPort: number,
    destination: IpvsDestination,
    realPort: number,
    template: boolean,
    conntrack: boolean,
    timeout: Ns,
    expire: (c: IpvsConnection) => void,
  ) {
    this.protocol = protocol;
    this.clientAddress = client;
    this.clientPort = clientPort;
    this.virtualAddress = virtual;
    this.virtualPort = virtualPort;
    this.realAddress = destination.address;
    this.realPort = realPort;
    this.destination = destination;
    this.template = template;
    this.conntrack = conntrack;
    this.timeout = timeout;
    this.timer = new KernelTimer(sim, () => expire(this));
  }
}

/** ip_vs_conn_uses_old_conntrack: conntrack knows the packet's connection from before. */
export function usesOldConntrack(c: IpvsConnection, frame: Frame): boolean {
  return c.conntrack && ctOf(frame)?.confirmed === true;
}

function bucketOf(protocol: number, address: Ipv4, port: number): number {
  const h = Math.imul(address ^ Math.imul(port, 0x9e3779b1) ^ protocol, 0x85ebca6b);
  return (h ^ (h >>> 15)) & (IPVS_TABLE_SIZE - 1);
}

export class IpvsConnectionTable {
  readonly #in: (IpvsConnection | null)[] = new Array<IpvsConnection | null>(IPVS_TABLE_SIZE).fill(null);
  readonly #out: (IpvsConnection | null)[] = new Array<IpvsConnection | null>(IPVS_TABLE_SIZE).fill(null);
  #count = 0;

  get size(): number {
    return this.#count;
  }

  /** ip_vs_conn_in_get: by what the client sends. */
  findIn(protocol: number, client: Ipv4, clientPort: number, virtual: Ipv4, port: number): IpvsConnection | null {
    let c = this.#in[bucketOf(protocol, client, clientPort)] ?? null;
    for (; c !== null; c = c.nextIn) {
      if (
        c.clientPort === clientPort &&
        c.clientAddress === client &&
        c.virtualPort === port &&
        c.virtualAddress === virtual &&
        c.protocol === protocol &&
        !c.template
      ) {
        return c;
      }
    }
    return null;
  }

  /** ip_vs_ct_in_get: the template of a client (network) for a service. */
  findTemplate(protocol: number, client: Ipv4, virtual: Ipv4, port: number): IpvsConnection | null {
    let c = this.#in[bucketOf(protocol, client, 0)] ?? null;
    for (; c !== null; c = c.nextIn) {
      if (
        c.template &&
        c.clientAddress === client &&
        c.virtualPort === port &&
        c.virtualAddress === virtual &&
        c.protocol === protocol
      ) {
        return c;
      }
    }
    return null;
  }

  /** ip_vs_conn_out_get: by what the real server sends. */
  findOut(protocol: number, real: Ipv4, realPort: number, client: Ipv4, clientPort: number): IpvsConnection | null {
    let c = this.#out[bucketOf(protocol, client, clientPort)] ?? null;
    for (; c !== null; c = c.nextOut) {
      if (
        c.clientPort === clientPort &&
        c.clientAddress === client &&
        c.realPort === realPort &&
        c.realAddress === real &&
        c.protocol === protocol &&
        !c.template
      ) {
        return c;
      }
    }
    return null;
  }

  add(c: IpvsConnection): void {
    const i = bucketOf(c.protocol, c.clientAddress, c.clientPort);
    c.nextIn = this.#in[i]!;
    this.#in[i] = c;
    c.nextOut = this.#out[i]!;
    this.#out[i] = c;
    this.#count++;
  }

  remove(c: IpvsConnection): void {
    const i = bucketOf(c.protocol, c.clientAddress, c.clientPort);
    let p = this.#in[i] ?? null;
    if (p === c) this.#in[i] = c.nextIn;
    else {
      while (p !== null && p.nextIn !== c) p = p.nextIn;
      if (p === null) return;
      p.nextIn = c.nextIn;
    }
    let q = this.#out[i] ?? null;
    if (q === c) this.#out[i] = c.nextOut;
    else {
      while (q !== null && q.nextOut !== c) q = q.nextOut;
      if (q !== null) q.nextOut = c.nextOut;
    }
    this.#count--;
  }

  /** Every connection, in the order of the table. */
  all(): IpvsConnection[] {
    const out: IpvsConnection[] = [];
    for (let c of this.#in) for (; c !== null; c = c.nextIn) out.push(c);
    return out;
  }
}
