// Mistakes of old kernels that a machine can be given again, so that a scenario can play them. A kernel without any is what
// podwire emulates otherwise.

export const KERNEL_BUGS = ['nat-zero-udp-checksum', 'conntrack-clash'] as const;
/**
 * nat-zero-udp-checksum: NAT "corrects" a UDP checksum of zero, which says that there is none, when the packet's inner
 * checksum is left to the device (net/netfilter/nf_nat_proto.c udp_manip_pkt before 5.7). A VXLAN packet that is
 * masqueraded then carries a wrong checksum, and the other end drops it (kubernetes#88986). Turning
 * tx-checksum-ip-generic off on the VXLAN device avoids it: then nothing is left to a device.
 *
 * conntrack-clash: of two packets of one UDP flow that race to confirm it, the later one is dropped (net/netfilter/
 * nf_conntrack_core.c nf_ct_resolve_clash before 5.7 when NAT had chosen differently for them, and always before 4.9;
 * kubernetes#56903).
 */
export type KernelBug = (typeof KERNEL_BUGS)[number];
