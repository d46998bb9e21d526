// Cutting an IPv4 packet in pieces (net/ipv4/ip_output.c ip_do_fragment; RFC 791 section 3.2).

import * as frames from '../link/frame.ts';
import { allocFrame, type Frame, sumArena } from '../link/frame.ts';
import * as ipv4 from '../wire/ipv4.ts';
import type { NetNamespace } from './netns.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { frameCt, frameCtInfo, frameEnd, frameHash, frameMark, frameNf, framePacketId, framePort } = frames;
const { frameStart, NO_FRAME, u8, view } = frames;
const { IPV4_CHECKSUM, IPV4_FRAGMENT, IPV4_HEADER, IPV4_LENGTH, IPV4_MF, IPV4_OFFSET } = ipv4;

/** Option flag: to be copied into every fragment (RFC 791 section 3.1). */
const IPV4_OPTION_COPIED = 0x80;

/**
 * Makes pieces of at most `mtu` bytes of the packet at frameStart[frame], which stays the caller's (its options are
 * changed); offsets in units of 8 bytes, options only where they are to be copied. The pieces never have DF, also when
 * the packet was put together from pieces that had it (ip_fraglist_init).
 * @param why for the notes of the pieces; '' for none
 * @param emit takes each piece, in order
 * @returns false when there was no buffer for a piece
 */
export function ipFragment(
  netns: NetNamespace,
  frame: Frame,
  mtu: number,
  why: string,
  emit: (piece: Frame) => void,
): boolean {
  const at = frameStart[frame]!;
  const end = frameEnd[frame]!;
  const word = view.getUint16(at + IPV4_FRAGMENT);
  let header = (view.getUint8(at) & 15) * 4;
  const more = word & IPV4_MF;
  let offset = word & IPV4_OFFSET;
  let from = at + header;
  let first = true;
  while (from < end) {
    let take = Math.min(mtu - header, end - from);
    if (take < end - from) take &= ~7;
    if (take <= 0) break;
    const piece = allocFrame(header + take);
    if (piece === NO_FRAME) return false;
    const p = frameStart[piece]!;
    u8.copyWithin(p, at, at + header);
    u8.copyWithin(p + header, from, from + take);
    frameMark[piece] = frameMark[frame]!;
    frameHash[piece] = frameHash[frame]!;
    framePort[piece] = framePort[frame]!;
    frameNf[piece] = frameNf[frame]!;
    if (frameCtInfo[frame] !== 0) {
      frameCtInfo[piece] = frameCtInfo[frame]!;
      frameCt[piece] = frameCt[frame]!;
    }
    from += take;
    view.setUint16(p + IPV4_LENGTH, header + take);
    view.setUint16(p + IPV4_FRAGMENT, (from < end ? IPV4_MF : more) | offset);
    offset += take >>> 3;
    if (first && header > IPV4_HEADER && from < end) {
      dropUncopiedOptions(at, header);
      first = false;
    }
    view.setUint16(p + IPV4_CHECKSUM, 0);
    view.setUint16(p + IPV4_CHECKSUM, ~sumArena(p, p + header) & 0xffff);
    if (why !== '') {
      // What begins here was seen nowhere as a whole, and has no number.
      const whole = framePacketId[frame]! === 0 ? '' : ` of packet ${framePacketId[frame]!}`;
      framePacketId[piece] = netns.world.nextPacketId();
      netns.world.observer.note(piece, `${netns.label}: fragment${whole}, ${why}`);
    }
    emit(piece);
    header = (view.getUint8(at) & 15) * 4;
  }
  return true;
}

/** ip_options_fragment: in the header that later fragments copy, options without the copied bit become no-ops. */
function dropUncopiedOptions(at: number, header: number): void {
  let i = at + IPV4_HEADER;
  const end = at + header;
  while (i < end) {
    const state = ipv4.nextIpv4Option(view, i, end);
    if (state === ipv4.Ipv4OptionState.END || state === ipv4.Ipv4OptionState.MALFORMED) return;
    const length = state === ipv4.Ipv4OptionState.NOP ? 1 : ipv4.ipv4OptionLength(view, i);
    if ((view.getUint8(i) & IPV4_OPTION_COPIED) === 0) u8.fill(ipv4.Ipv4Option.NOP, i, i + length);
    i += length;
  }
}
