// Proves that rulesets of nftables are read and listed as the real nft does it, that errors change nothing, and that packets
// walk base chains, maps and jumps as the kernel's do.

import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { DropReason } from '../../src/base/drop-reason.ts';
import { Rng } from '../../src/base/rng.ts';
import { allocFrame, type Frame, frameMark, frameStart, freeFrame, view } from '../../src/link/frame.ts';
import { Hook } from '../../src/netfilter/hook.ts';
import { AddressType, type NetfilterHost } from '../../src/netfilter/netfilter-host.ts';
import { runNft } from '../../src/netfilter/nft/nft-command.ts';
import type { NftNat } from '../../src/netfilter/nft/nft-context.ts';
import { NftTables, runBaseChain } from '../../src/netfilter/nft/nft-tables.ts';
import { NftError } from '../../src/netfilter/nft/nft-token.ts';
import { Packet } from '../../src/netfilter/packet.ts';
import { Verdict } from '../../src/netfilter/verdict.ts';
import { NS_PER_S, Sim } from '../../src/sim/sim.ts';
import { writeIpv4Header } from '../../src/wire/ipv4.ts';

const PLAIN = { handles: false, stateless: false };

/** What kube-proxy 1.36 hands to `nft -f` for one Service with two endpoints, affinity, a firewall and one without endpoints. */
const KUBE_PROXY = `add table ip kube-proxy { comment "rules for kube-proxy" ; }
add set ip kube-proxy cluster-ips { type ipv4_addr ; comment "Active ClusterIPs" ; }
add set ip kube-proxy nodeport-ips { type ipv4_addr ; comment "IPs that accept NodePort traffic" ; }
add set ip kube-proxy hairpin-connections { type ipv4_addr . ipv4_addr . inet_proto . inet_service ; comment "service hairpin connections" ; }
add map ip kube-proxy no-endpoint-services { type ipv4_addr . inet_proto . inet_service : verdict ; comment "vmap to drop or reject packets to services with no endpoints" ; }
add map ip kube-proxy service-ips { type ipv4_addr . inet_proto . inet_service : verdict ; comment "ClusterIP, ExternalIP and LoadBalancer IP traffic" ; }
add chain ip kube-proxy filter-prerouting-pre-dnat { type filter hook prerouting priority -110 ; }
add chain ip kube-proxy filter-output-pre-dnat { type filter hook output priority -110 ; }
add chain ip kube-proxy filter-forward { type filter hook forward priority 0 ; }
add chain ip kube-proxy nat-prerouting { type nat hook prerouting priority -100 ; }
add chain ip kube-proxy nat-output { type nat hook output priority -100 ; }
add chain ip kube-proxy nat-postrouting { type nat hook postrouting priority 100 ; }
add chain ip kube-proxy services
add chain ip kube-proxy masquerading
add chain ip kube-proxy mark-for-masquerade
add chain ip kube-proxy cluster-ips-check
add chain ip kube-proxy service-endpoints-check
add chain ip kube-proxy reject-chain { comment "helper for @no-endpoint-services / @no-endpoint-nodeports" ; }
add chain ip kube-proxy service-ULMVA6XW-ns1/svc1/tcp/p80
add chain ip kube-proxy endpoint-GTK6MW7G-ns5/svc5/tcp/p80__10.180.0.3/80
add set ip kube-proxy affinity-GTK6MW7G-ns5/svc5/tcp/p80__10.180.0.3/80 { type ipv4_addr ; flags dynamic,timeout ; timeout 10800s ; }
add rule ip kube-proxy cluster-ips-check ip daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"
add rule ip kube-proxy cluster-ips-check ip daddr { 172.30.0.0/16 } drop comment "Drop traffic to unallocated ClusterIPs"
add rule ip kube-proxy filter-forward ct state new jump service-endpoints-check
add rule ip kube-proxy filter-forward ct state new jump cluster-ips-check
add rule ip kube-proxy mark-for-masquerade mark set mark or 0x4000
add rule ip kube-proxy masquerading mark and 0x4000 != 0 mark set mark xor 0x4000 masquerade fully-random
add rule ip kube-proxy masquerading ct status dnat ip saddr . ip daddr . meta l4proto . th dport @hairpin-connections masquerade fully-random
add rule ip kube-proxy nat-prerouting jump services
add rule ip kube-proxy nat-output jump services
add rule ip kube-proxy nat-postrouting jump masquerading
add rule ip kube-proxy reject-chain reject
add rule ip kube-proxy service-endpoints-check ip daddr . meta l4proto . th dport vmap @no-endpoint-services
add rule ip kube-proxy services ip daddr @cluster-ips ip saddr != 10.0.0.0/8 mark set mark or 0x4000 comment "masquerade clusterIP traffic from outside cluster"
add rule ip kube-proxy services ip daddr . meta l4proto . th dport vmap @service-ips
add rule ip kube-proxy services fib saddr type local counter
add rule ip kube-proxy service-ULMVA6XW-ns1/svc1/tcp/p80 meta l4proto tcp dnat ip to numgen random mod 2 map { 0 : 10.180.0.1 . 80 , 1 : 10.180.0.2 . 80 }
add rule ip kube-proxy endpoint-GTK6MW7G-ns5/svc5/tcp/p80__10.180.0.3/80 update @affinity-GTK6MW7G-ns5/svc5/tcp/p80__10.180.0.3/80 { ip saddr }
add rule ip kube-proxy endpoint-GTK6MW7G-ns5/svc5/tcp/p80__10.180.0.3/80 ip saddr != { 203.0.113.0/25, 5.6.7.8 } drop
add rule ip kube-proxy endpoint-GTK6MW7G-ns5/svc5/tcp/p80__10.180.0.3/80 meta l4proto tcp dnat to 10.180.0.3:80
add element ip kube-proxy nodeport-ips { 192.168.0.2 }
add element ip kube-proxy cluster-ips { 172.30.0.41 }
add element ip kube-proxy cluster-ips { 172.30.0.46 }
add element ip kube-proxy cluster-ips { 172.30.0.9 }
add element ip kube-proxy service-ips { 172.30.0.41 . tcp . 80 : goto service-ULMVA6XW-ns1/svc1/tcp/p80 }
add element ip kube-proxy no-endpoint-services { 172.30.0.46 . tcp . 80 comment "ns6/svc6:p80" : goto reject-chain }
add element ip kube-proxy hairpin-connections { 10.180.0.1 . 10.180.0.1 . tcp . 80 }
`;

