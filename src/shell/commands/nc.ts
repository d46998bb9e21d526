// nc (OpenBSD netcat): nc HOST PORT, nc -l PORT, both with -u for UDP.

import type { Ipv4 } from '../../addr/ipv4.ts';
import { Netcat } from '../../apps/netcat.ts';
import { NetcatTcp } from '../../apps/netcat-tcp.ts';
import { GAI_TEXT } from '../../apps/resolve.ts';
import { serviceName, servicePort } from '../../netfilter/xtables/protocol-names.ts';
import { NS_PER_S } from '../../sim/sim.ts';
import { IpProtocol } from '../../wire/ipv4.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import { getopt } from './getopt.ts';
import { lookupHost } from './lookup-host.ts';
import { runProgram } from './run-program.ts';

const SPEC = '46ulnvNdkp:w:q:s:zt';
const USAGE = `usage: nc [-46dklnNuvz] [-p source_port] [-q seconds] [-s sourceaddr]
\t  [-w timeout] [destination] [port]
`;
const PORT_MAX = 65_535;

function parsePort(text: string, protocol: 'tcp' | 'udp'): number | null {
  const port = /^\d{1,5}$/.test(text)
    ? Number(text)
    : (servicePort(text, protocol === 'tcp' ? IpProtocol.TCP : IpProtocol.UDP) ?? 0);
  return port >= 1 && port <= PORT_MAX ? port : null;
}

/** `80`, `http` or `20-25` */
function parsePorts(text: string, protocol: 'tcp' | 'udp'): number[] | null {
  const range = /^(\d{1,5})-(\d{1,5})$/.exec(text);
  if (range === null) {
    const port = parsePort(text, protocol);
    return port === null ? null : [port];
  }
  const [low, high] = [Number(range[1]), Number(range[2])].sort((a, b) => a - b) as [number, number];
  if (low < 1 || high > PORT_MAX) return null;
  return Array.from({ length: high - low + 1 }, (_, i) => low + i);
}

async function run(args: readonly string[], ctx: ShellContext): Promise<number> {
  const parsed = getopt(args, SPEC);
  const fail = (message: string): number => {
    ctx.err(`nc: ${message}\n`);
    return 1;
  };
  if (parsed.error !== null) {
    ctx.err(`nc: ${parsed.error}\n${USAGE}`);
    return 1;
  }
  const given = new Map(parsed.options.map(([letter, value]) => [letter, value] as const));
  const protocol = given.has('u') ? 'udp' : 'tcp';
  if (given.has('6')) return fail("podwire's nc has no -6");
  if (protocol === 'udp')
    for (const letter of ['z', 'k']) if (given.has(letter)) return fail(`podwire's nc -u has no -${letter}`);
  const listen = given.has('l');
  const words = [...parsed.operands];
  // `nc -l -p PORT` is the older way to say `nc -l PORT`.
  if (listen && given.has('p') && words.length === 0) words.push(given.get('p')!);
  const portText = words.pop();
  const name = words.pop();
  if (portText === undefined || (!listen && name === undefined) || words.length > 0) {
    ctx.err(USAGE);
    return 1;
  }
  const ports = parsePorts(portText, protocol);
  if (ports === null) return fail(`port number invalid: ${portText}`);
  const seconds = (letter: string, otherwise: string): number | null => {
    const text = given.get(letter) ?? otherwise;
    return /^-?\d{1,7}$/.test(text) ? Number(text) : null;
  };
  const wait = seconds('w', '0');
  if (wait === null || wait < 0) return fail(`timeout invalid: ${given.get('w')}`);
  const quit = seconds('q', '-1');
  if (quit === null) return fail(`quit timer invalid: ${given.get('q')}`);
  const sourcePort = !listen && given.has('p') ? parsePort(given.get('p')!, protocol) : 0;
  if (sourcePort === null) return fail(`port number invalid: ${given.get('p')}`);
  const addresses: Ipv4[] = [];
  for (const host of [name, given.get('s')]) {
    const found = host === undefined ? { addresses: [0] } : await lookupHost(ctx, host, 'inet');
    if ('error' in found) {
      return fail(`getaddrinfo for host "${host}" port ${portText}: ${GAI_TEXT[found.error]}`);
    }
    addresses.push(found.addresses[0]!);
  }
  const [address, source] = addresses as [Ipv4, Ipv4];
  const idle = wait * NS_PER_S;
  // -d: standard input is not read.
  const input = given.has('d') ? new Uint8Array(0) : new TextEncoder().encode(ctx.stdin);
  if (protocol === 'udp') {
    return runProgram(ctx, new Netcat(ctx, { listen, address, port: ports[0]!, source, sourcePort, idle, input }));
  }
  return runProgram(
    ctx,
    new NetcatTcp(ctx, {
      listen,
      keepListening: given.has('k'),
      scan: given.has('z'),
      verbose: given.has('v'),
      address,
      name: name ?? '',
      ports,
      source,
      sourcePort,
      idle,
      shutdown: given.has('N'),
      quit: quit < 0 ? null : quit * NS_PER_S,
      input,
      service: (port) => serviceName(port, IpProtocol.TCP) ?? '*',
    }),
  );
}

const summary = 'connects or listens, TCP or UDP (-u)';

export const commands: readonly ShellCommand[] = [
  { name: 'nc', summary, run },
  { name: 'netcat', summary, run },
];
