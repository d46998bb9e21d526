// The destination of ping, traceroute and their like: an address, or a name that is looked up as getaddrinfo(3) does. The way
// back, from an address to a name, is not asked for: what they print is what they print with -n.

import type { Ipv4 } from '../../addr/ipv4.ts';
import { GAI_TEXT, getAddresses } from '../../apps/resolve.ts';
import type { ShellContext } from '../command.ts';
import { parseInetAddress } from './inet-address.ts';

export type Target =
  | { readonly address: Ipv4 /** what stands for the name in what is printed */; readonly canonical: string }
  | { readonly error: string };

/** @returns the first IPv4 address, or getaddrinfo's error in words */
export async function lookupTarget(ctx: ShellContext, name: string): Promise<Target> {
  const literal = parseInetAddress(name);
  if (literal !== null) return { address: literal, canonical: name };
  return ctx.process.wait<Target>((resume) => {
    const question = { name, family: 'unspec', addressConfigured: false } as const;
    const cancel = getAddresses(ctx, question, (result) => {
      if ('error' in result) {
        resume({ error: GAI_TEXT[result.error] });
        return;
      }
      const address = result.addresses.find((a) => a.ipv4 !== null)?.ipv4 ?? null;
      if (address === null) resume({ error: GAI_TEXT.EAI_ADDRFAMILY });
      else resume({ address, canonical: result.canonical });
    });
    return () => cancel();
  });
}
