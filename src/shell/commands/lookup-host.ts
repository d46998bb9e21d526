// A name to addresses before a command does anything else: waits in the command's process.

import type { Ipv4 } from '../../addr/ipv4.ts';
import { type AddressFamily, type GaiError, resolveHost } from '../../apps/resolve.ts';
import type { ShellContext } from '../command.ts';

/** @returns one address or more, or getaddrinfo's error */
export function lookupHost(
  ctx: ShellContext,
  name: string,
  family: AddressFamily,
): Promise<{ readonly addresses: readonly Ipv4[] } | { readonly error: GaiError }> {
  return ctx.process.wait((resume) => {
    const cancel = resolveHost(ctx, name, family, resume);
    return () => cancel();
  });
}
