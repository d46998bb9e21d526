// What a packet pays for a chain of rules: the plain walk (as Linux does it) against the indexed one, for chains of 10, 1,000
// and 20,000 rules, as kube-proxy writes them for as many ports of Services.
//
//   npx tsx test/bench/chain-walk.ts

import { allocFrame, frameStart, freeFrame, view } from '../../src/link/frame.ts';
import { Hook } from '../../src/netfilter/hook.ts';
import { Packet } from '../../src/netfilter/packet.ts';
import { IpTables } from '../../src/netfilter/xtables/ip-tables.ts';
import { writeIpv4Header } from '../../src/wire/ipv4.ts';
import { TestHost } from '../netfilter/test-host.ts';

const SIZES = [10, 1000, 20_000];

function rules(count: number): string {
  let text = '*filter\n:FORWARD ACCEPT [0:0]\n:S - [0:0]\n-A FORWARD -m comment --comment portals -j S\n';
  for (let i = 0; i < count; i++) {
    const address = `10.96.${(i >> 8) & 255}.${i & 255}`;
    text += `-A S -d ${address}/32 -p tcp -m comment --comment "default/s${i}:http cluster IP" -m tcp --dport 80 -j RETURN\n`;
  }
  return `${text}COMMIT\n`;
}

function measure(tables: IpTables, destination: number, runs: number): number {
  const frame = allocFrame(60);
  const at = frameStart[frame]!;
  writeIpv4Header(view, at, 0, 60, 1, 0x4000, 64, 6, 0x0a000001, destination);
  view.setUint16(at + 20, 40_000);
  view.setUint16(at + 22, 80);
  const packet = new Packet();
  const table = tables.table('filter')!;
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 5; round++) {
    const began = process.hrtime.bigint();
    for (let i = 0; i < runs; i++) {
      packet.load(frame, Hook.FORWARD, 2, 3);
      table.evaluate(Hook.FORWARD, packet);
    }
    best = Math.min(best, Number(process.hrtime.bigint() - began) / runs);
  }
  freeFrame(frame);
  return best;
}

console.log('ns per packet: one that no rule matches, and one of the last rule');
console.log('   rules   plain: none   last   indexed: none   last    read (ms)');
for (const size of SIZES) {
  const cells: string[] = [];
  let read = 0;
  for (const indexed of [false, true]) {
    const tables = new IpTables(new TestHost(), { indexed });
    const began = process.hrtime.bigint();
    tables.restore(rules(size), {});
    read = Number(process.hrtime.bigint() - began) / 1e6;
    const last = 0x0a600000 | (((size - 1) >> 8) << 8) | ((size - 1) & 255);
    const runs = indexed ? 300_000 : Math.max(300, Math.round(3_000_000 / size));
    for (const destination of [0x0a010101, last]) cells.push(measure(tables, destination, runs).toFixed(0).padStart(7));
  }
  console.log(
    `${String(size).padStart(8)}   ${cells[0]!.padStart(11)}${cells[1]!}   ${cells[2]!.padStart(13)}${cells[3]!}    ${read.toFixed(0).padStart(6)}`,
  );
}
