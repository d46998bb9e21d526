// IPVS: virtual services in the kernel (net/netfilter/ipvs/ip_vs_core.c, ip_vs_xmit.c). Packets for a virtual address
// come in at LOCAL_IN, or LOCAL_OUT when this host is the client; a scheduler chooses a real server, the connection
// remembers it, and the packet leaves through LOCAL_OUT and POST_ROUTING with the real server's address. Answers get the
// virtual address back at FORWARD, LOCAL_IN or LOCAL_OUT. Masquerading (NAT) only: the forwarding method of kube-proxy.
//
// Conntrack follows with net.ipv4.vs.conntrack=1: the reply tuple of its entry is turned to the real server.

import { formatIpv4, type Ipv4 } from '../../addr/ipv4.ts';
import { DropReason } from '../../base/drop-reason.ts';
import type { Frame } from '../../link/frame.ts';
import * as frames from '../../link/frame.ts';
import { NS_PER_S, type Ns } from '../../sim/sim.ts';
import { IcmpUnreach } from '../../wire/icmp.ts';
import * as ipv4 from '../../wire/ipv4.ts';
import { TCP_FLAGS, TCP_HEADER, TcpFlag } from '../../wire/tcp.ts';
import { UDP_HEADER } from '../../wire/udp.ts';
import { CtDir, ctDirection, ctInfoOf, ctOf, setUntracked } from '../conntrack/nf-conn.ts';
import { HOOK_STOLEN, Hook } from '../hook.ts';
import { AddressType, type NetfilterHost } from '../netfilter-host.ts';
import { IpvsConnection, IpvsConnectionTable, usesOldConntrack } from './connection.ts';
import { decrementTtl, icmpChecksum, quotedPacket, rewrite, setAddress } from './mangle.ts';
import type { IpvsDestination, IpvsService } from './service.ts';
import { IpvsServiceTable } from './service-table.ts';
import { IpvsDirection, IpvsState, IpvsTimeouts, isActiveState, nextTcpState } from './state.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { frameEnd, frameMark, frameStart, view } = frames;
const { IPV4_DESTINATION, IPV4_DF, IPV4_FRAGMENT, IPV4_OFFSET, IPV4_PROTOCOL, IPV4_SOURCE, IPV4_TTL, IpProtocol } =
  ipv4;
const TCP = IpProtocol.TCP;
const UDP = IpProtocol.UDP;
const ICMP = IpProtocol.ICMP;

/** Choice, the limit of conntrack beside it (nf_conntrack_max): Linux has only memory as a limit. */
export const IPVS_CONNECTIONS_MAX = 262_144;

type Verdict = DropReason | typeof HOOK_STOLEN;

export class Ipvs extends IpvsServiceTable {
  readonly #host: NetfilterHost;
  readonly connections = new IpvsConnectionTable();
  readonly timeouts = new IpvsTimeouts();
  /** the frame that ipvs itself sends through LOCAL_OUT just now (skb->ipvs_property) */
  #passing: Frame = 0;

  constructor(host: NetfilterHost) {
    super();
    this.#host = host;
  }

  dispose(): void {
    for (const c of this.connections.all()) this.#drop(c);
  }

  // -- hooks -------------------------------------------------------------------------------------------------------

