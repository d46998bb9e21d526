// Connection tracking of one namespace (net/netfilter/nf_conntrack_core.c): which connection a packet belongs to, before
// routing and rules see it; the entry is put into the table when the packet has come through (confirm).
//
//   PRE_ROUTING, LOCAL_OUT  -200   track()     look the tuple up, or make an unconfirmed entry that only the frame holds
//   LOCAL_IN, POST_ROUTING  last   confirm()   into the table, both tuples; lost races are settled here
//
// Table: tuple -> entry (tuple-table.ts), and the entries in the order in which they were confirmed. Limit: nf_conntrack_max
// entries, then early_drop, then the packet is dropped. Ageing: an entry has a time-out in jiffies; it goes when a look-up or
// a listing meets it expired, or when the garbage collector comes by (one timer for the table, none per entry).

import { DropReason } from '../../base/drop-reason.ts';
import type { Rng } from '../../base/rng.ts';
import * as frames from '../../link/frame.ts';
import { HZ, jiffiesAt } from '../../sim/jiffies.ts';
import type { Ns } from '../../sim/sim.ts';
import * as ipv4 from '../../wire/ipv4.ts';
import { type HOOK_STOLEN, Hook } from '../hook.ts';
import type { NetfilterHost } from '../netfilter-host.ts';
import type { Packet } from '../packet.ts';
import { resolveClash } from './conntrack-clash.ts';
import { ConntrackCollector } from './conntrack-collector.ts';
import { CtEvent, type CtListener, CtMessage } from './conntrack-event.ts';
import { trackIcmpError } from './conntrack-icmp-error.ts';
import {
  CtVerdict,
  genericPacket,
  hasPorts,
  icmpPacket,
  inverseIcmpType,
  UDPLITE,
  udpPacket,
} from './conntrack-protocol.ts';
import { ConntrackStats } from './conntrack-stats.ts';
import { ConntrackSettings } from './conntrack-sysctl.ts';
import { ConntrackTable } from './conntrack-table.ts';
import { tcpPacket } from './conntrack-tcp.ts';
import { NatSources } from './nat-sources.ts';
import {
  CtDir,
  CtInfo,
  CtStatus,
  ctDirection,
  ctInfoOf,
  ctOf,
  isUntracked,
  NfConn,
  resetCt,
  setCt,
} from './nf-conn.ts';
import { badTransportChecksum } from './transport-checksum.ts';

const { view } = frames;
const { ICMP, TCP, UDP } = ipv4.IpProtocol;
/** NF_CT_EVICTION_RANGE: buckets that early_drop looks through. */
const EVICTION_BUCKETS = 8;

export class Conntrack {
  readonly host: NetfilterHost;
  readonly settings = new ConntrackSettings();
  readonly stats = new ConntrackStats();
  /** NAT's index of connections by their original source. */
  readonly sources = new NatSources();
  readonly rng: Rng;
  /** @internal why the last packet is invalid; only built when somebody reads notes */
  why = '';
  /**
   * Two processors at work at once: so long a confirmed entry is not yet seen by packets that come in, ns. 0: never, as on
   * one processor. It opens the race of kubernetes#56903.
   */
  raceWindow: Ns = 0;
  /** nf_ct_resolve_clash() as of Linux 5.8; false: the later packet of a lost race is dropped, as before. */
  resolvesClashes = true;
  /** Segments below the window are let through (tcp_in_window() as of Linux 6.1); false: they are INVALID, as before. */
  ignoresDelayed = true;
  readonly #table = new ConntrackTable();
  readonly #listeners: CtListener[] = [];
  readonly #collector: ConntrackCollector;

  constructor(host: NetfilterHost) {
    this.host = host;
    this.rng = host.rng('conntrack');
    this.settings.load((name, otherwise) => host.sysctl(name, otherwise));
    this.#collector = new ConntrackCollector(this);
  }

  dispose(): void {
    this.#collector.stop();
  }

  /** Entries in the table (net.netfilter.nf_conntrack_count). */
  get count(): number {
    return this.#table.count;
  }

  get jiffies(): number {
    return jiffiesAt(this.host.sim.now);
  }

  toJiffies(seconds: number): number {
    return seconds * HZ;
  }

  // -- packets ---------------------------------------------------------------------------------------------------

