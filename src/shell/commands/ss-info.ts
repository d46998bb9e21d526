// What ss -i, -o and -m print of a TCP socket (iproute2 misc/ss.c tcp_stats_print, tcp_timer_print, print_skmeminfo).

import type { TcpInfo } from '../../stack/tcp/tcp-info.ts';

/** tcpi_snd_ssthresh from here on is "no threshold" to ss */
const SSTHRESH_NONE = 0xffff;
/** what an unset tcpi_min_rtt is */
const MIN_RTT_NONE = 0xffffffff;
/** tcpi_rto of a socket without an estimate, microseconds */
const RTO_NONE = 3_000_000;
const REORDERING = 3;
/** sk_max_pacing_rate that nobody set */
const PACING_UNLIMITED = 0xffffffff;

/** A number as printf("%g") prints it: six significant digits, no zeros at the end. */
export function general(value: number): string {
  if (value === 0) return '0';
  const exponent = Math.floor(Math.log10(Math.abs(value)));
  if (exponent < -4 || exponent >= 6) {
    const [digits, power] = value.toExponential(5).split('e') as [string, string];
    const short = digits.replace(/\.?0+$/, '');
    return `${short}e${power.startsWith('-') ? '-' : '+'}${power.replace(/^[+-]/, '').padStart(2, '0')}`;
  }
  const text = value.toPrecision(6);
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

/** Of a listener only what the kernel fills in for one. */
export function infoText(info: TcpInfo, listening: boolean, extended: boolean): string {
  const parts: string[] = [];
  const add = (condition: boolean, text: string): void => {
    if (condition) parts.push(text);
  };
  const count = (name: string, value: number): void => add(value !== 0, `${name}:${value}`);
  if (extended) {
    add(info.timestamps && !listening, 'ts');
    add(info.sack && !listening, 'sack');
    add(info.ecn, 'ecn');
    add(info.ecnSeen, 'ecnseen');
  }
  add(info.congestion !== '', info.congestion);
  if (listening) {
    parts.push('cwnd:10');
    count('unacked', info.unacked);
    return ` ${parts.join(' ')}`;
  }
  add(info.wscale, `wscale:${info.sndWscale},${info.rcvWscale}`);
  add(info.rto !== 0 && info.rto !== RTO_NONE, `rto:${general(info.rto / 1000)}`);
  count('backoff', info.backoff);
  add(info.rtt !== 0, `rtt:${general(info.rtt / 1000)}/${general(info.rttvar / 1000)}`);
  add(info.ato !== 0, `ato:${general(info.ato / 1000)}`);
  count('mss', info.sndMss);
  count('pmtu', info.pmtu);
  count('rcvmss', info.rcvMss);
  count('advmss', info.advmss);
  count('cwnd', info.sndCwnd);
  add(info.sndSsthresh < SSTHRESH_NONE, `ssthresh:${info.sndSsthresh}`);
  count('bytes_sent', info.bytesSent);
  count('bytes_retrans', info.bytesRetrans);
  count('bytes_acked', info.bytesAcked);
  count('bytes_received', info.bytesReceived);
  count('segs_out', info.segsOut);
  count('segs_in', info.segsIn);
  count('data_segs_out', info.dataSegsOut);
  count('data_segs_in', info.dataSegsIn);
  const send = info.rtt === 0 ? 0 : (info.sndMss * 8 * info.sndCwnd * 1e6) / info.rtt;
  add(send > 0, `send ${send.toFixed(0)}bps`);
  count('lastsnd', info.lastDataSent);
  count('lastrcv', info.lastDataRecv);
  count('lastack', info.lastAckRecv);
  if (info.pacingRate > 0) {
    const limited = info.maxPacingRate > 0 && info.maxPacingRate < PACING_UNLIMITED;
    parts.push(
      `pacing_rate ${(info.pacingRate * 8).toFixed(0)}bps${limited ? `/${(info.maxPacingRate * 8).toFixed(0)}bps` : ''}`,
    );
  }
  add(info.deliveryRate > 0, `delivery_rate ${(info.deliveryRate * 8).toFixed(0)}bps`);
  count('delivered', info.delivered);
  count('delivered_ce', info.deliveredCe);
  add(info.deliveryRateAppLimited, 'app_limited');
  count('unacked', info.unacked);
  add(info.retrans !== 0 || info.totalRetrans !== 0, `retrans:${info.retrans}/${info.totalRetrans}`);
  count('lost', info.lost);
  count('sacked', info.sacked);
  count('dsack_dups', info.dsackDups);
  add(info.reordering !== REORDERING, `reordering:${info.reordering}`);
  count('reord_seen', info.reordSeen);
  add(info.rcvRtt !== 0, `rcv_rtt:${general(info.rcvRtt / 1000)}`);
  count('rcv_space', info.rcvSpace);
  count('rcv_ssthresh', info.rcvSsthresh);
  count('notsent', info.notsentBytes);
  add(info.minRtt !== 0 && info.minRtt < MIN_RTT_NONE, `minrtt:${general(info.minRtt / 1000)}`);
  count('rcv_ooopack', info.rcvOoopack);
  count('snd_wnd', info.sndWnd);
  return ` ${parts.join(' ')}`;
}

/** print_ms_timer() */
function duration(ms: number): string {
  let rest = ms % 1000;
  let s = Math.floor(ms / 1000);
  const minutes = Math.floor(s / 60);
  s %= 60;
  let text = '';
  if (minutes > 0) {
    rest = 0;
    text += `${minutes}min`;
    if (minutes > 9) s = 0;
  }
  if (s > 0) {
    if (s > 9) rest = 0;
    text += `${s}${rest > 0 ? '.' : 'sec'}`;
  }
  if (rest > 0) text += `${String(rest).padStart(3, '0')}ms`;
  return text;
}

/** ` timer:(on,552ms,3)` */
export function timerText(name: string, ms: number, retransmits: number): string {
  return ` timer:(${name},${duration(ms)},${retransmits})`;
}

/** `skmem:(...)` */
export function memoryText(m: {
  readonly received: number;
  readonly receiveBuffer: number;
  readonly sendBuffer: number;
  readonly queued: number;
}): string {
  return ` skmem:(r${m.received},rb${m.receiveBuffer},t0,tb${m.sendBuffer},f0,w${m.queued},o0,bl0,d0)`;
}