  /** ip_vs_in_hook, at LOCAL_IN and LOCAL_OUT: a client's packet. */
  input(hook: Hook, frame: Frame, inDevice: number): Verdict {
    if (frame === this.#passing || (this.services().length === 0 && this.connections.size === 0)) return 0;
    const at = frameStart[frame]!;
    if ((view.getUint16(at + IPV4_FRAGMENT) & IPV4_OFFSET) !== 0) return 0;
    const protocol = view.getUint8(at + IPV4_PROTOCOL);
    const transport = at + (view.getUint8(at) & 15) * 4;
    const end = frameEnd[frame]!;
    if (protocol === ICMP) return this.#icmpIn(hook, frame, at, transport, end);
    if (protocol !== TCP && protocol !== UDP) return 0;
    if (transport + (protocol === TCP ? TCP_HEADER : UDP_HEADER) > end) return 0;
    const source = view.getInt32(at + IPV4_SOURCE);
    const destination = view.getInt32(at + IPV4_DESTINATION);
    const sourcePort = view.getUint16(transport);
    const port = view.getUint16(transport + 2);
    const flags = protocol === TCP ? view.getUint8(transport + TCP_FLAGS) : 0;
    let c = this.connections.findIn(protocol, source, sourcePort, destination, port);
    // is_new_conn
    if (c !== null && protocol === TCP && (flags & TcpFlag.SYN) !== 0) {
      const reuse = this.#host.sysctl('net.ipv4.vs.conn_reuse_mode', 1);
      if (reuse !== 0) {
        const verdict = this.#reschedule(frame, c, reuse);
        if (verdict < 0) return -verdict;
        if (verdict > 0) c = null;
      }
    }
    if (c !== null && c.destination !== null && !c.destination.available) {
      if (this.#host.sysctl('net.ipv4.vs.expire_nodest_conn', 0) === 0) return DropReason.IPVS_NO_DESTINATION;
      const old = usesOldConntrack(c, frame);
      this.#drop(c, old);
      if (old) return DropReason.IPVS_NO_DESTINATION;
      c = null;
    }
    if (c === null) {
      // tcp_conn_schedule, udp_conn_schedule: only a SYN begins a TCP connection (sloppy_tcp aside).
      if (protocol === TCP) {
        const sloppy = this.#host.sysctl('net.ipv4.vs.sloppy_tcp', 0) !== 0;
        if ((flags & TcpFlag.RST) !== 0 || ((flags & TcpFlag.SYN) === 0 && !sloppy)) return 0;
      }
      const service = this.serviceFor(frameMark[frame]!, protocol, destination, port);
      if (service === null) return 0;
      if (
        hook === Hook.LOCAL_OUT &&
        this.connections.findOut(protocol, source, sourcePort, destination, port) !== null
      ) {
        return 0;
      }
      if (this.connections.size >= IPVS_CONNECTIONS_MAX) return DropReason.IPVS_NO_DESTINATION;
      c = this.#schedule(service, protocol, source, sourcePort, destination, port);
      if (c === null) {
        // ip_vs_leave: nobody serves it.
        this.#host.sendUnreach(frame, IcmpUnreach.PORT, hook, inDevice);
        return DropReason.IPVS_NO_DESTINATION;
      }
    }
    this.#count(c, end - at, true);
    this.#setState(c, IpvsDirection.INPUT, flags);
    const verdict = this.#transmit(hook, frame, at, transport, c);
    // IP_VS_CONN_F_ONE_PACKET: it ends with this packet, and the next one is scheduled anew.
    if (protocol === UDP && c.destination?.service.onePacket === true) this.#unlinkConnection(c);
    else this.#refresh(c);
    return verdict;
  }

  /** ip_vs_out_hook, at FORWARD, LOCAL_IN and LOCAL_OUT: a real server's answer gets its virtual address. */
  output(hook: Hook, frame: Frame): Verdict {
    if (frame === this.#passing || this.connections.size === 0) return 0;
    const at = frameStart[frame]!;
    if ((view.getUint16(at + IPV4_FRAGMENT) & IPV4_OFFSET) !== 0) return 0;
    const protocol = view.getUint8(at + IPV4_PROTOCOL);
    const transport = at + (view.getUint8(at) & 15) * 4;
    const end = frameEnd[frame]!;
    if (protocol === ICMP) return this.#icmpOut(frame, at, transport, end);
    if (protocol !== TCP && protocol !== UDP) return 0;
    if (transport + (protocol === TCP ? TCP_HEADER : UDP_HEADER) > end) return 0;
    const c = this.connections.findOut(
      protocol,
      view.getInt32(at + IPV4_SOURCE),
      view.getUint16(transport),
      view.getInt32(at + IPV4_DESTINATION),
      view.getUint16(transport + 2),
    );
    if (c === null) return 0;
    c.seenOutput = true;
    if (this.#host.wantsNotes) this.#noteServer(frame, c, 'answers as');
    rewrite(at, transport, protocol, IPV4_SOURCE, 0, c.virtualAddress, c.virtualPort);
    this.#count(c, end - at, false);
    this.#setState(c, IpvsDirection.OUTPUT, protocol === TCP ? view.getUint8(transport + TCP_FLAGS) : 0);
    this.#follow(frame, c, false);
    this.#refresh(c);
    if (hook === Hook.LOCAL_OUT) return this.#host.rerouteLocalOut(frame);
    return 0;
  }

  // -- the client's side --------------------------------------------------------------------------------------------

  /**
   * A SYN for a connection that IPVS still has.
   * @returns 0: go on with it; 1: schedule anew; negative: a drop reason
   */
  #reschedule(frame: Frame, c: IpvsConnection, reuse: number): number {
    let again = false;
    let old = false;
    if (this.#host.sysctl('net.ipv4.vs.expire_nodest_conn', 0) !== 0 && c.destination?.weight === 0) {
      again = true;
      old = usesOldConntrack(c, frame);
    } else if (
      c.control === null &&
      (c.state === IpvsState.TIME_WAIT || ((reuse & 2) !== 0 && c.state === IpvsState.FIN_WAIT && !c.seenOutput))
    ) {
      old = usesOldConntrack(c, frame);
      again = c.controlled === 0 || !old;
    }
    if (!again) return 0;
    if (c.controlled === 0) this.#drop(c, old);
    return old ? -DropReason.IPVS_OLD_CONNTRACK : 1;
  }

  /** ip_vs_schedule, ip_vs_sched_persist */
  #schedule(
    service: IpvsService,
    protocol: number,
    source: Ipv4,
    sourcePort: number,
    destination: Ipv4,
    port: number,
  ): IpvsConnection | null {
    let template: IpvsConnection | null = null;
    let dest: IpvsDestination | null;
    if (service.persistence !== 0) {
      template = this.#template(service, protocol, source, sourcePort, destination, port);
      if (template === null) return null;
      dest = template.destination;
    } else {
      if (service.fwmark === 0 && service.port !== port) return null;
      dest = service.scheduler.schedule(service, source, sourcePort, destination);
    }
    if (dest === null) return null;
    const c = this.#create(protocol, source, sourcePort, destination, port, dest, false, this.timeouts.tcp[0]!);
    if (template !== null) {
      c.control = template;
      template.controlled++;
      this.#refresh(template);
    }
    dest.stats.connections++;
    service.stats.connections++;
    this.totals.connections++;
    return c;
  }

  #template(
    service: IpvsService,
    protocol: number,
    source: Ipv4,
    sourcePort: number,
    destination: Ipv4,
    port: number,
  ): IpvsConnection | null {
    const client = source & service.persistenceMask;
    // <protocol, client, 0, virtual, port>; by mark: <IP, client, 0, mark, 0>
    const byMark = service.fwmark !== 0;
    const proto = byMark ? 0 : protocol;
    const virtual = byMark ? service.fwmark : destination;
    const virtualPort = !byMark && port === service.port ? port : 0;
    const known = this.connections.findTemplate(proto, client, virtual, virtualPort);
    if (known !== null) {
      const dest = known.destination;
      const quiescent =
        dest !== null && dest.weight === 0 && this.#host.sysctl('net.ipv4.vs.expire_quiescent_template', 0) !== 0;
      if (dest?.available === true && !quiescent) return known;
      // ip_vs_check_template: it is forgotten as soon as nobody needs it.
      this.#unlinkConnection(known);
    }
    const dest = service.scheduler.schedule(service, source, sourcePort, destination);
    if (dest === null) return null;
    return this.#create(proto, client, 0, virtual, virtualPort, dest, true, service.persistence);
  }

  #create(
    protocol: number,
    client: Ipv4,
    clientPort: number,
    virtual: Ipv4,
    virtualPort: number,
    dest: IpvsDestination,
    template: boolean,
    timeout: Ns,
  ): IpvsConnection {
    // A destination without a port takes the one that the client asked for.
    const realPort = dest.port !== 0 ? dest.port : virtualPort;
    const followed = this.#host.sysctl('net.ipv4.vs.conntrack', 0) !== 0;
    const c = new IpvsConnection(
      this.#host.sim,
      protocol,
      client,
      clientPort,
      virtual,
      virtualPort,
      dest,
      realPort,
      template,
      followed,
      timeout,
      (expired) => this.#expire(expired),
    );
    if (template) dest.persistentConnections++;
    else {
      dest.inactiveConnections++;
      dest.checkThresholds();
    }
    this.connections.add(c);
    this.#refresh(c);
    return c;
  }