interface Rig {
  readonly tables: NftTables;
  readonly sim: Sim;
  readonly done: string[];
}

function rig(): Rig {
  const sim = new Sim();
  const done: string[] = [];
  const nat: NftNat = {
    map: (_p, manip, address, port) => {
      done.push(`${manip} ${address >>> 0}:${port}`);
      return Verdict.ACCEPT;
    },
    masquerade: () => {
      done.push('masquerade');
      return Verdict.ACCEPT;
    },
    redirect: (_p, port) => {
      done.push(`redirect ${port}`);
      return Verdict.ACCEPT;
    },
  };
  const host = {
    label: 'node',
    sim,
    rng: (purpose: string) => new Rng(1, purpose),
    deviceName: (index: number) => (index === 2 ? 'eth0' : ''),
    addressType: (a: number) => (a === 0x7f000001 ? AddressType.LOCAL : AddressType.UNICAST),
    sendUnreach: (_f: Frame, code: number) => done.push(`unreach ${code}`),
    wantsNotes: false,
  } as unknown as NetfilterHost;
  return { tables: new NftTables(host, nat), sim, done };
}

function packet(source: number, destination: number, protocol: number, port: number): Packet {
  const frame = allocFrame(40);
  const at = frameStart[frame]!;
  writeIpv4Header(view, at, 0, 40, 0, 0, 64, protocol, source, destination);
  view.setUint16(at + 20, 40_000);
  view.setUint16(at + 22, port);
  const p = new Packet();
  p.load(frame, Hook.PRE_ROUTING, 2, 0);
  return p;
}

function run(r: Rig, hook: Hook, p: Packet): number[] {
  return r.tables.chainsAt(hook).map((chain) => runBaseChain(chain, p));
}

const isRoot = process.getuid?.() === 0;
const realNft = isRoot && spawnSync('unshare', ['-n', 'nft', 'list', 'ruleset']).status === 0;

