// npm run bench: packets/s and ns per hop of pod to pod, on one node and across nodes over VXLAN, 64 B and 1400 B of
// UDP payload, with and without capture of every interface, beside the hand-written limit in the same run.
//
// Then what a Service costs: the first packet of a flow and those after it, plain and to a cluster address, with 10, 1,000 and
// 10,000 Services (service-flow.ts).
//
// Then how fast one TCP connection is, for round trips of 0.1, 10 and 100 ms and a loss of 0, 0.1 and 1 %, beside what rate,
// window and loss allow (throughput.ts).
//
//   --quick        fewer packets, bytes and rounds
//   --json         one JSON document instead of the table
//   --only TEXT    only the cases whose name holds TEXT, for example --only across, --only Services or --only throughput
//
// Nothing is asserted: figures drift by a factor of two with what else the machine does; shares drift less.
// Each case has a process of its own, so that what V8 learnt in one does not speed up or slow down another.

import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { tuneEngine } from '../../src/cli/engine.ts';
import { CaptureTo } from './hand-written.ts';
import { type CaseFigures, measure } from './measure.ts';
import {
  measureServices,
  SERVICE_CASES,
  type ServiceCase,
  type ServiceFigures,
  serviceHeader,
  serviceRow,
} from './service-flow.ts';
import { FLOW_CASES, type FlowCase, othersReach, targetShare } from './targets.ts';
import {
  measureThroughput,
  THROUGHPUT_CASES,
  type ThroughputCase,
  type ThroughputFigures,
  throughputHeader,
  throughputRow,
} from './throughput.ts';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    /** internal: measure one case here and print it as JSON */
    case: { type: 'string' },
    /** internal: the same for a case of Services */
    'service-case': { type: 'string' },
    /** internal: the same for a TCP connection */
    'throughput-case': { type: 'string' },
  },
});

function nameOf(flow: FlowCase): string {
  const capture = {
    [CaptureTo.NOWHERE]: '',
    [CaptureTo.MEMORY]: ', captured to memory',
    [CaptureTo.FILE]: ', captured to a file',
  };
  return `${flow.acrossNodes ? 'across nodes (VXLAN)' : 'same node'}, ${flow.payload} B${capture[flow.capture]}`;
}

function serviceName({ services, proxy }: ServiceCase): string {
  return `${services} Services, ${proxy}`;
}

function throughputName({ rttMs, loss }: ThroughputCase): string {
  return `throughput, ${rttMs} ms, loss ${loss * 100} %`;
}

function inOwnProcess<T>(option: '--case' | '--service-case' | '--throughput-case', index: number, name: string): T {
  const args = [
    ...process.execArgv,
    fileURLToPath(import.meta.url),
    option,
    String(index),
    ...(options.quick ? ['--quick'] : []),
  ];
  const child = spawnSync(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 20 });
  if (child.status !== 0) throw new Error(`${name}: ended with status ${child.status ?? child.signal}`);
  return JSON.parse(child.stdout.toString()) as T;
}

const thousands = (rate: number): string => `${Math.round(rate / 1000).toLocaleString('en-US')} k`;
const percent = (share: number): string => `${Math.round(share * 100)} %`;

function row(cells: readonly string[]): string {
  const widths = [50, 10, 8, 11, 8, 8, 8, 9, 9, 9];
  return cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i] ?? 10))).join('');
}

function tableRow(figures: CaseFigures): string {
  const others = othersReach(figures);
  const rate = figures.podwire.packetsPerSecond;
  const times = (other: number | undefined): string => (other === undefined ? '-' : `${(rate / other).toFixed(0)} x`);
  return row([
    nameOf(figures),
    thousands(rate),
    figures.podwire.nsPerHop.toFixed(0),
    thousands(figures.handWritten.packetsPerSecond),
    figures.handWritten.nsPerHop.toFixed(0),
    percent(figures.share),
    percent(targetShare(figures)),
    times(others?.ns3),
    times(others?.kernel),
    others === null ? '-' : percent(rate / others.earlierLimit),
  ]);
}

