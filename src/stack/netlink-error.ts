// What the kernel answers to a change of its tables (rtnetlink(7)): an errno, and often a sentence that says more (extended
// acknowledgement, NLMSGERR_ATTR_MSG). The *-control.ts files of this folder are the kernel's side of `ip` and `bridge`.

/** errno names (errno(3)) with the words that strerror(3) has for them. */
export const NETLINK_WORDS = {
  EPERM: 'Operation not permitted',
  ENOENT: 'No such file or directory',
  ESRCH: 'No such process',
  EACCES: 'Permission denied',
  EBUSY: 'Device or resource busy',
  EEXIST: 'File exists',
  ENODEV: 'No such device',
  EINVAL: 'Invalid argument',
  ENOMEM: 'Cannot allocate memory',
  ENFILE: 'Too many open files in system',
  ELOOP: 'Too many levels of symbolic links',
  EXFULL: 'Exchange full',
  EOPNOTSUPP: 'Operation not supported',
  EADDRINUSE: 'Address already in use',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  ENETDOWN: 'Network is down',
  ENETUNREACH: 'Network is unreachable',
  EHOSTUNREACH: 'No route to host',
  ERANGE: 'Numerical result out of range',
  ENOBUFS: 'No buffer space available',
} as const;
export type NetlinkErrno = keyof typeof NETLINK_WORDS;

/** A refusal. */
export interface NetlinkError {
  readonly errno: NetlinkErrno;
  /** The kernel's sentence, without full stop; null when the errno is all it says. */
  readonly message: string | null;
}

export function refuse(errno: NetlinkErrno, message: string | null = null): NetlinkError {
  return { errno, message };
}

/** As iproute2 prints it, without line end. */
export function netlinkErrorText(error: NetlinkError): string {
  if (error.message !== null) return `Error: ${error.message}.`;
  return `RTNETLINK answers: ${NETLINK_WORDS[error.errno]}`;
}
