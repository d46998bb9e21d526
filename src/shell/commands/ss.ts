// ss (iproute2 6.1): the TCP and UDP sockets of the namespace.

import { formatIpv4 } from '../../addr/ipv4.ts';
import { ownerOf } from '../../apps/socket-owner.ts';
import { serviceName } from '../../netfilter/xtables/protocol-names.ts';
import { NS_PER_MS } from '../../sim/sim.ts';
import { tcpInfo } from '../../stack/tcp/tcp-info.ts';
import { IcskTime, type TcpSock, TcpState } from '../../stack/tcp/tcp-sock.ts';
import type { TcpEndpoint } from '../../stack/tcp/tcp-table.ts';
import type { UdpSocket } from '../../stack/udp-socket.ts';
import { IpProtocol } from '../../wire/ipv4.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import { getopt } from './getopt.ts';
import {
  ALL_STATES,
  CONNECTED_STATES,
  LISTENING_STATES,
  parseSsFilter,
  type SsEndpoints,
  type SsState,
} from './ss-filter.ts';
import { infoText, memoryText, timerText } from './ss-info.ts';
import { type SsRow, ssTable } from './ss-layout.ts';

const SPEC = 'antulopeimHO46swxr';
const USAGE = `Usage: ss [ OPTIONS ]
       ss [ OPTIONS ] [ FILTER ]
   -n, --numeric       don't resolve service names
   -a, --all           display all sockets
   -l, --listening     display listening sockets
   -o, --options       show timer information
   -e, --extended      show detailed socket information
   -m, --memory        show socket memory usage
   -p, --processes     show process using socket
   -i, --info          show internal TCP information
   -t, --tcp           display only TCP sockets
   -u, --udp           display only UDP sockets
   -H, --no-header     Suppress header line
   -O, --oneline       socket's data printed on a single line
`;
/** "%-6d" */
const QUEUE_WIDTH = 6;
const LONG: Readonly<Record<string, string>> = {
  '--numeric': '-n',
  '--all': '-a',
  '--listening': '-l',
  '--options': '-o',
  '--extended': '-e',
  '--memory': '-m',
  '--processes': '-p',
  '--info': '-i',
  '--tcp': '-t',
  '--udp': '-u',
  '--no-header': '-H',
  '--oneline': '-O',
  '--ipv4': '-4',
  '--ipv6': '-6',
  '--summary': '-s',
};

const STATE_NAMES: Readonly<Record<number, SsState>> = {
  [TcpState.ESTABLISHED]: 'ESTAB',
  [TcpState.SYN_SENT]: 'SYN-SENT',
  [TcpState.SYN_RECV]: 'SYN-RECV',
  [TcpState.FIN_WAIT1]: 'FIN-WAIT-1',
  [TcpState.FIN_WAIT2]: 'FIN-WAIT-2',
  [TcpState.TIME_WAIT]: 'TIME-WAIT',
  [TcpState.CLOSE]: 'UNCONN',
  [TcpState.CLOSE_WAIT]: 'CLOSE-WAIT',
  [TcpState.LAST_ACK]: 'LAST-ACK',
  [TcpState.LISTEN]: 'LISTEN',
  [TcpState.CLOSING]: 'CLOSING',
};

/** A socket as ss has it before it is laid out. */
interface Listed extends SsEndpoints {
  readonly netid: 'tcp' | 'udp';
  readonly state: SsState;
  readonly recvQ: number;
  readonly sendQ: number;
  /** behind the addresses; the part for -i and -m begins a line of its own */
  readonly rest: string;
}

function tcpListed(endpoint: TcpEndpoint, flags: ReadonlySet<string>): Listed {
  const { localAddress: local, localPort, remoteAddress: remote, remotePort } = endpoint;
  const base = { netid: 'tcp' as const, local, localPort, remote, remotePort };
  const newline = flags.has('i') || flags.has('m') ? (flags.has('O') ? ' ' : '\n\t') : '';
  if (!('sndUna' in endpoint)) {
    const waiting = 'substate' in endpoint;
    const state = waiting ? STATE_NAMES[endpoint.substate]! : 'SYN-RECV';
    const timer = endpoint.timer;
    const left =
      timer === null
        ? 0
        : remaining(
            endpoint.timer!.expires,
            waiting ? endpoint.netns.world.sim.now : endpoint.listener.netns.world.sim.now,
          );
    const shown = flags.has('o') || flags.has('e') ? timerText(waiting ? 'timewait' : 'on', left, 0) : '';
    return { ...base, state, recvQ: 0, sendQ: 0, rest: shown + newline };
  }
  const info = tcpInfo(endpoint);
  const listening = endpoint.state === TcpState.LISTEN;
  let rest = '';
  if (flags.has('p')) rest += usersText(endpoint.socket);
  if (flags.has('o') || flags.has('e')) rest += timerOf(endpoint);
  if (newline !== '') {
    rest += newline;
    if (flags.has('m')) {
      rest += memoryText({
        received: info.rmemAlloc,
        receiveBuffer: info.receiveBuffer,
        sendBuffer: info.sendBuffer,
        queued: info.wmemQueued,
      });
    }
    if (flags.has('i')) rest += infoText(info, listening, flags.has('o') || flags.has('e'));
    if (flags.has('O')) rest = rest.replace('  ', ' ');
  }
  const state = STATE_NAMES[endpoint.state]!;
  return { ...base, state, recvQ: info.receiveQueue, sendQ: info.sendQueue, rest };
}

