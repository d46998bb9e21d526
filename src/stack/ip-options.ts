// IPv4 options of a packet that came in (net/ipv4/ip_options.c; RFC 791 section 3.1, RFC 1122 section 3.2.1.8): checked
// for form; source routes are refused unless accept_source_route is set. Options of forwarded packets pass unchanged.

import { DropReason } from '../base/drop-reason.ts';
import { type Frame, frameStart, view } from '../link/frame.ts';
import { IcmpType } from '../wire/icmp.ts';
import { IPV4_HEADER } from '../wire/ipv4.ts';
import { icmpSend } from './icmp-send.ts';
import type { InDevice } from './in-device.ts';

const END = 0;
const NOOP = 1;
const RECORD_ROUTE = 7;
const TIMESTAMP = 68;
const LOOSE_SOURCE_ROUTE = 131;
const STRICT_SOURCE_ROUTE = 137;

/** ip_rcv_options: 0 when the packet may go on. A malformed option is answered with a parameter problem. */
export function optionsInput(idev: InDevice, frame: Frame, header: number): DropReason {
  const at = frameStart[frame]!;
  const end = at + header;
  let i = at + IPV4_HEADER;
  while (i < end) {
    const type = view.getUint8(i);
    if (type === END) break;
    if (type === NOOP) {
      i++;
      continue;
    }
    const length = i + 1 < end ? view.getUint8(i + 1) : 0;
    let wrong = length < 2 || i + length > end ? i - at : -1;
    if (wrong < 0 && (type === RECORD_ROUTE || type === LOOSE_SOURCE_ROUTE || type === STRICT_SOURCE_ROUTE)) {
      // length, then a pointer of 4 or more (RFC 791: smallest legal value 4)
      if (length < 3) wrong = i + 1 - at;
      else if (view.getUint8(i + 2) < 4) wrong = i + 2 - at;
    } else if (wrong < 0 && type === TIMESTAMP) {
      if (length < 4) wrong = i + 1 - at;
      else if (view.getUint8(i + 2) < 5) wrong = i + 2 - at;
    }
    if (wrong >= 0) {
      if (idev.netns.inputRouter.forHost) {
        icmpSend(idev.netns, frame, IcmpType.PARAMETER_PROBLEM, 0, wrong, idev);
      }
      return DropReason.IP_OPTION_INVALID;
    }
    if ((type === LOOSE_SOURCE_ROUTE || type === STRICT_SOURCE_ROUTE) && !idev.acceptsSourceRoute) {
      return DropReason.IP_SOURCE_ROUTE;
    }
    i += length;
  }
  return 0;
}
