// Where netfilter stands in the way of an IPv4 packet (include/uapi/linux/netfilter.h). The stack calls a hook through
// this interface; the tables behind it come with netfilter's own floor. A namespace without rules has no hooks and
// pays one comparison.
//
//    in -> PRE_ROUTING -> route -> FORWARD -> POST_ROUTING -> out
//                           |                    ^
//                       LOCAL_IN             LOCAL_OUT
//                           v                    |
//                                 sockets

import type { DropReason } from '../base/drop-reason.ts';
import type { Frame } from '../link/frame.ts';

export const Hook = { PRE_ROUTING: 0, LOCAL_IN: 1, FORWARD: 2, LOCAL_OUT: 3, POST_ROUTING: 4 } as const;
export type Hook = (typeof Hook)[keyof typeof Hook];

/** The packet was taken over by the hook (queued, answered): neither dropped nor to go on. */
export const HOOK_STOLEN = -1;

export interface HookChain {
  /** Fragments are to be put together before the hooks see them (nf_defrag_ipv4 at priority -400). */
  readonly defragments: boolean;
  /**
   * Looks at the IPv4 packet that begins at frameStart[frame].
   * @param inDevice ifindex the packet came in by, 0 for none
   * @param outDevice ifindex it is to leave by, 0 when not yet known
   * @returns 0 to go on, a DropReason (the caller ends the frame), or HOOK_STOLEN
   */
  run(hook: Hook, frame: Frame, inDevice: number, outDevice: number): DropReason | typeof HOOK_STOLEN;
}
