// Mistakes of old kernels that a machine can be given again, so that a scenario can play them. A kernel without any is what
// podwire emulates otherwise.

export const KERNEL_BUGS = ['nat-tunnel-udp-checksum', 'conntrack-clash', 'conntrack-delayed'] as const;
/**
 * nat-tunnel-udp-checksum: when the checksum of the packet inside a tunnel is still to be finished by the device
 * (CHECKSUM_PARTIAL), NAT takes the outer UDP checksum for the unfinished one and does not correct it for a new port
 * (net/core/utils.c inet_proto_csum_replace4 asks only for ip_summed). A VXLAN packet that is masqueraded then carries a wrong
 * checksum, and the other end drops it (kubernetes#88986). Turning tx-checksum-ip-generic off on the VXLAN device avoids it:
 * then nothing is left to a device.
 *
 * conntrack-clash: of two packets of one UDP flow that race to confirm it, the later one is dropped (net/netfilter/
 * nf_conntrack_core.c nf_ct_resolve_clash before 5.7 when NAT had chosen differently for them, and always before 4.9;
 * kubernetes#56903).
 *
 * conntrack-delayed: a TCP segment that comes so late that its data or its acknowledgement lies below the window is INVALID
 * and is not translated (net/netfilter/nf_conntrack_proto_tcp.c tcp_in_window before 6.1; kubernetes#74839).
 */
export type KernelBug = (typeof KERNEL_BUGS)[number];
