// -j TCPMSS (extensions/libxt_TCPMSS.c, net/netfilter/xt_TCPMSS.c): lowers the MSS option of a SYN, to a number or to what
// the path takes.

import * as frames from '../../../link/frame.ts';
import { tailroom } from '../../../link/frame.ts';
import { IPV4_CHECKSUM, IPV4_LENGTH, IpProtocol } from '../../../wire/ipv4.ts';
import { Hook } from '../../hook.ts';
import type { Packet } from '../../packet.ts';
import { Verdict } from '../../verdict.ts';
import type { CompileContext } from '../compile-context.ts';
import { type OptionValue, RuleError } from '../extension-option.ts';
import { uintOption } from '../option-text.ts';
import type { Rule } from '../rule.ts';
import type { Action, Target, TargetType } from '../target.ts';
import { replaceInChecksum } from './rewrite-header.ts';

const { frameEnd, u8, view } = frames;
const { CONTINUE, DROP } = Verdict;
const { TCP } = IpProtocol;

const TCP_HEADER = 20;
const TCP_HEADER_MAX = 60;
const TCP_OFFSET = 12;
const TCP_CHECKSUM = 16;
const OPTION_NOP = 1;
const OPTION_MSS = 2;
/** length of the MSS option (RFC 9293 section 3.7.1) */
const MSS_LENGTH = 4;
/** Where an MSS option is missing, the peer takes 536 (RFC 1122 section 4.2.2.6): more must not be promised. */
const MSS_DEFAULT = 536;
/** IPv4 and TCP header without options */
const HEADERS = 40;

class TcpmssTarget implements Target {
  readonly name = 'TCPMSS';
  /** 0: clamp to the path MTU; -1: nothing given */
  #mss = -1;

  parse(option: OptionValue): void {
    this.#mss = option.name === 'clamp-mss-to-pmtu' ? 0 : uintOption(option, 0, 0xffff - HEADERS);
  }

  finish(): void {
    if (this.#mss < 0) throw new RuleError('TCPMSS target: At least one parameter is required');
  }

  refused(rule: Rule): boolean {
    return rule.protocol !== TCP || rule.protocolInverted;
  }

  /** tcpmss_tg4_check(): without a route there is no path MTU. */
  refusedAt(hook: Hook): boolean {
    return this.#mss === 0 && (hook === Hook.PRE_ROUTING || hook === Hook.LOCAL_IN);
  }

  save(): string {
    return this.#mss === 0 ? ' --clamp-mss-to-pmtu' : ` --set-mss ${this.#mss}`;
  }

  list(): string {
    return this.#mss === 0 ? ' TCPMSS clamp to PMTU' : ` TCPMSS set ${this.#mss}`;
  }

  compile({ host }: CompileContext): Action {
    const given = this.#mss;
    return (p) => {
      if (p.fragment !== 0) return CONTINUE;
      let mss = given;
      if (mss === 0) {
        // The narrower of the ways there and back (tcpmss_reverse_mtu).
        const there = host.mtuTo(p.destination);
        const back = host.mtuTo(p.source);
        const mtu = Math.min(there === 0 ? 0xffff : there, back === 0 ? 0xffff : back);
        if (mtu <= HEADERS) return DROP;
        mss = mtu - HEADERS;
      }
      return mangle(p, mss);
    };
  }
}

function mangle(p: Packet, wanted: number): Verdict {
  const { transport, end } = p;
  const room = end - transport;
  if (room < TCP_HEADER) return DROP;
  const header = (view.getUint8(transport + TCP_OFFSET) >>> 4) * 4;
  if (header < TCP_HEADER || header > room) return DROP;
  const headerEnd = transport + header;
  for (let at = transport + TCP_HEADER; at <= headerEnd - MSS_LENGTH; ) {
    const kind = view.getUint8(at);
    if (kind === OPTION_MSS && view.getUint8(at + 1) === MSS_LENGTH) {
      const old = view.getUint16(at + 2);
      if (old <= wanted) return CONTINUE;
      view.setUint16(at + 2, wanted);
      // An option may stand at an odd place: the sum sees its bytes swapped.
      const swap = (n: number): number => (((at + 2 - transport) & 1) === 0 ? n : ((n & 0xff) << 8) | (n >>> 8));
      replaceInChecksum(transport + TCP_CHECKSUM, swap(old), swap(wanted));
      return CONTINUE;
    }
    at += kind <= OPTION_NOP ? 1 : Math.max(1, view.getUint8(at + 1));
  }
  // No MSS option: one is put in, if the segment carries nothing and the header has room.
  if (room > header || header >= TCP_HEADER_MAX || tailroom(p.frame) < MSS_LENGTH) return CONTINUE;
  const mss = Math.min(wanted, MSS_DEFAULT);
  const at = transport + TCP_HEADER;
  u8.copyWithin(at + MSS_LENGTH, at, headerEnd);
  view.setUint16(at, (OPTION_MSS << 8) | MSS_LENGTH);
  view.setUint16(at + 2, mss);
  const sumAt = transport + TCP_CHECKSUM;
  replaceInChecksum(sumAt, 0, (OPTION_MSS << 8) | MSS_LENGTH);
  replaceInChecksum(sumAt, 0, mss);
  // The pseudo header's length grows, and the data offset.
  replaceInChecksum(sumAt, room, room + MSS_LENGTH);
  const before = view.getUint16(transport + TCP_OFFSET);
  view.setUint16(transport + TCP_OFFSET, before + 0x1000);
  replaceInChecksum(sumAt, before, before + 0x1000);
  const length = view.getUint16(p.at + IPV4_LENGTH);
  view.setUint16(p.at + IPV4_LENGTH, length + MSS_LENGTH);
  replaceInChecksum(p.at + IPV4_CHECKSUM, length, length + MSS_LENGTH);
  frameEnd[p.frame] = frameEnd[p.frame]! + MSS_LENGTH;
  p.reload();
  return CONTINUE;
}

export const tcpmssTarget: TargetType = {
  name: 'TCPMSS',
  options: [
    { name: 'set-mss', argument: 'required', excludes: ['clamp-mss-to-pmtu'] },
    { name: 'clamp-mss-to-pmtu', argument: 'none', excludes: ['set-mss'] },
  ],
  create: () => new TcpmssTarget(),
};
