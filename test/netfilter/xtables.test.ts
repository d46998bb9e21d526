// Proves what rules do that counting on the kernel does not show: time, answers, notes, rewriting, devices, and that changes
// are all or nothing.

import { describe, expect, it } from 'vitest';
import { DropReason } from '../../src/base/drop-reason.ts';
import {
  type Frame,
  frameFromBytes,
  frameMark,
  frameStart,
  freeFrame,
  sumArena,
  u8,
  view,
} from '../../src/link/frame.ts';
import { Hook } from '../../src/netfilter/hook.ts';
import { runIpset } from '../../src/netfilter/ipset/ipset-run.ts';
import { Packet } from '../../src/netfilter/packet.ts';
import type { TableName } from '../../src/netfilter/xtables/ip-table.ts';
import { IpTables } from '../../src/netfilter/xtables/ip-tables.ts';
import { NS_PER_S } from '../../src/sim/sim.ts';
import { fold, pseudoSum } from '../../src/wire/checksum.ts';
import { sumBytes } from './sum-bytes.ts';
import { TestHost } from './test-host.ts';

const LO = 1;
const ETH0 = 2;
const ETH1 = 3;
const CALI = 4;

interface Sent {
  readonly verdict: number;
  readonly mark: number;
  readonly bytes: Uint8Array;
}

interface PacketSpec {
  readonly source?: string;
  readonly destination?: string;
  readonly protocol?: number;
  readonly rest?: readonly number[];
  readonly ttl?: number;
}

function bytesOf(spec: PacketSpec): Uint8Array {
  const rest = spec.rest ?? [0x9c, 0x40, 0, 80, 0, 8, 0, 0];
  const address = (text: string): number[] => text.split('.').map(Number);
  const length = 20 + rest.length;
  const bytes = Uint8Array.from([
    ...[0x45, 0, length >> 8, length & 255, 0x12, 0x34, 0x40, 0, spec.ttl ?? 64, spec.protocol ?? 17, 0, 0],
    ...[...address(spec.source ?? '10.0.0.1'), ...address(spec.destination ?? '10.0.0.2'), ...rest],
  ]);
  const sum = sumBytes(bytes.subarray(0, 20));
  bytes[10] = sum >> 8;
  bytes[11] = sum & 255;
  return bytes;
}

/** A TCP SYN with these options and a right checksum. */
function syn(options: readonly number[]): number[] {
  const offset = (20 + options.length) << 2;
  const rest = [0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, offset, 2, 0xff, 0xff, 0, 0, 0, 0, ...options];
  const pseudo = [10, 0, 0, 1, 10, 0, 0, 2, 0, 6, 0, rest.length];
  const sum = sumBytes(Uint8Array.from([...pseudo, ...rest]));
  rest[16] = sum >> 8;
  rest[17] = sum & 255;
  return rest;
}

class Bench {
  readonly host = new TestHost();
  readonly tables = new IpTables(this.host);
  readonly #packet = new Packet();

  constructor(rules: string) {
    expect(this.tables.restore(rules, {})).toBeNull();
  }

  send(
    spec: PacketSpec = {},
    hook: Hook = Hook.FORWARD,
    table: TableName = 'filter',
    inDevice = ETH0,
    outDevice = ETH1,
  ): Sent {
    const frame = frameFromBytes(bytesOf(spec));
    const verdict = this.evaluate(frame, hook, table, inDevice, outDevice);
    const start = frameStart[frame]!;
    const sent = { verdict, mark: frameMark[frame]!, bytes: u8.slice(start, start + view.getUint16(start + 2)) };
    freeFrame(frame);
    return sent;
  }

