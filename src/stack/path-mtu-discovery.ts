// IP_MTU_DISCOVER (include/uapi/linux/in.h): what a socket does about packets longer than the path's MTU.

export const PathMtuDiscovery = {
  /** never DF; fragment */
  DONT: 0,
  /** DF while the packet fits the known path MTU; fragment beyond it (the default) */
  WANT: 1,
  /** always DF; refuse what is longer */
  DO: 2,
  /** always DF; only the interface's MTU counts */
  PROBE: 3,
  /** never DF, ignore what was learnt; refuse what is longer than the interface's MTU */
  INTERFACE: 4,
} as const;
export type PathMtuDiscovery = (typeof PathMtuDiscovery)[keyof typeof PathMtuDiscovery];
