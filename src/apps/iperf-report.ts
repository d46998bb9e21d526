// The account of an iperf3 test on one side: intervals as they pass, the summary at the end, as text or as JSON.

import { NS_PER_S, type Ns } from '../sim/sim.ts';
import type { IperfData } from './iperf-data.ts';
import type { IperfResults } from './iperf-protocol.ts';
import {
  INTERVAL_HEAD,
  type IperfFormat,
  type IperfSpan,
  RECEIVER_HEAD,
  SENDER_HEAD,
  SEPARATOR,
  spanLine,
} from './iperf-text.ts';

/** Under a tenth of an interval, what is left at the end is not told by itself. */
const LEAST_SHARE = 0.1;

export interface IperfReportOptions {
  readonly streams: readonly IperfData[];
  /** this side sends */
  readonly sender: boolean;
  readonly client: boolean;
  readonly format: IperfFormat;
  readonly interval: Ns;
  readonly began: Ns;
  /** null: JSON is wanted */
  readonly print: ((text: string) => void) | null;
}

export class IperfReport {
  readonly #o: IperfReportOptions;
  readonly #intervals: IperfSpan[][] = [];
  #last: Ns;
  /** intervals and end of `iperf3 -J`, once there is a summary */
  json: unknown = null;

  constructor(options: IperfReportOptions) {
    this.#o = options;
    this.#last = options.began;
    options.print?.(options.sender ? INTERVAL_HEAD : RECEIVER_HEAD);
  }

  /** The interval that ends now. */
  interval(now: Ns): void {
    const { streams, sender, began, format, print } = this.#o;
    const start = (this.#last - began) / NS_PER_S;
    const end = (now - began) / NS_PER_S;
    const spans = streams.map((s): IperfSpan => {
      const retransmits = sender ? s.retransmits - s.retransmitsTold : null;
      const span = { id: s.id, start, end, bytes: s.bytes - s.bytesTold, retransmits, cwnd: sender ? s.cwnd : null };
      s.bytesTold = s.bytes;
      s.retransmitsTold = sender ? s.retransmits : 0;
      return span;
    });
    if (streams.length > 1) {
      if (this.#intervals.length > 0) print?.(SEPARATOR);
      spans.push(sum(spans));
    }
    this.#intervals.push(spans);
    this.#last = now;
    for (const span of spans) print?.(spanLine(span, format, ''));
  }

  /** What is left behind the last interval. */
  rest(now: Ns): void {
    const left = now - this.#last;
    if (this.#intervals.length === 0 || left >= LEAST_SHARE * this.#o.interval) this.interval(now);
    else if (!this.#o.client && this.#o.streams.some((s) => s.bytes > s.bytesTold)) this.interval(now);
  }

  /** @param other what the other side counted; null: this is the server, which tells of itself only */
  summary(end: Ns, other: IperfResults | null): void {
    const { streams, sender, client, format, began, print } = this.#o;
    const seconds = (end - began) / NS_PER_S;
    const own: IperfSpan[] = streams.map((s) => ({
      id: s.id,
      start: 0,
      end: seconds,
      bytes: s.bytes,
      retransmits: sender ? s.retransmits : null,
      cwnd: null,
    }));
    const theirs: IperfSpan[] = streams.map((s, i) => {
      const result = other?.streams[i];
      return {
        id: s.id,
        start: 0,
        end: result?.endTime ?? seconds,
        bytes: result?.bytes ?? 0,
        retransmits: sender ? null : Math.max(0, result?.retransmits ?? 0),
        cwnd: null,
      };
    });
    const [sent, received] = sender ? [own, theirs] : [theirs, own];
    if (print === null) {
      this.#json(sent, received);
      return;
    }
    print(SEPARATOR + (client || sender ? SENDER_HEAD : RECEIVER_HEAD));
    const both = (i: number): void => {
      if (client || sender) print(spanLine(sent[i]!, format, 'sender'));
      if (client || !sender) print(spanLine(received[i]!, format, 'receiver'));
    };
    for (let i = 0; i < streams.length; i++) both(i);
    if (streams.length > 1) {
      sent.push(sum(sent));
      received.push(sum(received));
      both(streams.length);
    }
  }

  #json(sent: readonly IperfSpan[], received: readonly IperfSpan[]): void {
    const { sender } = this.#o;
    const object = (s: IperfSpan): Record<string, unknown> => {
      const seconds = s.end - s.start;
      return {
        ...(s.id === null ? {} : { socket: s.id }),
        start: s.start,
        end: s.end,
        seconds,
        bytes: s.bytes,
        bits_per_second: seconds > 0 ? (s.bytes * 8) / seconds : 0,
        ...(s.retransmits === null ? {} : { retransmits: s.retransmits }),
        ...(s.cwnd === null ? {} : { snd_cwnd: s.cwnd }),
        sender,
      };
    };
    this.json = {
      intervals: this.#intervals.map((spans) => {
        const streams = spans.filter((s) => s.id !== null);
        return { streams: streams.map(object), sum: object(sum(streams)) };
      }),
      end: {
        streams: sent.map((s, i) => ({ sender: object(s), receiver: object(received[i]!) })),
        sum_sent: object(sum(sent)),
        sum_received: object(sum(received)),
      },
    };
  }
}

function sum(spans: readonly IperfSpan[]): IperfSpan {
  const total = (of: (span: IperfSpan) => number): number => spans.reduce((n, span) => n + of(span), 0);
  const [first] = spans;
  const counted = first !== undefined && first.retransmits !== null;
  return {
    id: null,
    start: first?.start ?? 0,
    end: Math.max(0, ...spans.map((s) => s.end)),
    bytes: total((s) => s.bytes),
    retransmits: counted ? total((s) => s.retransmits ?? 0) : null,
    cwnd: null,
  };
}