  /** nf_conntrack_in(): gives the packet its connection, or none. */
  readonly track = (packet: Packet): DropReason | typeof HOOK_STOLEN => {
    const { frame } = packet;
    let template: NfConn | null = null;
    const known = ctOf(frame);
    if (isUntracked(frame)) return 0;
    if (known !== null) {
      // Seen before (loopback, the bridge); a template says in which zone to look.
      if ((known.status & CtStatus.TEMPLATE) === 0) return 0;
      template = known;
      resetCt(frame);
    }
    if (packet.fragment !== 0 || packet.transport > packet.end) {
      this.stats.invalid++;
      return 0;
    }
    if (packet.protocol === ICMP) {
      const verdict = trackIcmpError(this, packet, template);
      if (verdict !== CtVerdict.ACCEPT) {
        this.stats.invalid++;
        return 0;
      }
      if (ctOf(frame) !== null) return 0;
    }
    for (;;) {
      if (!this.#resolve(packet, template)) {
        this.stats.drop++;
        return DropReason.CONNTRACK_FULL;
      }
      const ct = ctOf(frame);
      if (ct === null) {
        this.stats.invalid++;
        return 0;
      }
      const info = ctInfoOf(frame) as CtInfo;
      const verdict = this.#handle(ct, packet, info);
      if (verdict === CtVerdict.ACCEPT) {
        if (info === CtInfo.ESTABLISHED_REPLY && (ct.status & CtStatus.SEEN_REPLY) === 0) {
          ct.status |= CtStatus.SEEN_REPLY;
          ct.events |= CtEvent.REPLY;
        }
        return 0;
      }
      resetCt(frame);
      if (verdict === CtVerdict.REPEAT) continue;
      this.stats.invalid++;
      if (verdict === CtVerdict.DROP) {
        this.stats.drop++;
        return DropReason.CONNTRACK_INVALID;
      }
      return 0;
    }
  };

