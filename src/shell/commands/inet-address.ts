// Host operands of commands: an address as inet_aton(3) reads it, for commands that take no names.

export { parseInetAton as parseInetAddress } from '../../apps/inet-aton.ts';

/** What getaddrinfo(3) says when no name server can be asked. */
export const NO_RESOLVER = 'Temporary failure in name resolution';