  /** ip_vs_nat_xmit */
  #transmit(hook: Hook, frame: Frame, at: number, transport: number, c: IpvsConnection): Verdict {
    const host = this.#host;
    const local = host.addressType(c.realAddress, 0) === AddressType.LOCAL;
    if (host.wantsNotes) this.#noteServer(frame, c, 'serves');
    if (!local) {
      const ttl = view.getUint8(at + IPV4_TTL);
      if (ttl <= 1) {
        host.sendTimeExceeded(frame, hook);
        return DropReason.IP_TTL_EXCEEDED;
      }
      const mtu = host.mtuTo(c.realAddress);
      if (mtu === 0) return DropReason.IP_OUTNOROUTES;
      if (frameEnd[frame]! - at > mtu && (view.getUint16(at + IPV4_FRAGMENT) & IPV4_DF) !== 0) {
        host.sendFragNeeded(frame, hook, mtu);
        return DropReason.IP_FRAG_NEEDED;
      }
      decrementTtl(at);
    }
    rewrite(at, transport, c.protocol, IPV4_DESTINATION, 2, c.realAddress, c.realPort);
    return this.#forward(hook, frame, c, local);
  }

  /** ip_vs_nat_send_or_cont: to a real server of this host the packet goes on where it is. */
  #forward(hook: Hook, frame: Frame, c: IpvsConnection, local: boolean): Verdict {
    this.#follow(frame, c, true);
    if (local) return hook === Hook.LOCAL_OUT ? this.#host.rerouteLocalOut(frame) : 0;
    const outer = this.#passing;
    this.#passing = frame;
    this.#host.localOut(frame);
    this.#passing = outer;
    return HOOK_STOLEN;
  }

  /** ip_vs_update_conntrack: it has to expect answers from the real server; or ip_vs_notrack: no rule translates on top. */
  #follow(frame: Frame, c: IpvsConnection, toServer: boolean): void {
    const ct = ctOf(frame);
    if (!c.conntrack && ct !== null) setUntracked(frame);
    if (!c.conntrack || ct === null || ct.confirmed || ctDirection(ctInfoOf(frame) as 0) !== CtDir.ORIGINAL) return;
    if (toServer)
      ct.conntrack.alterReply(ct, c.realAddress, c.protocol === ICMP ? ct.rSport : c.realPort, ct.rDst, ct.rDport);
    else ct.conntrack.alterReply(ct, ct.rSrc, ct.rSport, c.virtualAddress, c.virtualPort);
  }

  // -- ICMP errors ----------------------------------------------------------------------------------------------------

  /** ip_vs_out_icmp: from a real server, or on the way to it, about a client's packet. */
  #icmpOut(frame: Frame, at: number, icmp: number, end: number): Verdict {
    const quoted = quotedPacket(icmp, end);
    if (quoted === 0) return 0;
    const ports = quoted + (view.getUint8(quoted) & 15) * 4;
    const c = this.connections.findOut(
      view.getUint8(quoted + IPV4_PROTOCOL),
      view.getInt32(quoted + IPV4_DESTINATION),
      view.getUint16(ports + 2),
      view.getInt32(quoted + IPV4_SOURCE),
      view.getUint16(ports),
    );
    if (c === null) return 0;
    setAddress(at, IPV4_SOURCE, c.virtualAddress);
    setAddress(quoted, IPV4_DESTINATION, c.virtualAddress);
    view.setUint16(ports + 2, c.virtualPort);
    icmpChecksum(icmp, end);
    this.#follow(frame, c, false);
    if (this.#host.wantsNotes) this.#note(frame, c, 'an ICMP error about');
    return 0;
  }

  /** ip_vs_in_icmp: from the client's side, about a real server's packet. */
  #icmpIn(hook: Hook, frame: Frame, at: number, icmp: number, end: number): Verdict {
    const quoted = quotedPacket(icmp, end);
    if (quoted === 0) return 0;
    const ports = quoted + (view.getUint8(quoted) & 15) * 4;
    const c = this.connections.findIn(
      view.getUint8(quoted + IPV4_PROTOCOL),
      view.getInt32(quoted + IPV4_DESTINATION),
      view.getUint16(ports + 2),
      view.getInt32(quoted + IPV4_SOURCE),
      view.getUint16(ports),
    );
    if (c === null) return 0;
    const local = this.#host.addressType(c.realAddress, 0) === AddressType.LOCAL;
    if (!local) {
      if (this.#host.mtuTo(c.realAddress) === 0) return DropReason.IP_OUTNOROUTES;
      if (view.getUint8(at + IPV4_TTL) <= 1) return DropReason.IP_TTL_EXCEEDED;
      decrementTtl(at);
    }
    setAddress(at, IPV4_DESTINATION, c.realAddress);
    setAddress(quoted, IPV4_SOURCE, c.realAddress);
    view.setUint16(ports, c.realPort);
    icmpChecksum(icmp, end);
    if (this.#host.wantsNotes) this.#note(frame, c, 'an ICMP error about');
    return this.#forward(hook, frame, c, local);
  }

  // -- life of a connection ---------------------------------------------------------------------------------------------

  #setState(c: IpvsConnection, direction: IpvsDirection, flags: number): void {
    if (c.protocol === UDP) {
      c.timeout = this.timeouts.udp;
      return;
    }
    const state = nextTcpState(c.state, direction, flags);
    if (state !== c.state) {
      const dest = c.destination;
      if (dest !== null && isActiveState(state) === c.inactive) {
        c.inactive = !c.inactive;
        const step = c.inactive ? 1 : -1;
        dest.inactiveConnections += step;
        dest.activeConnections -= step;
      }
      c.state = state;
    }
    c.timeout = this.timeouts.tcp[state]!;
  }

  /** ip_vs_conn_put: each packet starts the time-out anew. The timer is moved only when it would come too late. */
  #refresh(c: IpvsConnection): void {
    if (c.dead) return;
    c.expires = this.#host.sim.now + c.timeout;
    if (!c.timer.armed || c.timer.due > c.expires + NS_PER_S) c.timer.arm(c.timeout);
  }

  #expire(c: IpvsConnection): void {
    const left = c.expires - this.#host.sim.now;
    if (left > 0) {
      c.timer.arm(left);
      return;
    }
    // A template stays while connections hang on it (ip_vs_conn_expire: n_control), and is asked again a minute later.
    if (c.controlled > 0) {
      c.timer.arm(60 * NS_PER_S);
      return;
    }
    this.#drop(c);
  }

  /** Ends a connection; its conntrack entry with it, unless that is to live on (ip_vs_conn_drop_conntrack). */
  #drop(c: IpvsConnection, withConntrack = true): void {
    if (c.dead) return;
    this.#unlinkConnection(c);
    if (c.conntrack && withConntrack && !c.template) {
      this.#host.dropConntrack(c.protocol, c.clientAddress, c.clientPort, c.virtualAddress, c.virtualPort);
    }
  }

  #unlinkConnection(c: IpvsConnection): void {
    if (c.dead) return;
    c.dead = true;
    c.timer.cancel();
    this.connections.remove(c);
    if (c.control !== null) c.control.controlled--;
    const dest = c.destination;
    if (dest === null) return;
    if (c.template) dest.persistentConnections--;
    else if (c.inactive) dest.inactiveConnections--;
    else dest.activeConnections--;
    dest.checkThresholds();
  }

  #count(c: IpvsConnection, bytes: number, inward: boolean): void {
    const dest = c.destination;
    if (dest === null || !dest.available) return;
    dest.stats.count(bytes, inward);
    dest.service.stats.count(bytes, inward);
    this.totals.count(bytes, inward);
  }

  /** Called only where notes are read: texts are not made for each packet. */
  #noteServer(frame: Frame, c: IpvsConnection, does: string): void {
    this.#note(frame, c, `${formatIpv4(c.realAddress)}:${c.realPort} ${does}`);
  }

  #note(frame: Frame, c: IpvsConnection, what: string): void {
    const { label } = this.#host;
    this.#host.note(frame, `${label}: IPVS: ${what} ${formatIpv4(c.virtualAddress)}:${c.virtualPort}`);
  }
}
