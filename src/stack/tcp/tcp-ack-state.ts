// What is gathered while one ACK is handled (struct tcp_sacktag_state). One object serves all connections: an ACK is
// handled to its end before the next one begins, as every way between hosts passes the event queue.

import { RateSample } from './tcp-rate.ts';

export class AckState {
  /** TcpAckFlag bits */
  flag = 0;
  /** lowest sequence number that turned out to be reordered */
  reord = 0;
  /** when the first and the last of the segments newly SACKed, each sent once, had left, microseconds; -1: none */
  firstSackt = -1;
  lastSackt = -1;
  /** segments that the ACK SACKs or reports as duplicates */
  sackDelivered = 0;
  readonly rate = new RateSample();

  reset(flag: number): void {
    this.flag = flag;
    this.reord = 0;
    this.firstSackt = -1;
    this.lastSackt = -1;
    this.sackDelivered = 0;
    this.rate.reset();
  }
}
