// Proves what packetdrill's own scripts ask of a TCP: each is played against ours and passes, or is known not to, and why.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { framesInUse } from '../../src/link/frame.ts';
import { scriptsIn, Table } from './table.ts';

// The scripts' times assume a kernel built with CONFIG_HZ=1000, as tools/testing/selftests/net/packetdrill/config has it.
vi.mock('../../src/sim/config-hz.ts', () => ({ HZ: 1000 }));

const CORPUS = join(import.meta.dirname, '../../../shared/corpora/packetdrill');

/** Scripts that pass. */
const PASSING: readonly string[] = [
  'blocking__blocking-accept',
  'blocking__blocking-write',
  'close__close-on-syn-sent',
  'close__close-remote-fin-then-close',
  'cwnd_moderation__cwnd-moderation-disorder-no-moderation',
  'eor__no-coalesce-large',
  'eor__no-coalesce-retrans',
  'fast_recovery__prr-ss-ack-below-snd_una-cubic',
  'fast_retransmit__fr-4pkt-fack-last-byte',
  'gvisor-accept_ack_drop',
  'gvisor-fin_wait2_timeout',
  'gvisor-reset_for_ack_when_no_syn_cookies_in_use',
  'gvisor-tcp_defer_accept',
  'limited_transmit__limited-transmit-no-sack',
  'limited_transmit__limited-transmit-sack',
  'mss__mss-getsockopt-tcp_maxseg-server',
  'mss__mss-setsockopt-tcp_maxseg-server',
  'nagle__sendmsg_msg_more',
  'nagle__sockopt_cork_nodelay',
  'notsent_lowat__notsent-lowat-sysctl',
  'sack__sack-route-refresh-ip-tos',
  'shutdown__shutdown-rd-wr-close',
  'shutdown__shutdown-rdwr-close',
  'shutdown__shutdown-rdwr-send-queue-ack-close',
  'slow_start__slow-start-ack-per-2pkt',
  'slow_start__slow-start-ack-per-2pkt-send-6pkt',
  'slow_start__slow-start-after-win-update',
  'slow_start__slow-start-app-limited',
  'slow_start__slow-start-app-limited-9-packets-out',
  'syscall_bad_arg__sendmsg-empty-iov',
  'tcp_info__tcp-info-rwnd-limited',
  'ts_recent__fin_tsval',
  'ts_recent__reset_tsval',
  'validate__validate-established-no-flags',
];

/**
 * Scripts that do not pass, and words of what is said. Where one fails, Linux 6.18 does what ours
 * does: the named recording in scripts/ shows it.
 */
const EXCEPTIONS: Readonly<Record<string, readonly [verdict: 'failed' | 'not applicable', why: string]>> = {
  // PRR gives one segment more to an ACK that advances and brings no loss: cwr-prr.pkt.
  'cwnd_moderation__cwnd-moderation-ecn-enter-cwr-no-moderation-700': [
    'failed',
    'tcpi_snd_cwnd == 4 , tcpi_snd_cwnd: 5',
  ],
  // Records grow into their successors before they leave (tcp_grow_skb): super-segment-grow.pkt.
  epoll__epoll_out_edge_notsent_lowat: ['failed', 'line 40: other flags: > . 25001:26001'],
  // Written for BSD, whose segments of one write do not carry PSH: window-shrink.pkt.
  'net__packetdrill__tests__bsd__fast_retransmit__fr-4pkt-sack-bsd': ['failed', 'other flags: > P. 2001:3001'],
  // A FIN waits for the congestion window: fin-full-window.pkt.
  'shutdown__shutdown-rdwr-write-queue-close': ['failed', 'line 25: left'],
  // An ACK of what was never sent is challenged: ack-validity.pkt.
  ts_recent__invalid_ack: ['failed', 'line 24: another acknowledgement: > . 1:1(0) ack 1'],
  // Metrics of routes beside the MTU, and path MTU probing.
  'mtu_probe__basic-v4': ['not applicable', 'needs `ip route change'],
  'mtu_probe__basic-v6': ['not applicable', 'IPv6'],
  // Queueing disciplines: pacing by fq, and a queue whose drops TCP is told of.
  'slow_start__slow-start-fq-ack-per-2pkt': ['not applicable', 'root fq'],
  'user_timeout__user-timeout-probe': ['not applicable', 'needs `tc qdisc'],
  'syscall_bad_arg__syscall-invalid-buf-ptr': ['not applicable', 'null pointer'],
};

describe.skipIf(!existsSync(CORPUS))('a script of the corpus', () => {
  const table = new Table(CORPUS);
  afterAll(() => table.print('packetdrill'));

  for (const name of existsSync(CORPUS) ? scriptsIn(CORPUS) : ['none here']) {
    const [verdict, why] = EXCEPTIONS[name] ?? [PASSING.includes(name) ? 'passed' : null, ''];
    it(`${name}: ${verdict ?? 'not known here, so whatever the table says'}`, () => {
      const before = framesInUse();
      const outcome = table.play(name);
      if (verdict !== null) expect(outcome).toEqual({ verdict, why: why === '' ? '' : expect.stringContaining(why) });
      expect(framesInUse(), 'frames left over').toBe(before);
    });
  }
});

if (!existsSync(CORPUS)) {
  console.warn('skipped: packetdrill scripts (no ../shared/corpora/packetdrill beside the checkout)');
}
