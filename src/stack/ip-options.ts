// IPv4 options of a packet that came in (net/ipv4/ip_options.c; RFC 791 section 3.1, RFC 1122 section 3.2.1.8): checked
// for form; source routes are refused unless accept_source_route is set. Options of forwarded packets pass unchanged.

import { DropReason } from '../base/drop-reason.ts';
import { type Frame, frameStart, view } from '../link/frame.ts';
import { IcmpType } from '../wire/icmp.ts';
import { IPV4_HEADER, Ipv4Option, Ipv4OptionState, ipv4OptionLength, nextIpv4Option } from '../wire/ipv4.ts';
import { icmpSend } from './icmp-send.ts';
import type { InDevice } from './in-device.ts';

/** ip_rcv_options: 0 when the packet may go on. A malformed option is answered with a parameter problem. */
export function optionsInput(idev: InDevice, frame: Frame, header: number): DropReason {
  const at = frameStart[frame]!;
  const end = at + header;
  let i = at + IPV4_HEADER;
  while (i < end) {
    const state = nextIpv4Option(view, i, end);
    if (state === Ipv4OptionState.END) break;
    if (state === Ipv4OptionState.NOP) {
      i++;
      continue;
    }
    const type = view.getUint8(i);
    const sound = state !== Ipv4OptionState.MALFORMED;
    const length = sound ? ipv4OptionLength(view, i) : 0;
    const sourceRoute = type === Ipv4Option.LOOSE_SOURCE_ROUTE || type === Ipv4Option.STRICT_SOURCE_ROUTE;
    let wrong = sound ? -1 : i - at;
    if (sound && (type === Ipv4Option.RECORD_ROUTE || sourceRoute)) {
      // length, then a pointer of 4 or more (RFC 791: smallest legal value 4)
      if (length < 3) wrong = i + 1 - at;
      else if (view.getUint8(i + 2) < 4) wrong = i + 2 - at;
    } else if (sound && type === Ipv4Option.TIMESTAMP) {
      if (length < 4) wrong = i + 1 - at;
      else if (view.getUint8(i + 2) < 5) wrong = i + 2 - at;
    }
    if (wrong >= 0) {
      if (idev.netns.inputRouter.forHost) {
        icmpSend(idev.netns, frame, IcmpType.PARAMETER_PROBLEM, 0, wrong, idev);
      }
      return DropReason.IP_OPTION_INVALID;
    }
    if (sourceRoute && !idev.acceptsSourceRoute) return DropReason.IP_SOURCE_ROUTE;
    i += length;
  }
  return 0;
}
