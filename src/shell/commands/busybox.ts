// busybox: its own nslookup and wget, and any other applet that the machine has as a command.

import type { ShellCommand, ShellContext } from '../command.ts';
import { busyboxNslookup } from './nslookup.ts';
import { busyboxWget } from './wget.ts';

async function busybox(args: readonly string[], ctx: ShellContext): Promise<number> {
  const [applet, ...rest] = args;
  if (applet === undefined) {
    ctx.out('BusyBox v1.35.0 (Debian 1:1.35.0-4+deb12u1) multi-call binary.\n');
    return 0;
  }
  if (applet === 'nslookup') return busyboxNslookup(rest, ctx);
  if (applet === 'wget') return busyboxWget(rest, ctx);
  return ctx.runIn(ctx.netns, args);
}

export const commands: readonly ShellCommand[] = [
  { name: 'busybox', summary: 'busybox nslookup and wget, and other applets by their commands', run: busybox },
];
