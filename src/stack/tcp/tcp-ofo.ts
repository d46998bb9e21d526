// Out-of-order data of a connection (tp->out_of_order_queue): ranges of sequence space beyond rcvNxt whose bytes already lie
// in the receive ring. Sorted, disjoint; ranges that touch are one. The receive buffer bounds how many there are, as each
// costs at least the truesize of a segment.

export interface OfoRange {
  seq: number;
  endSeq: number;
  /** bytes of receive buffer that it takes (skb->truesize) */
  truesize: number;
  /** a FIN is its last sequence number */
  fin: boolean;
}
