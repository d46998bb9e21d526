// telnet: connects and copies, without the protocol's own options; a way to see whether a port answers.

import { formatIpv4 } from '../../addr/ipv4.ts';
import { NetcatTcp } from '../../apps/netcat-tcp.ts';
import { serviceName, servicePort } from '../../netfilter/xtables/protocol-names.ts';
import { ERRNO_TEXT } from '../../stack/errno.ts';
import { IpProtocol } from '../../wire/ipv4.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import { lookupHost } from './lookup-host.ts';
import { runProgram } from './run-program.ts';

const TELNET_PORT = 23;
const PORT_MAX = 65_535;

async function run(args: readonly string[], ctx: ShellContext): Promise<number> {
  const words = args.filter((word) => !/^-[4E]$/.test(word));
  const [host, portText] = words;
  if (host === undefined || host.startsWith('-') || words.length > 2) {
    ctx.err('Usage: telnet [-4] [-E] host-name [port]\n');
    return 1;
  }
  const port = /^\d+$/.test(portText ?? '23')
    ? Number(portText ?? TELNET_PORT)
    : servicePort(portText!, IpProtocol.TCP);
  if (port === null || port < 1 || port > PORT_MAX) {
    ctx.err(`telnet: could not resolve ${host}/${portText}: Servname not supported for ai_socktype\n`);
    return 1;
  }
  const found = await lookupHost(ctx, host, 'unspec');
  if ('error' in found) {
    const service = serviceName(port, IpProtocol.TCP) ?? String(port);
    ctx.err(`telnet: could not resolve ${host}/${service}: Name or service not known\n`);
    return 1;
  }
  const address = found.addresses[0]!;
  ctx.out(`Trying ${formatIpv4(address)}...\n`);
  return runProgram(
    ctx,
    new NetcatTcp(ctx, {
      listen: false,
      keepListening: false,
      scan: false,
      verbose: true,
      address,
      name: host,
      ports: [port],
      source: 0,
      sourcePort: 0,
      idle: 0,
      shutdown: false,
      quit: 0,
      input: new TextEncoder().encode(ctx.stdin),
      service: () => '*',
      texts: {
        connected: () => ctx.out(`Connected to ${host}.\nEscape character is '^]'.\n`),
        failed: (why) =>
          ctx.err(
            `telnet: Unable to connect to remote host: ${why === 'timeout' ? ERRNO_TEXT.ETIMEDOUT : ERRNO_TEXT[why]}\n`,
          ),
        ended: () => ctx.err('Connection closed by foreign host.\n'),
      },
    }),
  );
}

export const commands: readonly ShellCommand[] = [{ name: 'telnet', summary: 'connects to a TCP port', run }];