describe('listing', () => {
  it.runIf(realNft)('is what the real nft lists', () => {
    const { tables } = rig();
    runNft(tables, KUBE_PROXY, PLAIN);
    const real = spawnSync('unshare', ['-n', 'sh', '-c', 'nft -f - && nft list ruleset'], {
      input: KUBE_PROXY,
      encoding: 'utf8',
    });
    expect(real.stderr).toBe('');
    expect(runNft(tables, 'list ruleset', PLAIN)).toBe(real.stdout);
  });
  it.runIf(realNft)('shows what a set says of its size and its collector as the real nft does', () => {
    const text = `add table ip x
add set ip x a { type ipv4_addr ; size 2 ; flags dynamic,timeout ; timeout 10s ; gc-interval 90s ; comment "seen" ; }
add set ip x b { type ipv4_addr ; flags dynamic ; }
add set ip x d { type ipv4_addr ; flags dynamic ; }
add chain ip x filled
add rule ip x filled update @d { ip saddr }
add set ip x c { type inet_service ; size 10 ; elements = { 80, 443 } ; }
`;
    const { tables } = rig();
    runNft(tables, text, PLAIN);
    const real = spawnSync('unshare', ['-n', 'sh', '-c', 'nft -f - && nft list ruleset'], {
      input: text,
      encoding: 'utf8',
    });
    expect(real.stderr).toBe('');
    expect(runNft(tables, 'list ruleset', PLAIN)).toBe(real.stdout);
  });
  if (!realNft) console.warn('nft.test.ts: the comparison with the real nft is skipped: it needs root and nft');

  it('reads what it lists', () => {
    const first = rig();
    runNft(first.tables, KUBE_PROXY, PLAIN);
    const listed = runNft(first.tables, 'list ruleset', PLAIN);
    const second = rig();
    runNft(second.tables, listed, PLAIN);
    expect(runNft(second.tables, 'list ruleset', PLAIN)).toBe(listed);
  });
});

describe('transactions', () => {
  it('change nothing when one command fails, and say where', () => {
    const r = rig();
    runNft(r.tables, KUBE_PROXY, PLAIN);
    const before = runNft(r.tables, 'list ruleset', PLAIN);
    const wrong = [
      'add element ip kube-proxy cluster-ips { 172.30.0.77 }',
      'delete chain ip kube-proxy services',
      'flush chain ip kube-proxy services',
      'add rule ip kube-proxy services jump nowhere',
    ].join('\n');
    expect(() => runNft(r.tables, wrong, PLAIN)).toThrow(NftError);
    expect(runNft(r.tables, 'list ruleset', PLAIN)).toBe(before);
    try {
      runNft(r.tables, 'add table ip x\nadd rule ip x y accept', PLAIN);
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ line: 2, column: 15 });
    }
  });

  it('refuse circles', () => {
    const r = rig();
    const text = `table ip x {
      chain a { type filter hook input priority 0; jump b; }
      chain b { jump c; }
      chain c { jump b; }
    }`;
    expect(() => runNft(r.tables, text, PLAIN)).toThrow(/Too many levels/);
    expect(r.tables.tables()).toHaveLength(0);
  });

  it('give every hostile text an error or a ruleset, never anything else', () => {
    const words = KUBE_PROXY.split(/(?<=[\s{}])/);
    const rng = new Rng(7, 'hostile');
    for (let i = 0; i < 2000; i++) {
      const r = rig();
      const copy = [...words];
      for (let k = 0; k < 3; k++) {
        const at = rng.below(copy.length);
        if (rng.below(2) === 0) copy.splice(at, 1 + rng.below(3));
        else copy.splice(at, 0, copy[rng.below(copy.length)]!);
      }
      try {
        runNft(r.tables, copy.join(''), PLAIN);
      } catch (error) {
        expect(error).toBeInstanceOf(NftError);
      }
    }
  });
});

