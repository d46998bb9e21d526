// ipvsadm(8) 1.31: virtual services and their real servers. Forwarding is by masquerading (-m) only; the other methods
// are refused in plain words.

import { type Ipv4, parseIpv4 } from '../../addr/ipv4.ts';
import type { Ipvs } from '../../netfilter/ipvs/ipvs.ts';
import { ipvsOf } from '../../netfilter/ipvs/ipvs-hooks.ts';
import { IPVS_SCHEDULERS, isIpvsScheduler } from '../../netfilter/ipvs/scheduler.ts';
import type { IpvsService } from '../../netfilter/ipvs/service.ts';
import type { IpvsDestinationSpec, IpvsError, IpvsServiceSpec } from '../../netfilter/ipvs/service-table.ts';
import { NS_PER_S } from '../../sim/sim.ts';
import { netfilterOf } from '../../stack/netfilter-host.ts';
import { IpProtocol } from '../../wire/ipv4.ts';
import type { ShellCommand, ShellContext } from '../command.ts';
import { CommandFailure } from './ip-arguments.ts';
import { guarded } from './ip-call.ts';
import { type IpvsListing, listConnections, listServices, saveServices } from './ipvsadm-list.ts';

/** Status of a wrong call, and of an order that the kernel refused (main() returns -1). */
const EXIT_USAGE = 2;
const EXIT_REFUSED = 255;
/** IP_VS_TEMPLATE_TIMEOUT: `-p` without a number, seconds */
const PERSISTENCE_DEFAULT = 300;
const WEIGHT_MAX = 65_535;

/** Long names of the short options; the rest are themselves. */
const LONG: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'add-service': 'A',
    'edit-service': 'E',
    'delete-service': 'D',
    clear: 'C',
    restore: 'R',
    save: 'S',
    'add-server': 'a',
    'edit-server': 'e',
    'delete-server': 'd',
    list: 'L',
    zero: 'Z',
    set: 'set',
    help: 'h',
    'tcp-service': 't',
    'udp-service': 'u',
    'fwmark-service': 'f',
    scheduler: 's',
    persistent: 'p',
    netmask: 'M',
    'real-server': 'r',
    gatewaying: 'g',
    ipip: 'i',
    masquerading: 'm',
    weight: 'w',
    'u-threshold': 'x',
    'l-threshold': 'y',
    connection: 'c',
    numeric: 'n',
    ops: 'o',
    stats: 'stats',
    rate: 'rate',
    thresholds: 'thresholds',
    'persistent-conn': 'persistent-conn',
    timeout: 'timeout',
    exact: 'exact',
    nosort: 'nosort',
    sort: 'sort',
  }),
);
const COMMANDS = new Set(['A', 'E', 'D', 'C', 'R', 'S', 'a', 'e', 'd', 'L', 'l', 'Z', 'set', 'h']);
const WITH_VALUE = new Set(['t', 'u', 'f', 's', 'M', 'r', 'w', 'x', 'y']);

/** ipvs_strerror: what each refusal is called, by order. */
const REFUSALS: Readonly<Record<'service' | 'destination', Readonly<Record<IpvsError, string>>>> = {
  service: {
    EEXIST: 'Service already exists',
    ENOENT: 'Scheduler or persistence engine not found',
    ESRCH: 'No such service',
    EINVAL: 'Invalid operation.  Possibly wrong module version, address not unicast, ...',
  },
  destination: {
    EEXIST: 'Destination already exists',
    ENOENT: 'No such destination',
    ESRCH: 'Service not defined',
    EINVAL: 'Invalid operation.  Possibly wrong module version, address not unicast, ...',
  },
};

interface Call {
  readonly command: string;
  readonly options: ReadonlyMap<string, string>;
  readonly operands: readonly string[];
}

function wrong(text: string): CommandFailure {
  return new CommandFailure(text, EXIT_USAGE);
}

