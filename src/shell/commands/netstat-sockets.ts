// The tables of sockets that netstat (net-tools 2.10) prints: -t and -u, -l or -a, -n, -p, -e.

import { formatIpv4, type Ipv4 } from '../../addr/ipv4.ts';
import { ownerOf } from '../../apps/socket-owner.ts';
import { serviceName } from '../../netfilter/xtables/protocol-names.ts';
import type { NetNamespace } from '../../stack/netns.ts';
import { tcpInfo } from '../../stack/tcp/tcp-info.ts';
import { TcpState } from '../../stack/tcp/tcp-sock.ts';
import type { TcpEndpoint } from '../../stack/tcp/tcp-table.ts';
import { IpProtocol } from '../../wire/ipv4.ts';

const STATES: Readonly<Record<number, string>> = {
  [TcpState.ESTABLISHED]: 'ESTABLISHED',
  [TcpState.SYN_SENT]: 'SYN_SENT',
  [TcpState.SYN_RECV]: 'SYN_RECV',
  [TcpState.FIN_WAIT1]: 'FIN_WAIT1',
  [TcpState.FIN_WAIT2]: 'FIN_WAIT2',
  [TcpState.TIME_WAIT]: 'TIME_WAIT',
  [TcpState.CLOSE]: 'CLOSE',
  [TcpState.CLOSE_WAIT]: 'CLOSE_WAIT',
  [TcpState.LAST_ACK]: 'LAST_ACK',
  [TcpState.LISTEN]: 'LISTEN',
  [TcpState.CLOSING]: 'CLOSING',
};
const ADDRESS_WIDTH = 23;
const STATE_WIDTH = 11;
const OWNER_WIDTH = 19;

interface Line {
  readonly protocol: 'tcp' | 'udp';
  readonly recvQ: number;
  readonly sendQ: number;
  readonly local: readonly [Ipv4, number];
  readonly remote: readonly [Ipv4, number];
  readonly state: string;
  readonly listening: boolean;
  readonly socket: object | null;
}

function tcpLine(endpoint: TcpEndpoint): Line {
  const { localAddress, localPort, remoteAddress, remotePort } = endpoint;
  const isSock = 'sndUna' in endpoint;
  const state = isSock ? endpoint.state : 'substate' in endpoint ? endpoint.substate : TcpState.SYN_RECV;
  const info = isSock ? tcpInfo(endpoint) : null;
  const listening = state === TcpState.LISTEN;
  return {
    protocol: 'tcp',
    recvQ: info?.receiveQueue ?? 0,
    // /proc/net/tcp has no backlog.
    sendQ: listening ? 0 : (info?.sendQueue ?? 0),
    local: [localAddress, localPort],
    remote: [remoteAddress, remotePort],
    state: STATES[state] ?? 'UNKNOWN',
    listening,
    socket: isSock ? endpoint.socket : null,
  };
}

/** @param letters options, without dashes */
export function socketTable(netns: NetNamespace, letters: string): string {
  const has = (letter: string): boolean => letters.includes(letter);
  const udp = has('u') || !has('t');
  const tcp = has('t') || !has('u');
  const lines: Line[] = tcp ? netns.tcp.sockets().map(tcpLine) : [];
  if (udp) {
    for (const s of netns.sockets.udpSockets()) {
      lines.push({
        protocol: 'udp',
        recvQ: 0,
        sendQ: 0,
        local: [s.localAddress, s.localPort],
        remote: [s.remoteAddress, s.remotePort],
        state: s.remotePort === 0 ? '' : 'ESTABLISHED',
        listening: s.remotePort === 0,
        socket: s,
      });
    }
  }
  const shown = lines.filter((line) => has('a') || line.listening === has('l'));
  const which = has('a') ? 'servers and established' : has('l') ? 'only servers' : 'w/o servers';
  const extended = has('e') ? ' User       Inode     ' : '';
  const owners = has('p') ? ' PID/Program name    ' : '';
  let text = `Active Internet connections (${which})\nProto Recv-Q Send-Q Local Address           Foreign Address         State      ${extended}${owners}\n`;
  for (const line of shown) {
    const where = ([address, port]: readonly [Ipv4, number]): string => {
      const number = line.protocol === 'tcp' ? IpProtocol.TCP : IpProtocol.UDP;
      const name = has('n') || port === 0 ? null : serviceName(port, number);
      return `${formatIpv4(address)}:${port === 0 ? '*' : (name ?? port)}`.padEnd(ADDRESS_WIDTH);
    };
    const owner = line.socket === null ? null : ownerOf(line.socket);
    const held = owner === null ? '-' : `${owner.pid}/${owner.name}`;
    text += `${line.protocol.padEnd(5)}${String(line.recvQ).padStart(7)}${String(line.sendQ).padStart(7)} `;
    text += `${where(line.local)} ${where(line.remote)} ${line.state.padEnd(STATE_WIDTH)}`;
    if (has('e')) text += ` ${'0'.padEnd(10)} ${'0'.padEnd(10)}`;
    if (has('p')) text += ` ${held.padEnd(OWNER_WIDTH)} `;
    text += '\n';
  }
  return text;
}