describe('packets', () => {
  const SERVICE = 0xac1e0029 | 0; // 172.30.0.41
  const POD = 0x0ab40009; // 10.180.0.9

  it('find their endpoint through the map', () => {
    const r = rig();
    runNft(r.tables, KUBE_PROXY, PLAIN);
    const seen = new Set<string>();
    for (let i = 0; i < 64; i++) {
      const p = packet(POD, SERVICE, 6, 80);
      expect(run(r, Hook.PRE_ROUTING, p)).toEqual([0, 0]);
      expect(frameMark[p.frame]).toBe(0);
      seen.add(r.done.pop()!);
      freeFrame(p.frame);
    }
    expect([...seen].sort()).toEqual([`dst ${0x0ab40001}:80`, `dst ${0x0ab40002}:80`]);
  });

  it('are marked when they come from outside, and pass when the port is not the Service’s', () => {
    const r = rig();
    runNft(r.tables, KUBE_PROXY, PLAIN);
    const outside = packet(0xcb007102 | 0, SERVICE, 6, 80);
    run(r, Hook.PRE_ROUTING, outside);
    expect(frameMark[outside.frame]).toBe(0x4000);
    expect(r.done).toHaveLength(1);
    const udp = packet(POD, SERVICE, 17, 80);
    expect(run(r, Hook.PRE_ROUTING, udp)).toEqual([0, 0]);
    expect(r.done).toHaveLength(1);
    freeFrame(outside.frame);
    freeFrame(udp.frame);
  });

  it('are dropped by a policy, kept by accept, and return to the caller', () => {
    const r = rig();
    const text = `table ip x {
      chain in { type filter hook prerouting priority 0; policy drop; tcp dport 80 goto web; jump dns; }
      chain web { ip saddr 10.0.0.0/8 accept; }
      chain dns { udp dport { 53, 5353-5355 } accept; return; accept; }
    }`;
    runNft(r.tables, text, PLAIN);
    const verdict = (source: number, protocol: number, port: number): number => {
      const p = packet(source, SERVICE, protocol, port);
      const [v] = run(r, Hook.PRE_ROUTING, p);
      freeFrame(p.frame);
      return v!;
    };
    expect(verdict(POD, 6, 80)).toBe(0);
    expect(verdict(0x01020304, 6, 80)).toBe(DropReason.NETFILTER_DROP);
    expect(verdict(POD, 17, 5354)).toBe(0);
    expect(verdict(POD, 17, 54)).toBe(DropReason.NETFILTER_DROP);
    expect(verdict(POD, 1, 53)).toBe(DropReason.NETFILTER_DROP);
  });

  it('leave their source in a set that forgets', () => {
    const r = rig();
    const text = `table ip x {
      set seen { type ipv4_addr; flags dynamic,timeout; timeout 10s; }
      chain in { type filter hook prerouting priority 0; ip saddr @seen drop; update @seen { ip saddr }; }
    }`;
    runNft(r.tables, text, PLAIN);
    const p = packet(POD, SERVICE, 6, 80);
    expect(run(r, Hook.PRE_ROUTING, p)).toEqual([0]);
    expect(run(r, Hook.PRE_ROUTING, p)).toEqual([DropReason.NETFILTER_DROP]);
    r.sim.after(11 * NS_PER_S, () => undefined);
    r.sim.runUntil(11 * NS_PER_S);
    expect(run(r, Hook.PRE_ROUTING, p)).toEqual([0]);
    freeFrame(p.frame);
  });

  it('find no room in a full set until something in it has expired and the collector has come', () => {
    const r = rig();
    const text = `table ip x {
      set seen { type ipv4_addr; size 2; flags dynamic,timeout; timeout 10s; gc-interval 5s; }
      chain in { type filter hook prerouting priority 0; ip saddr @seen drop; update @seen { ip saddr }; }
    }`;
    runNft(r.tables, text, PLAIN);
    const listed = (): number => r.tables.findTable('ip', 'x')!.sets.get('seen')!.size;
    const from = (last: number): number => {
      const p = packet(0x0a000000 + last, SERVICE, 6, 80);
      const [verdict] = run(r, Hook.PRE_ROUTING, p);
      freeFrame(p.frame);
      return verdict!;
    };
    for (const last of [1, 2, 3]) expect(from(last)).toBe(0);
    expect(from(1)).toBe(DropReason.NETFILTER_DROP);
    expect(from(3)).toBe(0);
    r.sim.after(11 * NS_PER_S, () => undefined);
    r.sim.runUntil(11 * NS_PER_S);
    expect([from(3), from(3), listed()]).toEqual([0, DropReason.NETFILTER_DROP, 1]);
  });
});
