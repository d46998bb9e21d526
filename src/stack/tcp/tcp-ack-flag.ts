// What an ACK was found to be (FLAG_* of net/ipv4/tcp_input.c): bits that the functions behind tcpAck() pass to each other.

export const TcpAckFlag = {
  /** the segment carries data */
  DATA: 0x01,
  /** it updates the window */
  WIN_UPDATE: 0x02,
  /** it acknowledges new data */
  DATA_ACKED: 0x04,
  /** some of which was sent more than once */
  RETRANS_DATA_ACKED: 0x08,
  /** it acknowledges a SYN */
  SYN_ACKED: 0x10,
  /** it SACKs new data */
  DATA_SACKED: 0x20,
  /** it echoes congestion */
  ECE: 0x40,
  /** a retransmission was itself found lost */
  LOST_RETRANS: 0x80,
  /** it came on the slow path */
  SLOWPATH: 0x100,
  /** it (S)ACKs data that was never sent twice and lay beyond what F-RTO watches */
  ORIG_SACK_ACKED: 0x200,
  /** sndUna moved */
  SND_UNA_ADVANCED: 0x400,
  /** it carries a DSACK */
  DSACKING_ACK: 0x800,
  /** the retransmission timer is to be set anew */
  SET_XMIT_TIMER: 0x1000,
  /** SACKed data turned out to be missing */
  SACK_RENEGING: 0x2000,
  /** tsRecent is to be updated */
  UPDATE_TS_RECENT: 0x4000,
  /** no challenge ACK in answer */
  NO_CHALLENGE_ACK: 0x8000,
  /** the peer may have delayed it */
  ACK_MAYBE_DELAYED: 0x10000,
  /** it carries a DSACK for a tail-loss probe */
  DSACK_TLP: 0x20000,
  /** DATA_ACKED | SYN_ACKED */
  ACKED: 0x14,
  /** DATA | WIN_UPDATE | ACKED: not a duplicate */
  NOT_DUP: 0x17,
  /** ACKED | DATA_SACKED */
  FORWARD_PROGRESS: 0x34,
  /** DATA_SACKED | ECE | DSACKING_ACK: something is out of order */
  CA_ALERT: 0x860,
} as const;