  evaluate(frame: Frame, hook: Hook, table: TableName, inDevice: number, outDevice: number): number {
    this.#packet.load(frame, hook, inDevice, outDevice);
    return this.tables.table(table)!.evaluate(hook, this.#packet);
  }

  counts(chain: string, table: TableName = 'filter'): number[] {
    return this.tables
      .table(table)!
      .chains.get(chain)!
      .rules.map((r) => r.packets);
  }

  pass(seconds: number): void {
    const until = this.host.sim.now + seconds * NS_PER_S;
    this.host.sim.after(seconds * NS_PER_S, () => {});
    this.host.sim.runUntil(until);
  }
}

const filter = (...rules: string[]): string =>
  `*filter\n:FORWARD ACCEPT [0:0]\n:U - [0:0]\n:V - [0:0]\n${rules.map((r) => `${r}\n`).join('')}COMMIT\n`;

describe('time', () => {
  it('fills the bucket of limit at its rate, up to its burst', () => {
    const b = new Bench(filter('-A FORWARD -m limit --limit 2/sec --limit-burst 3'));
    for (let i = 0; i < 10; i++) b.send();
    expect(b.counts('FORWARD')).toEqual([3]);
    b.pass(0.5);
    for (let i = 0; i < 3; i++) b.send();
    expect(b.counts('FORWARD')).toEqual([4]);
    b.pass(60);
    for (let i = 0; i < 10; i++) b.send();
    expect(b.counts('FORWARD')).toEqual([7]);
  });

  it('keeps a bucket for each source in hashlimit, and a table for each name', () => {
    const b = new Bench(
      filter(
        '-A FORWARD -m hashlimit --hashlimit-upto 1/sec --hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-name a',
        '-A FORWARD -m hashlimit --hashlimit-above 1/sec --hashlimit-burst 2 --hashlimit-mode dstport --hashlimit-name b',
      ),
    );
    for (const source of ['10.0.0.1', '10.0.0.3', '10.0.0.1', '10.0.0.1', '10.0.0.3']) b.send({ source });
    // Two of each source; of the port's five, the third to the fifth are above.
    expect(b.counts('FORWARD')).toEqual([4, 3]);
  });

  // htable_create(): the table takes at least as many entries as it has buckets.
  it('gives the places of quiet sources in a full hashlimit table to new ones, once the collector has come by', () => {
    const b = new Bench(
      filter(
        '-A FORWARD -m hashlimit --hashlimit-upto 100/sec --hashlimit-mode srcip --hashlimit-name a --hashlimit-htable-size 3 --hashlimit-htable-max 2 --hashlimit-htable-expire 5000 -j ACCEPT',
      ),
    );
    const verdicts = (first: number): number[] =>
      [0, 1, 2, 3].map((i) => b.send({ source: `10.0.0.${first + i}` }).verdict);
    expect(verdicts(10)).toEqual([0, 0, 0, DropReason.NETFILTER_DROP]);
    b.pass(4.5);
    expect(verdicts(20)).toEqual(new Array(4).fill(DropReason.NETFILTER_DROP));
    b.pass(1);
    expect(verdicts(30)).toEqual([0, 0, 0, DropReason.NETFILTER_DROP]);
  });

  it('forgets in recent what is older than --seconds, and reaps it', () => {
    const b = new Bench(
      filter(
        '-A FORWARD -m recent --name S --rcheck --seconds 10800 --reap --rsource -j RETURN',
        '-A FORWARD -m recent --name S --set --rsource',
      ),
    );
    b.send();
    b.send();
    expect(b.counts('FORWARD')).toEqual([1, 1]);
    b.pass(10_799);
    b.send();
    expect(b.counts('FORWARD')).toEqual([2, 1]);
    b.pass(2);
    b.send();
    expect(b.counts('FORWARD')).toEqual([2, 2]);
  });

  it('counts hits in recent within the window only', () => {
    const b = new Bench(
      filter(
        '-A FORWARD -m recent --name S --update --seconds 10 --hitcount 3 -j RETURN',
        '-A FORWARD -m recent --name S --set',
      ),
    );
    for (let i = 0; i < 3; i++) b.send();
    expect(b.counts('FORWARD')).toEqual([0, 3]);
    b.send();
    expect(b.counts('FORWARD')).toEqual([1, 3]);
    b.pass(11);
    b.send();
    expect(b.counts('FORWARD')).toEqual([1, 4]);
  });

  it('keeps a list of recent while a rule names it, and no longer', () => {
    const rules = filter('-A FORWARD -m recent --name S --rcheck -j RETURN', '-A FORWARD -m recent --name S --set');
    const b = new Bench(rules);
    b.send();
    // In one transaction the new rule takes the list over before the old one lets go.
    expect(b.tables.restore(rules, {})).toBeNull();
    b.send();
    expect(b.counts('FORWARD')).toEqual([1, 0]);
    expect(b.tables.restore(filter(), {})).toBeNull();
    expect(b.tables.restore(rules, {})).toBeNull();
    b.send();
    expect(b.counts('FORWARD')).toEqual([0, 1]);
  });

  it('lets elements of a set go when their time is over', () => {
    const b = new Bench(filter());
    const io = { name: 'ipset', out: () => {}, err: () => {} };
    const ipset = (line: string): number => runIpset(b.tables.sets, line.split(' '), io, { input: () => '' });
    expect(ipset('create s hash:ip timeout 5')).toBe(0);
    expect(ipset('add s 10.0.0.1')).toBe(0);
    expect(ipset('add s 10.0.0.3 timeout 0')).toBe(0);
    expect(b.tables.restore(filter('-A FORWARD -m set --match-set s src'), {})).toBeNull();
    b.send();
    b.pass(4.9);
    b.send();
    expect(b.counts('FORWARD')).toEqual([2]);
    b.pass(0.2);
    b.send();
    b.send({ source: '10.0.0.3' });
    expect(b.counts('FORWARD')).toEqual([3]);
    expect(ipset('test s 10.0.0.1')).toBe(1);
  });
});

describe('sets that packets fill', () => {
  it('have room again when elements have gone, and hold networks where they have a netmask', () => {
    const b = new Bench(filter());
    const out: string[] = [];
    const io = { name: 'ipset', out: (text: string) => out.push(text), err: () => {} };
    const ipset = (line: string): number => runIpset(b.tables.sets, line.split(' '), io, { input: () => '' });
    expect(ipset('create t hash:ip,port timeout 5 maxelem 2')).toBe(0);
    expect(ipset('create n hash:ip netmask 24')).toBe(0);
    expect(
      b.tables.restore(filter('-A FORWARD -j SET --add-set t src,dst', '-A FORWARD -j SET --add-set n src'), {}),
    ).toBe(null);
    const members = (name: string): string[] => {
      out.length = 0;
      ipset(`list ${name}`);
      return out.join('').split('Members:\n')[1]!.trim().split('\n');
    };
    for (const source of ['10.0.1.1', '10.0.2.2', '10.0.1.3']) b.send({ source });
    expect(members('t')).toEqual(['10.0.1.1,udp:80 timeout 5', '10.0.2.2,udp:80 timeout 5']);
    expect(members('n')).toEqual(['10.0.1.0', '10.0.2.0']);
    b.pass(5.1);
    // The same element anew, and another in the place of one whose time is over.
    for (const source of ['10.0.1.1', '10.0.3.3', '10.0.4.4']) b.send({ source });
    expect(members('t')).toEqual(['10.0.1.1,udp:80 timeout 5', '10.0.3.3,udp:80 timeout 5']);
  });
});

describe('answers and notes', () => {
  it('REJECT drops and answers as asked', () => {
    const b = new Bench(
      filter(
        '-A FORWARD -p tcp -j REJECT --reject-with tcp-reset',
        '-A FORWARD -p udp -j REJECT --reject-with icmp-admin-prohibited',
        '-A FORWARD -j REJECT',
      ),
    );
    expect(b.send({ protocol: 6, rest: syn([]) }).verdict).toBe(DropReason.NETFILTER_DROP);
    b.send();
    b.send({ protocol: 47 });
    expect(b.host.answers).toEqual(['reset', 'unreachable 13', 'unreachable 3']);
  });

  it('a drop names table, chain, rule number and rule', () => {
    const b = new Bench(
      filter('-A FORWARD -j U', '-A U -p icmp', '-A U -m comment --comment "no web" -p udp -m udp --dport 80 -j DROP'),
    );
    b.send();
    expect(b.host.notes).toEqual([]);
    b.host.wantsNotes = true;
    expect(b.send().verdict).toBe(DropReason.NETFILTER_DROP);
    expect(b.host.notes).toEqual(['filter U rule 2: -p udp -m comment --comment "no web" -m udp --dport 80 -j DROP']);
  });

  it('a policy of DROP is named too, and counted', () => {
    const b = new Bench('*filter\n:FORWARD DROP [0:0]\nCOMMIT\n');
    b.host.wantsNotes = true;
    expect(b.send().verdict).toBe(DropReason.NETFILTER_DROP);
    expect(b.host.notes).toEqual(['filter FORWARD: policy DROP']);
    expect(b.tables.save('filter', { counters: false })).toContain(':FORWARD DROP [1:28]');
  });

  it('LOG leaves a note and goes on', () => {
    const b = new Bench(filter('-A FORWARD -j LOG --log-prefix "seen: "'));
    b.host.wantsNotes = true;
    expect(b.send().verdict).toBe(0);
    expect(b.host.notes).toEqual([
      'LOG seen: IN=eth0 OUT=eth1 SRC=10.0.0.1 DST=10.0.0.2 LEN=28 PROTO=UDP SPT=40000 DPT=80',
    ]);
  });
});

describe('rewriting', () => {
  const mangle = (rule: string): Bench => new Bench(`*mangle\n:FORWARD ACCEPT [0:0]\n-A FORWARD ${rule}\nCOMMIT\n`);
  const sound = (bytes: Uint8Array): void => expect(sumBytes(bytes.subarray(0, 20))).toBe(0);
  const soundTcp = (bytes: Uint8Array): void => {
    const frame = frameFromBytes(bytes);
    const start = frameStart[frame]!;
    const sum = sumArena(start + 20, start + bytes.length);
    freeFrame(frame);
    expect(fold(sum + pseudoSum(0x0a000001, 0x0a000002, 6, bytes.length - 20))).toBe(0xffff);
  };

  it.each([
    ['-j TTL --ttl-set 9', 9],
    ['-j TTL --ttl-inc 200', 255],
    ['-j TTL --ttl-dec 5', 59],
  ])('%s', (rule, ttl) => {
    const { bytes } = mangle(rule).send({}, Hook.FORWARD, 'mangle');
    expect(bytes[8]).toBe(ttl);
    sound(bytes);
  });

  it('DSCP leaves the ECN bits alone', () => {
    const { bytes } = mangle('-j DSCP --set-dscp-class EF').send({}, Hook.FORWARD, 'mangle');
    expect(bytes[1]).toBe(0xb8);
    sound(bytes);
  });

  it('TCPMSS lowers an MSS option and never raises it', () => {
    const small = mangle('-p tcp -j TCPMSS --set-mss 1400').send(
      { protocol: 6, rest: syn([2, 4, 5, 0xb4]) },
      Hook.FORWARD,
      'mangle',
    );
    expect([...small.bytes.subarray(40, 44)]).toEqual([2, 4, 1400 >> 8, 1400 & 255]);
    soundTcp(small.bytes);
    const kept = mangle('-p tcp -j TCPMSS --set-mss 1480').send(
      { protocol: 6, rest: syn([2, 4, 5, 0xb4]) },
      Hook.FORWARD,
      'mangle',
    );
    expect([...kept.bytes.subarray(40, 44)]).toEqual([2, 4, 5, 0xb4]);
  });

  it('TCPMSS finds an MSS option at an odd place', () => {
    const { bytes } = mangle('-p tcp -j TCPMSS --set-mss 1400').send(
      { protocol: 6, rest: syn([1, 2, 4, 5, 0xb4, 1, 1, 1]) },
      Hook.FORWARD,
      'mangle',
    );
    expect([...bytes.subarray(41, 45)]).toEqual([2, 4, 1400 >> 8, 1400 & 255]);
    soundTcp(bytes);
  });

  it('TCPMSS clamps to the path, and puts the option in where it is missing', () => {
    const b = mangle('-p tcp -j TCPMSS --clamp-mss-to-pmtu');
    b.host.mtu = 560;
    const { bytes } = b.send({ protocol: 6, rest: syn([]) }, Hook.FORWARD, 'mangle');
    expect(bytes.length).toBe(44);
    expect([...bytes.subarray(40, 44)]).toEqual([2, 4, 520 >> 8, 520 & 255]);
    sound(bytes);
    soundTcp(bytes);
  });

  it('MARK computes as its options say', () => {
    const b = new Bench(
      '*mangle\n:FORWARD ACCEPT [0:0]\n-A FORWARD -j MARK --set-mark 0xf0\n-A FORWARD -j MARK --or-mark 0x0f\n' +
        '-A FORWARD -j MARK --and-mark 0x3c\n-A FORWARD -j MARK --xor-mark 0x30\n-A FORWARD -j MARK --set-xmark 0x1/0x0c\nCOMMIT\n',
    );
    expect(b.send({}, Hook.FORWARD, 'mangle').mark).toBe(0x01);
  });
});

describe('devices', () => {
  it('names end in + for all that begin so; a renamed device is another', () => {
    const b = new Bench(
      filter('-A FORWARD -i cali+', '-A FORWARD -i eth0', '-A FORWARD ! -o eth1', '-A FORWARD -i etha'),
    );
    b.send({}, Hook.FORWARD, 'filter', CALI);
    b.send({}, Hook.FORWARD, 'filter', ETH0);
    b.send({}, Hook.FORWARD, 'filter', ETH0, LO);
    expect(b.counts('FORWARD')).toEqual([1, 2, 1, 0]);
    b.host.names.set(ETH0, 'etha');
    b.send();
    expect(b.counts('FORWARD')).toEqual([1, 2, 1, 1]);
  });

  it('rpfilter asks for the way back', () => {
    const b = new Bench(
      '*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -m rpfilter\n-A PREROUTING -m rpfilter --loose\n-A PREROUTING -m rpfilter --invert\nCOMMIT\n',
    );
    b.host.routes.set(0x0a000001, ETH0).set(0x0a000003, ETH1);
    for (const source of ['10.0.0.1', '10.0.0.3', '10.9.9.9']) b.send({ source }, Hook.PRE_ROUTING, 'raw', ETH0, 0);
    expect(b.counts('PREROUTING', 'raw')).toEqual([1, 2, 2]);
  });

  it('owner is root for what programs send, nobody for what the kernel answers', () => {
    const b = new Bench(
      '*filter\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -m owner --uid-owner 0\n-A OUTPUT -m owner ! --uid-owner 0\n-A OUTPUT -m owner --socket-exists\nCOMMIT\n',
    );
    b.send({}, Hook.LOCAL_OUT, 'filter', 0, ETH0);
    b.send({ protocol: 1, rest: [3, 1, 0, 0, 0, 0, 0, 0] }, Hook.LOCAL_OUT, 'filter', 0, ETH0);
    expect(b.counts('OUTPUT')).toEqual([1, 1, 1]);
  });
});

describe('changes', () => {
  it('a mistake leaves the table as it was, and says line and column', () => {
    const b = new Bench(filter('-A FORWARD -j U', '-A U -j DROP'));
    const before = b.tables.save(null, { counters: true });
    const error = b.tables.restore('*filter\n:U - [0:0]\n-A U -p tcp --dport eighty -j DROP\nCOMMIT\n', {
      noFlush: true,
    });
    expect(error).toMatchObject({ line: 3, column: 21, message: "invalid port/service `eighty' specified", status: 2 });
    expect(b.tables.restore('*filter\n-F\n-A FORWARD -j NOWHERE\nCOMMIT\n', { noFlush: true })).toMatchObject({
      line: 3,
      message: "Chain 'NOWHERE' does not exist",
    });
    expect(b.tables.save(null, { counters: true })).toBe(before);
    expect(b.send().verdict).toBe(DropReason.NETFILTER_DROP);
  });

  it('without --noflush what is not named is gone; with it, it stays, counters and all', () => {
    const b = new Bench(filter('-A FORWARD -j U', '-A U -p udp'));
    b.send();
    expect(b.tables.restore('*filter\n:V - [0:0]\n-A V -j ACCEPT\nCOMMIT\n', { noFlush: true })).toBeNull();
    expect(b.counts('U')).toEqual([1]);
    b.send();
    expect(b.counts('U')).toEqual([2]);
    expect(b.tables.restore('*filter\nCOMMIT\n', {})).toBeNull();
    expect([...b.tables.table('filter')!.chains.keys()]).toEqual(['INPUT', 'FORWARD', 'OUTPUT']);
  });

  it('packets see a changed chain from the next packet on, wherever it is jumped to from', () => {
    const b = new Bench(filter('-A FORWARD -j U', '-A U -j V', '-A V -p udp -j DROP'));
    expect(b.send().verdict).toBe(DropReason.NETFILTER_DROP);
    expect(b.tables.restore('*filter\n:V - [0:0]\n-A V -p tcp -j DROP\nCOMMIT\n', { noFlush: true })).toBeNull();
    expect(b.send().verdict).toBe(0);
    expect(
      b.tables.restore('*filter\n-F U\n-F V\n-X V\n:V - [0:0]\n-A U -g V\n-A V -j DROP\nCOMMIT\n', { noFlush: true }),
    ).toBeNull();
    expect(b.send().verdict).toBe(DropReason.NETFILTER_DROP);
  });

  it('tells when conntrack is needed', () => {
    expect(new Bench(filter('-A FORWARD -p tcp')).tables.usesConntrack).toBe(false);
    expect(new Bench(filter('-A FORWARD -m conntrack --ctstate NEW')).tables.usesConntrack).toBe(true);
    expect(new Bench('*raw\n-A PREROUTING -j NOTRACK\nCOMMIT\n').tables.usesConntrack).toBe(true);
    expect(new Bench('*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n').tables.usesConntrack).toBe(true);
  });

  it('a swap of sets is seen by rules that name one', () => {
    const b = new Bench(filter());
    const io = { name: 'ipset', out: () => {}, err: () => {} };
    const lines = 'create a hash:ip\ncreate b hash:ip\nadd a 10.0.0.1\n';
    expect(runIpset(b.tables.sets, ['restore'], io, { input: () => lines })).toBe(0);
    expect(b.tables.restore(filter('-A FORWARD -m set --match-set a src'), {})).toBeNull();
    b.send();
    expect(runIpset(b.tables.sets, ['swap', 'a', 'b'], io, { input: () => '' })).toBe(0);
    b.send();
    expect(b.counts('FORWARD')).toEqual([1]);
  });
});