  #handle(ct: NfConn, packet: Packet, info: CtInfo): CtVerdict {
    switch (packet.protocol) {
      case TCP:
        return tcpPacket(ct, packet, info);
      case UDP:
      case UDPLITE:
        return udpPacket(ct, packet, info);
      case ICMP:
        return icmpPacket(ct, packet, info);
      default:
        return genericPacket(ct, packet, info);
    }
  }

  /** resolve_normal_ct(): false when the table is full. No connection is left at the frame when the packet has no tuple. */
  #resolve(packet: Packet, template: NfConn | null): boolean {
    const { frame, source, destination, protocol, transport, end } = packet;
    let ports = 0;
    if (hasPorts(protocol)) {
      if (end - transport < 4) return true;
      ports = (packet.sourcePort << 16) | packet.destinationPort;
    } else if (protocol === ICMP) {
      // identifier, type and code
      ports = (view.getUint16(transport + 4) << 16) | view.getUint16(transport);
    }
    const zone = template === null ? 0 : template.oZone !== 0 ? template.oZone : template.rZone;
    const zoneDirections = template === null ? 3 : (template.oZone !== 0 ? 1 : 0) | (template.rZone !== 0 ? 2 : 0);
    const value = this.lookup(source, destination, ports, protocol, zone);
    let ct: NfConn;
    let info: CtInfo = CtInfo.NEW;
    if (value < 0 || this.#unseen(value)) {
      const fresh = this.#create(packet, ports);
      if (fresh === null) return false;
      if (fresh === undefined) return true;
      if ((zoneDirections & 1) !== 0) fresh.oZone = zone;
      if ((zoneDirections & 2) !== 0) fresh.rZone = zone;
      ct = fresh;
    } else {
      ct = this.#table.entry(value);
      if ((value & 1) === CtDir.REPLY) info = CtInfo.ESTABLISHED_REPLY;
      else if ((ct.status & CtStatus.SEEN_REPLY) !== 0) info = CtInfo.ESTABLISHED;
      else if ((ct.status & CtStatus.EXPECTED) !== 0) info = CtInfo.RELATED;
    }
    setCt(frame, ct, info);
    return true;
  }

  /** True within the race window of the entry: another processor has not seen it yet. */
  #unseen(value: number): boolean {
    if (this.raceWindow === 0) return false;
    return this.host.sim.now - this.#table.entry(value).confirmedAt < this.raceWindow;
  }

  /** init_conntrack(): null when the table is full, undefined when the packet cannot begin a connection. */
  #create(packet: Packet, ports: number): NfConn | null | undefined {
    const { source, destination, protocol } = packet;
    const inverse = protocol === ICMP ? inverseIcmpType((ports >>> 8) & 0xff) : 0;
    if (inverse < 0) return undefined;
    const max = this.settings.values.nf_conntrack_max;
    if (max > 0 && this.#table.count >= max && !this.#earlyDrop(packet, ports)) {
      this.#collector.early = true;
      if (this.host.wantsNotes) {
        this.host.note(
          packet.frame,
          `${this.host.label}: conntrack table full (nf_conntrack_max ${max}), nothing to evict`,
        );
      }
      return null;
    }
    const ct = new NfConn(this, this.rng.u32(), protocol, this.settings.values.nf_conntrack_acct !== 0);
    ct.oSrc = source;
    ct.oDst = destination;
    ct.rSrc = destination;
    ct.rDst = source;
    ct.oSport = ports >>> 16;
    ct.oDport = ports & 0xffff;
    if (protocol === ICMP) {
      ct.rSport = ct.oSport;
      ct.rDport = (inverse << 8) | (ports & 0xff);
    } else {
      ct.rSport = ct.oDport;
      ct.rDport = ct.oSport;
    }
    const events = this.settings.values.nf_conntrack_events;
    ct.eventful = events === 1 || (events === 2 && this.#listeners.length > 0);
    return ct;
  }

  /** early_drop(): an entry that is not assured makes room, when one stands near. */
  #earlyDrop(packet: Packet, ports: number): boolean {
    const { source, destination, protocol } = packet;
    const share = this.#table.capacity / this.settings.values.nf_conntrack_buckets;
    const slots = Math.max(EVICTION_BUCKETS, Math.ceil(EVICTION_BUCKETS * share));
    for (const ct of this.#table.near(source, destination, ports, protocol, slots)) {
      if (this.isExpired(ct)) this.kill(ct, false);
      else if ((ct.status & CtStatus.ASSURED) === 0) {
        this.kill(ct, false);
        this.stats.early_drop++;
      } else continue;
      return true;
    }
    return false;
  }

  /** nf_confirm(), last of all hooks at LOCAL_IN and POST_ROUTING. */
  readonly confirm = (packet: Packet): DropReason | typeof HOOK_STOLEN => {
    const { frame } = packet;
    let ct = ctOf(frame);
    if (ct === null) return 0;
    if (!ct.confirmed) {
      if (ctDirection(ctInfoOf(frame) as CtInfo) !== CtDir.ORIGINAL || (ct.status & CtStatus.TEMPLATE) !== 0) return 0;
      const reason = this.#insert(ct, packet);
      if (reason !== 0) return reason;
      ct = ctOf(frame)!;
    }
    if (ct.events !== 0) this.#deliver(ct);
    return 0;
  };

  /** __nf_conntrack_confirm() */
  #insert(ct: NfConn, packet: Packet): DropReason {
    ct.status |= CtStatus.CONFIRMED;
    if (ct.dying) {
      this.stats.insert_failed++;
      return DropReason.CONNTRACK_CLASH;
    }
    const taken = this.#takenBy(ct);
    if (taken !== null) return resolveClash(this, ct, taken, packet);
    ct.timeout += this.jiffies;
    this.add(ct);
    ct.events |= ct.master === null ? CtEvent.NEW : CtEvent.RELATED;
    return 0;
  }

  #takenBy(ct: NfConn): NfConn | null {
    let value = this.lookup(ct.oSrc, ct.oDst, (ct.oSport << 16) | ct.oDport, ct.proto, ct.oZone);
    if (value < 0) value = this.lookup(ct.rSrc, ct.rDst, (ct.rSport << 16) | ct.rDport, ct.proto, ct.rZone);
    return value < 0 ? null : this.#table.entry(value);
  }

  /** @internal into the table */
  add(ct: NfConn): void {
    this.#table.add(ct);
    ct.confirmedAt = this.host.sim.now;
    if (this.settings.values.nf_conntrack_timestamp !== 0) ct.startedAt = this.host.sim.now;
    this.#collector.start();
  }

  /** Says why a packet has no connection; @internal for the trackers. */
  invalid(packet: Packet, why: string): CtVerdict {
    if (this.host.wantsNotes) {
      this.host.note(packet.frame, `${this.host.label}: conntrack INVALID: ${why === '' ? this.why : why}`);
    }
    return CtVerdict.INVALID;
  }

  /** @internal nf_ip_checksum(), at PRE_ROUTING only: later the packet is this machine's own responsibility. */
  badChecksum(packet: Packet): boolean {
    if (packet.hook !== Hook.PRE_ROUTING || this.settings.values.nf_conntrack_checksum === 0) return false;
    return badTransportChecksum(packet);
  }

  // -- entries ---------------------------------------------------------------------------------------------------

  /**
   * The entry of a tuple; expired ones go on the way.
   * @returns entry number * 2 + direction (see entry()), -1 when there is none
   */
  lookup(source: number, destination: number, ports: number, protocol: number, zone: number): number {
    const value = this.#table.get(source, destination, ports, protocol, zone);
    if (value < 0) return -1;
    const ct = this.#table.entry(value);
    if (this.isExpired(ct)) {
      this.kill(ct, false);
      return -1;
    }
    return value;
  }

  /** The entry that lookup() found. */
  entry(value: number): NfConn {
    return this.#table.entry(value);
  }

  /** nf_conntrack_tuple_taken(): another connection answers to this reply tuple. */
  isTaken(ct: NfConn, source: number, destination: number, ports: number): boolean {
    const value = this.lookup(source, destination, ports, ct.proto, ct.oZone);
    if (value < 0) return false;
    const other = this.#table.entry(value);
    if (other === ct) return false;
    // The same flow twice (a race): settled when it is confirmed.
    return !(
      other.oSrc === ct.oSrc &&
      other.oDst === ct.oDst &&
      other.oSport === ct.oSport &&
      other.oDport === ct.oDport &&
      other.oZone === ct.oZone
    );
  }

  /** nf_conntrack_alter_reply(): answers will look like this; only before it is confirmed, or for IPVS. */
  alterReply(ct: NfConn, source: number, sourcePort: number, destination: number, destinationPort: number): void {
    this.#table.alterReply(ct, source, sourcePort, destination, destinationPort);
  }

  isExpired(ct: NfConn): boolean {
    return ct.timeout - this.jiffies <= 0;
  }

  /** Whole seconds until it expires, as /proc and ctnetlink show them. */
  expiresIn(ct: NfConn): number {
    return Math.max(0, Math.floor((ct.timeout - this.jiffies) / HZ));
  }

  /** @internal nf_ct_refresh_acct() */
  refresh(ct: NfConn, packet: Packet, info: CtInfo, seconds: number): void {
    if ((ct.status & CtStatus.FIXED_TIMEOUT) === 0) {
      const timeout = seconds * HZ;
      ct.timeout = ct.confirmed ? this.jiffies + timeout : timeout;
    }
    if (ct.accounted) this.account(ct, packet, info);
  }

  /** @internal nf_ct_acct_update() */
  account(ct: NfConn, packet: Packet, info: CtInfo): void {
    if (!ct.accounted) return;
    if (ctDirection(info) === CtDir.ORIGINAL) {
      ct.oPackets++;
      ct.oBytes += packet.length;
    } else {
      ct.rPackets++;
      ct.rBytes += packet.length;
    }
  }

  expireIn(ct: NfConn, seconds: number): void {
    ct.timeout = this.jiffies + seconds * HZ;
  }

  /** nf_ct_delete(): out of the table, and told so. False when it was going already. */
  kill(ct: NfConn, byUser: boolean): boolean {
    if (ct.dying) return false;
    ct.status |= CtStatus.DYING;
    if (this.#table.remove(ct) && ct.eventful) {
      for (const listener of [...this.#listeners]) listener(CtMessage.DESTROY, ct, byUser);
    }
    this.sources.remove(ct);
    return true;
  }

  /** Deletes every entry that `which` names (nf_ct_iterate_cleanup); how many. */
  killAll(which: (ct: NfConn) => boolean, byUser: boolean): number {
    let killed = 0;
    for (const ct of this.list()) if (which(ct) && this.kill(ct, byUser)) killed++;
    return killed;
  }

  /** What ctnetlink dumps: live entries, oldest first; expired ones go. */
  list(): NfConn[] {
    const out: NfConn[] = [];
    for (const ct of this.#table.entries()) {
      if (this.isExpired(ct)) this.kill(ct, false);
      else if ((ct.status & CtStatus.NAT_CLASH) === 0) out.push(ct);
    }
    return out;
  }

  /** @internal all entries, expired ones too, for the collector */
  entries(): IterableIterator<NfConn> {
    return this.#table.entries();
  }

  // -- events ----------------------------------------------------------------------------------------------------

  /** Tells of new, changed and ended connections that begin from now on; returns what ends it. */
  listen(listener: CtListener): () => void {
    this.#listeners.push(listener);
    return () => {
      const i = this.#listeners.indexOf(listener);
      if (i >= 0) this.#listeners.splice(i, 1);
    };
  }

  /** nf_ct_deliver_cached_events() */
  #deliver(ct: NfConn): void {
    const events = ct.events;
    ct.events = 0;
    if (!ct.eventful || ct.dying || this.#listeners.length === 0) return;
    const message = (events & (CtEvent.NEW | CtEvent.RELATED)) !== 0 ? CtMessage.NEW : CtMessage.UPDATE;
    for (const listener of [...this.#listeners]) listener(message, ct, false);
  }
}