function parse(args: readonly string[]): Call {
  let command = '';
  const options = new Map<string, string>();
  const operands: string[] = [];
  const take = (name: string, rest: string | null, i: number): number => {
    if (COMMANDS.has(name)) {
      if (command !== '') throw wrong('multiple commands specified');
      command = name === 'l' ? 'L' : name;
      return i;
    }
    if (options.has(name)) throw wrong(`multiple '${name}' options specified`);
    if (name === 'p') {
      // The seconds may follow as a word of their own.
      const next = rest ?? args[i + 1];
      const given = next !== undefined && /^\d+$/.test(next);
      options.set('p', given ? next : String(PERSISTENCE_DEFAULT));
      return given && rest === null ? i + 1 : i;
    }
    if (!WITH_VALUE.has(name)) {
      options.set(name, '');
      return i;
    }
    const value = rest ?? args[i + 1];
    if (value === undefined) throw wrong(`-${name}: missing argument`);
    options.set(name, value);
    return rest === null ? i + 1 : i;
  };
  for (let i = 0; i < args.length; i++) {
    const word = args[i]!;
    if (word.startsWith('--')) {
      const [long, value] = word.slice(2).split('=', 2);
      const name = LONG.get(long!);
      if (name === undefined) throw wrong(`${word}: unknown option`);
      i = take(name, value ?? null, i);
    } else if (word.startsWith('-') && word.length > 1) {
      for (let k = 1; k < word.length; k++) {
        const letter = word[k]!;
        if (!COMMANDS.has(letter) && !WITH_VALUE.has(letter) && !'pgimcno46'.includes(letter)) {
          throw wrong(`-${letter}: unknown option`);
        }
        const rest = word.slice(k + 1);
        if (WITH_VALUE.has(letter) || (letter === 'p' && /^\d+$/.test(rest))) {
          i = take(letter, rest === '' ? null : rest, i);
          break;
        }
        i = take(letter, null, i);
      }
    } else operands.push(word);
  }
  return { command, options, operands };
}

/** host:port; a host alone has port 0. */
function endpoint(text: string): { address: Ipv4; port: number } | null {
  const [host, port, ...more] = text.split(':');
  const address = parseIpv4(host ?? '');
  if (address === null || more.length > 0) return null;
  if (port === undefined) return { address, port: 0 };
  return /^\d{1,5}$/.test(port) && Number(port) <= 0xffff ? { address, port: Number(port) } : null;
}

function serviceOf(call: Call): Pick<IpvsServiceSpec, 'protocol' | 'address' | 'port' | 'fwmark'> | null {
  const { options } = call;
  const mark = options.get('f');
  if (mark !== undefined) {
    if (!/^\d{1,10}$/.test(mark) || Number(mark) === 0 || Number(mark) > 0xffffffff) {
      throw wrong(`invalid fwmark value \`${mark}' specified`);
    }
    return { protocol: 0, address: 0, port: 0, fwmark: Number(mark) | 0 };
  }
  for (const [option, protocol] of [
    ['t', IpProtocol.TCP],
    ['u', IpProtocol.UDP],
  ] as const) {
    const text = options.get(option);
    if (text === undefined) continue;
    const at = endpoint(text);
    if (at === null) throw wrong('illegal virtual server address[:port] specified');
    return { protocol, ...at, fwmark: 0 };
  }
  return null;
}

function needService(call: Call): NonNullable<ReturnType<typeof serviceOf>> {
  const service = serviceOf(call);
  if (service !== null) return service;
  throw wrong(`You need to supply the 'service-address' option for the '${commandName(call.command)}' command`);
}

function commandName(letter: string): string {
  for (const [long, short] of LONG) if (short === letter) return long;
  return letter;
}

function numberOf(call: Call, option: string, otherwise: number, name: string): number {
  const text = call.options.get(option);
  if (text === undefined) return otherwise;
  if (!/^\d{1,10}$/.test(text) || Number(text) > (option === 'w' ? WEIGHT_MAX : 0xffffffff)) {
    throw wrong(`illegal ${name} specified`);
  }
  return Number(text);
}

