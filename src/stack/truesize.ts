// skb->truesize (include/linux/skbuff.h SKB_TRUESIZE, on 64 bits): what a packet counts for where the kernel limits
// memory, not packets: neighbour queues, reassembly, receive buffers. The data lies in a power-of-two slab together with
// 320 bytes of struct skb_shared_info; struct sk_buff adds 256.

const SHARED_INFO = 320;
const SK_BUFF = 256;
const SMALLEST_SLAB = 512;

/** @param length bytes of the packet, headers that are in the buffer with it included */
export function truesize(length: number): number {
  let slab = SMALLEST_SLAB;
  while (slab < length + SHARED_INFO) slab *= 2;
  return slab + SK_BUFF;
}
