// A script run in an emulated machine, for the tests of programs: what it printed, without the figures that only a clock
// can know.

import { type RigOptions, runShell } from '../shell/rig.ts';

/**
 * a (10.9.0.1) - r (10.9.0.2 | 10.9.1.2) - b (10.9.1.1), routed by r; no traffic sent. Plain commands: they build the
 * same network in the emulated machine and, run by root in namespaces of its own, on a real kernel.
 */
export const TOPOLOGY = `
ip netns add a; ip netns add r; ip netns add b
for n in a r b; do
  ip netns exec $n sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
  ip -n $n link set lo up
done
ip -n a link add eth0 type veth peer name r0 netns r
ip -n b link add eth0 type veth peer name r1 netns r
ip -n a link set eth0 address 02:00:00:00:00:0a; ip -n b link set eth0 address 02:00:00:00:00:0b
ip -n r link set r0 address 02:00:00:00:00:10; ip -n r link set r1 address 02:00:00:00:00:11
ip -n a addr add 10.9.0.1/24 dev eth0; ip -n r addr add 10.9.0.2/24 dev r0
ip -n b addr add 10.9.1.1/24 dev eth0; ip -n r addr add 10.9.1.2/24 dev r1
ip -n a link set eth0 up; ip -n r link set r0 up; ip -n r link set r1 up; ip -n b link set eth0 up
ip netns exec r sysctl -qw net.ipv4.ip_forward=1
ip -n a route add default via 10.9.0.2; ip -n b route add default via 10.9.1.2
ip -n r route add unreachable 10.77.0.0/16; ip -n r route add prohibit 10.78.0.0/16; ip -n r route add blackhole 10.79.0.0/16
ip -n a route add unreachable 10.88.0.0/16
`;

/** Leaves out round trips, elapsed times and gaps. */
export function withoutTimes(text: string): string {
  return text
    .replace(/time=[\d.]+ ms/g, 'time=T ms')
    .replace(/time \d+ms/g, 'time Tms')
    .replace(/= [\d./]+ ms/g, '= T ms')
    .replace(/ipg\/ewma [\d./]+ ms/g, 'ipg/ewma T ms')
    .replace(/\s+[\d.]+ ?ms/g, ' T ms');
}

export interface LabRun {
  readonly output: string;
  readonly status: number | null;
  readonly now: number;
}

export async function runLab(script: string, options: RigOptions = {}): Promise<LabRun> {
  const ran = await runShell(script, options);
  return { output: ran.all, status: ran.status, now: ran.now };
}