function fullService(call: Call): IpvsServiceSpec {
  const service = needService(call);
  const scheduler = call.options.get('s') ?? 'wlc';
  if (!isIpvsScheduler(scheduler)) {
    throw new CommandFailure(
      `${REFUSALS.service.ENOENT}: ${scheduler} (emulated are ${IPVS_SCHEDULERS.join(', ')})`,
      EXIT_REFUSED,
    );
  }
  const persistence = call.options.get('p');
  if (service.fwmark === 0 && service.port === 0 && persistence === undefined) {
    throw wrong('Zero port specified for non-persistent service');
  }
  if (call.options.has('o') && service.protocol === IpProtocol.TCP) {
    throw wrong('One-Packet Scheduling is only for UDP virtual services');
  }
  const mask = call.options.get('M');
  const persistenceMask = mask === undefined ? -1 : parseIpv4(mask);
  if (persistenceMask === null) throw wrong('illegal virtual server persistent mask specified');
  if (persistence !== undefined && Number(persistence) === 0) {
    throw wrong(`invalid timeout value \`${persistence}' specified`);
  }
  return {
    ...service,
    scheduler,
    persistence: Number(persistence ?? 0) * NS_PER_S,
    persistenceMask,
    onePacket: call.options.has('o'),
  };
}

function destination(call: Call): IpvsDestinationSpec {
  const text = call.options.get('r');
  if (text === undefined) {
    throw wrong(`You need to supply the 'real-server' option for the '${commandName(call.command)}' command`);
  }
  const at = endpoint(text);
  if (at === null) throw wrong('illegal real server address[:port] specified');
  return {
    ...at,
    // A real server without a port listens on the service's.
    port: at.port !== 0 ? at.port : needService(call).port,
    weight: numberOf(call, 'w', 1, 'weight'),
    upper: numberOf(call, 'x', 0, 'u_threshold'),
    lower: numberOf(call, 'y', 0, 'l_threshold'),
  };
}

function refused(error: IpvsError | null, about: 'service' | 'destination'): number {
  if (error === null) return 0;
  throw new CommandFailure(REFUSALS[about][error], EXIT_REFUSED);
}

function known(ipvs: Ipvs, call: Call, about: 'service' | 'destination'): IpvsService {
  const { protocol, address, port, fwmark } = needService(call);
  const service = ipvs.findService(protocol, address, port, fwmark);
  if (service === null) throw new CommandFailure(REFUSALS[about].ESRCH, EXIT_REFUSED);
  return service;
}

function list(ipvs: Ipvs, call: Call, ctx: ShellContext): number {
  const { options } = call;
  const listings: readonly [string, IpvsListing][] = [
    ['stats', 'stats'],
    ['thresholds', 'thresholds'],
    ['persistent-conn', 'persistent'],
  ];
  if (options.has('rate'))
    throw wrong('podwire keeps no rates of IPVS (their estimator runs on wall time): use --stats');
  if (options.has('timeout')) {
    const { tcp, udp } = ipvs.timeouts;
    const seconds = [tcp[1]!, tcp[4]!, udp].map((ns) => ns / NS_PER_S).join(' ');
    ctx.out(`Timeout (tcp tcpfin udp): ${seconds}\n`);
    return 0;
  }
  if (options.has('c')) {
    ctx.out(listConnections(ipvs, ctx.sim.now, { portName: null }));
    return 0;
  }
  const only = serviceOf(call) === null ? null : known(ipvs, call, 'service');
  ctx.out(
    listServices(ipvs, only, {
      listing: listings.find(([option]) => options.has(option))?.[1] ?? 'plain',
      exact: options.has('exact'),
      sorted: !options.has('nosort'),
      portName: null,
    }),
  );
  return 0;
}

function setTimeouts(ipvs: Ipvs, operands: readonly string[]): number {
  if (operands.length !== 3) throw wrong('--set option requires 3 timeout values');
  const values = operands.map((text) => {
    if (!/^\d{1,9}$/.test(text)) throw wrong(`invalid timeout value \`${text}' specified`);
    return Number(text) * NS_PER_S;
  });
  // Zero leaves a value as it is.
  if (values[0] !== 0) ipvs.timeouts.tcp[1] = values[0]!;
  if (values[1] !== 0) ipvs.timeouts.tcp[4] = values[1]!;
  if (values[2] !== 0) ipvs.timeouts.udp = values[2]!;
  return 0;
}