if (options.case !== undefined) {
  // As the command line does, for both sides.
  tuneEngine();
  process.stdout.write(JSON.stringify(measure(FLOW_CASES[Number(options.case)]!, options.quick)));
} else if (options['service-case'] !== undefined) {
  tuneEngine();
  process.stdout.write(JSON.stringify(measureServices(SERVICE_CASES[Number(options['service-case'])]!, options.quick)));
} else if (options['throughput-case'] !== undefined) {
  tuneEngine();
  const figures = measureThroughput(
    THROUGHPUT_CASES[Number(options['throughput-case'])]!,
    options.quick ? 10e6 : 100e6,
  );
  process.stdout.write(JSON.stringify(figures));
} else {
  const wanted = FLOW_CASES.map((_, i) => i).filter((i) => nameOf(FLOW_CASES[i]!).includes(options.only));
  const header = [
    'one UDP flow',
    'podwire/s',
    'ns/hop',
    'by hand/s',
    'ns/hop',
    'share',
    'target',
    '/ ns-3',
    '/ kernel',
    '/ earlier',
  ];
  if (!options.json) {
    console.log(`Node ${process.versions.node}, ${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores`);
    console.log(row(header));
  }
  const all: CaseFigures[] = [];
  for (const index of wanted) {
    const figures = inOwnProcess<CaseFigures>('--case', index, nameOf(FLOW_CASES[index]!));
    all.push(figures);
    if (!options.json) console.log(tableRow(figures));
  }
  if (!options.json && wanted.length > 0) {
    console.log(
      [
        'hop: one interface crossed. share: podwire / by hand in the same rounds, the median; target: what it is to reach.',
        'ns-3 (optimised build), the Linux kernel and an earlier, less tuned hand-written limit were measured elsewhere on',
        'a machine of the same kind: take these three columns as orders of size.',
      ].join('\n'),
    );
  }
  const services = SERVICE_CASES.map((_, i) => i).filter((i) => serviceName(SERVICE_CASES[i]!).includes(options.only));
  if (!options.json && services.length > 0) console.log(`\n${serviceHeader()}`);
  const costs: ServiceFigures[] = [];
  for (const index of services) {
    const figures = inOwnProcess<ServiceFigures>('--service-case', index, serviceName(SERVICE_CASES[index]!));
    costs.push(figures);
    if (!options.json) console.log(serviceRow(figures));
  }
  if (!options.json && services.length > 0) {
    console.log(
      [
        'One UDP datagram of 64 B from pod to pod across nodes; 1st: a flow of one packet, with its socket; next: of a flow that',
        'goes on. plain: to the address of the pod in the same cluster. The Service is the last that a packet could match.',
        'All times are processor time; setup is the cluster with the full sync of both kube-proxies.',
      ].join('\n'),
    );
  }
  const transfers = THROUGHPUT_CASES.map((_, i) => i).filter((i) =>
    throughputName(THROUGHPUT_CASES[i]!).includes(options.only),
  );
  if (!options.json && transfers.length > 0) console.log(`\n${throughputHeader()}`);
  const rates: ThroughputFigures[] = [];
  for (const index of transfers) {
    const figures = inOwnProcess<ThroughputFigures>(
      '--throughput-case',
      index,
      throughputName(THROUGHPUT_CASES[index]!),
    );
    rates.push(figures);
    if (!options.json) console.log(throughputRow(figures));
  }
  if (options.json) {
    console.log(
      JSON.stringify({ node: process.versions.node, cases: all, services: costs, throughput: rates }, null, 2),
    );
  } else if (transfers.length > 0) {
    console.log(
      [
        `${options.quick ? 10 : 100} MB from pod to pod. bound: what the rate of 10 Gbit/s, two thirds of the send buffer or CUBIC at this loss`,
        '(RFC 9438) allow, with slow start; the loss formulas are averages, 70 to 140 % of them is as expected.',
      ].join('\n'),
    );
  }
}
