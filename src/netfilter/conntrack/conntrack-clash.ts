// Two packets of one flow, both before confirmation: the later one finds that its tuples are taken (nf_conntrack_core.c
// nf_ct_resolve_clash). UDP and ICMP can be helped, TCP does not begin twice.

import { DropReason } from '../../base/drop-reason.ts';
import { IpProtocol } from '../../wire/ipv4.ts';
import type { Packet } from '../packet.ts';
import type { Conntrack } from './conntrack.ts';
import { UDPLITE } from './conntrack-protocol.ts';
import { type CtInfo, CtStatus, ctInfoOf, type NfConn, setCt } from './nf-conn.ts';

/** Seconds that an entry lives which was put beside the one of its flow. */
const CLASH_TIMEOUT = 1;

/** 0 when the packet goes on: with the winner's entry, or with its own beside it. */
export function resolveClash(conntrack: Conntrack, loser: NfConn, winner: NfConn, packet: Packet): DropReason {
  const { host, stats } = conntrack;
  const helps = loser.proto === IpProtocol.UDP || loser.proto === UDPLITE || loser.proto === IpProtocol.ICMP;
  if (conntrack.resolvesClashes && helps && !winner.dying) {
    const plain = (winner.status & CtStatus.NAT_DONE_MASK) === 0;
    if (plain || sameTuples(winner, loser)) {
      setCt(packet.frame, winner, ctInfoOf(packet.frame) as CtInfo);
      stats.clash_resolve++;
      return 0;
    }
    const ports = (loser.rSport << 16) | loser.rDport;
    if (conntrack.lookup(loser.rSrc, loser.rDst, ports, loser.proto, loser.rZone) < 0) {
      loser.timeout = conntrack.jiffies + conntrack.toJiffies(CLASH_TIMEOUT);
      loser.status |= CtStatus.FIXED_TIMEOUT | CtStatus.NAT_CLASH;
      conntrack.add(loser);
      stats.clash_resolve++;
      return 0;
    }
  }
  stats.drop++;
  stats.insert_failed++;
  if (host.wantsNotes) {
    host.note(
      packet.frame,
      `${host.label}: lost the race to confirm this flow: another packet of it was confirmed first, towards another endpoint (insert_failed ${stats.insert_failed})`,
    );
  }
  return DropReason.CONNTRACK_CLASH;
}

function sameTuples(a: NfConn, b: NfConn): boolean {
  return (
    a.oSrc === b.oSrc &&
    a.oDst === b.oDst &&
    a.oSport === b.oSport &&
    a.oDport === b.oDport &&
    a.rSrc === b.rSrc &&
    a.rDst === b.rDst &&
    a.rSport === b.rSport &&
    a.rDport === b.rDport &&
    a.oZone === b.oZone &&
    a.rZone === b.rZone
  );
}