function udpListed(socket: UdpSocket, flags: ReadonlySet<string>): Listed {
  return {
    netid: 'udp',
    state: socket.remotePort === 0 ? 'UNCONN' : 'ESTAB',
    recvQ: 0,
    sendQ: 0,
    local: socket.localAddress,
    localPort: socket.localPort,
    remote: socket.remoteAddress,
    remotePort: socket.remotePort,
    rest: flags.has('p') ? usersText(socket) : '',
  };
}

function usersText(socket: object | null): string {
  const owner = socket === null ? null : ownerOf(socket);
  return owner === null ? '' : ` users:(("${owner.name}",pid=${owner.pid},fd=${owner.fd}))`;
}

function remaining(expires: number, now: number): number {
  return Math.max(0, Math.round((expires - now) / NS_PER_MS));
}

/** inet_csk_diag_fill: which timer is the one that is told */
function timerOf(sk: TcpSock): string {
  const now = sk.netns.world.sim.now;
  if (sk.retransmitTimer.armed && sk.pending !== 0) {
    const left = remaining(sk.retransmitTimer.expires, now);
    if (sk.pending === IcskTime.PROBE0) return timerText('persist', left, sk.probesOut);
    return timerText('on', left, sk.retransmits);
  }
  if (sk.keepaliveTimer.armed) return timerText('keepalive', remaining(sk.keepaliveTimer.expires, now), sk.probesOut);
  return '';
}

function port(number: number, netid: 'tcp' | 'udp', numeric: boolean): string {
  if (number === 0) return '*';
  return (numeric ? null : serviceName(number, netid === 'tcp' ? IpProtocol.TCP : IpProtocol.UDP)) ?? String(number);
}

async function run(args: readonly string[], ctx: ShellContext): Promise<number> {
  const words = args.map((word) => LONG[word] ?? word);
  if (words.includes('-h') || words.includes('--help')) {
    ctx.out(USAGE);
    return 0;
  }
  if (words.includes('-V') || words.includes('--version')) {
    ctx.out('ss utility, iproute2-6.1.0\n');
    return 0;
  }
  const optionCount = words.findIndex((word) => !word.startsWith('-'));
  const cut = optionCount < 0 ? words.length : optionCount;
  const parsed = getopt(words.slice(0, cut), SPEC);
  if (parsed.error !== null) {
    ctx.err(`ss: ${parsed.error}\n${USAGE}`);
    return 255;
  }
  const flags = new Set(parsed.options.map(([letter]) => letter));
  const filter = parseSsFilter(words.slice(cut));
  if (typeof filter === 'string') {
    ctx.err(`ss: ${filter}\n${USAGE}`);
    return 255;
  }
  const { netns } = ctx;
  if (flags.has('s')) {
    summary(ctx);
    return 0;
  }
  const wantsTcp = flags.has('t') || !flags.has('u');
  const wantsUdp = flags.has('u') || !flags.has('t');
  const only = ['w', 'x', '6'].some((letter) => flags.has(letter)) && !flags.has('t') && !flags.has('u');
  // Of -a and -l the later one counts.
  const scope = parsed.options.findLast(([letter]) => letter === 'a' || letter === 'l')?.[0];
  const byOption = scope === 'a' ? ALL_STATES : scope === 'l' ? LISTENING_STATES : CONNECTED_STATES;
  const states = filter.states ?? byOption;
  const listed: Listed[] = [];
  if (wantsUdp && !only) listed.push(...netns.sockets.udpSockets().map((s) => udpListed(s, flags)));
  if (wantsTcp && !only) listed.push(...netns.tcp.sockets().map((s) => tcpListed(s, flags)));
  const numeric = flags.has('n');
  const rows = listed
    .filter((s) => states.includes(s.state) && filter.condition(s))
    .map(
      (s): SsRow => [
        s.netid,
        s.state,
        String(s.recvQ).padEnd(QUEUE_WIDTH),
        String(s.sendQ).padEnd(QUEUE_WIDTH),
        `${formatIpv4(s.local)}:`,
        port(s.localPort, s.netid, numeric),
        `${formatIpv4(s.remote)}:`,
        port(s.remotePort, s.netid, numeric),
        s.rest,
      ],
    );
  ctx.out(
    ssTable(rows, { netid: flags.has('t') === flags.has('u'), state: states.length > 1, header: !flags.has('H') }),
  );
  return 0;
}

/** ss -s */
function summary(ctx: ShellContext): void {
  const sockets = ctx.netns.tcp.sockets();
  const udp = ctx.netns.sockets.udpSockets().length;
  const of = (...states: number[]): number => sockets.filter((s) => 'sndUna' in s && states.includes(s.state)).length;
  const timewait = sockets.filter((s) => 'substate' in s).length;
  const orphaned = sockets.filter((s) => 'sndUna' in s && s.socket === null).length;
  const held = sockets.length - timewait - orphaned;
  const row = (name: string, n: number): string =>
    `${name}\t  ${String(n).padEnd(9)} ${String(n).padEnd(9)} 0        \n`;
  ctx.out(
    `Total: ${held + udp}\nTCP:   ${sockets.length} (estab ${of(TcpState.ESTABLISHED)}, closed ${timewait + orphaned}, orphaned ${orphaned}, timewait ${timewait})\n\nTransport Total     IP        IPv6\n${row('RAW', 0)}${row('UDP', udp)}${row('TCP', held)}${row('INET', held + udp)}${row('FRAG', 0)}\n`,
  );
}

export const commands: readonly ShellCommand[] = [{ name: 'ss', summary: 'lists TCP and UDP sockets', run }];