function execute(ipvs: Ipvs, args: readonly string[], ctx: ShellContext): number {
  const call = parse(args);
  if (call.options.has('g') || call.options.has('i')) {
    throw wrong('podwire emulates IPVS forwarding by masquerading only: use -m');
  }
  const { command } = call;
  if (call.operands.length > 0 && command !== 'set') throw wrong(`unexpected argument ${call.operands[0]}`);
  switch (command) {
    case '':
    case 'L':
      return list(ipvs, call, ctx);
    case 'A':
      return refused(ipvs.addService(fullService(call)), 'service');
    case 'E':
      return refused(ipvs.editService(fullService(call)), 'service');
    case 'D': {
      const { protocol, address, port, fwmark } = needService(call);
      return refused(ipvs.deleteService(protocol, address, port, fwmark), 'service');
    }
    case 'C':
      ipvs.flush();
      return 0;
    case 'a':
      return refused(ipvs.addDestination(known(ipvs, call, 'destination'), forwarded(call)), 'destination');
    case 'e':
      return refused(ipvs.editDestination(known(ipvs, call, 'destination'), forwarded(call)), 'destination');
    case 'd': {
      const { address, port } = destination(call);
      return refused(ipvs.deleteDestination(known(ipvs, call, 'destination'), address, port), 'destination');
    }
    case 'S':
      ctx.out(saveServices(ipvs, { sorted: !call.options.has('nosort'), portName: null }));
      return 0;
    case 'R':
      return restore(ipvs, ctx);
    case 'Z':
      ipvs.zero(serviceOf(call) === null ? null : known(ipvs, call, 'service'));
      return 0;
    case 'set':
      return setTimeouts(ipvs, call.operands);
    default:
      ctx.out(usage());
      return 0;
  }
}

/** The default method of ipvsadm is direct routing, which is not emulated: it has to be chosen otherwise. */
function forwarded(call: Call): IpvsDestinationSpec {
  if (call.options.has('m')) return destination(call);
  throw wrong("podwire emulates IPVS forwarding by masquerading only: add -m (ipvsadm's default is direct routing)");
}

/** Lines as -S prints them; the first one that fails ends it. */
function restore(ipvs: Ipvs, ctx: ShellContext): number {
  for (const line of ctx.stdin.split('\n')) {
    const words = line
      .trim()
      .split(/\s+/)
      .filter((w) => w !== '');
    if (words.length === 0 || words[0]!.startsWith('#')) continue;
    const status = execute(ipvs, words, ctx);
    if (status !== 0) return status;
  }
  return 0;
}

function usage(): string {
  return [
    'ipvsadm v1.31, as podwire emulates it',
    'Usage:',
    '  ipvsadm -A|E virtual-service [-s scheduler] [-p [timeout]] [-M netmask] [-o]',
    '  ipvsadm -D virtual-service',
    '  ipvsadm -C',
    '  ipvsadm -R',
    '  ipvsadm -S [-n]',
    '  ipvsadm -a|e virtual-service -r server-address -m [-w weight] [-x upper] [-y lower]',
    '  ipvsadm -d virtual-service -r server-address',
    '  ipvsadm -L|l [virtual-service] [-n] [-c] [--stats] [--thresholds] [--persistent-conn] [--timeout] [--exact] [--nosort]',
    '  ipvsadm -Z [virtual-service]',
    '  ipvsadm --set tcp tcpfin udp',
    'virtual-service: -t host:port, -u host:port or -f mark',
    `scheduler: ${IPVS_SCHEDULERS.join(' ')} (wlc when none is given)`,
    '',
  ].join('\n');
}

async function run(args: readonly string[], ctx: ShellContext): Promise<number> {
  return guarded(ctx, () => execute(ipvsOf(netfilterOf(ctx.netns)), args, ctx));
}

export const commands: readonly ShellCommand[] = [
  { name: 'ipvsadm', summary: 'virtual services of IPVS and their real servers', run },
  {
    name: 'ipvsadm-save',
    summary: 'IPVS services as commands that ipvsadm-restore reads',
    run: (args, ctx) => run(['-S', ...args], ctx),
  },
  { name: 'ipvsadm-restore', summary: 'IPVS services from ipvsadm-save', run: (_args, ctx) => run(['-R'], ctx) },
];
