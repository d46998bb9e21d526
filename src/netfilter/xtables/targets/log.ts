// -j LOG and -j NFLOG (extensions/libxt_LOG.c, libxt_NFLOG.c): a line in the log becomes a note on the packet in the capture.
// -j TRACE, likewise.

import { formatIpv4 } from '../../../addr/ipv4.ts';
import type { Packet } from '../../packet.ts';
import { Verdict } from '../../verdict.ts';
import type { CompileContext } from '../compile-context.ts';
import { type OptionValue, RuleError } from '../extension-option.ts';
import { uintOption, unsigned } from '../option-text.ts';
import { protocolName } from '../protocol-names.ts';
import { quoteText } from '../quoted-text.ts';
import type { Action, Target, TargetType } from '../target.ts';

const { CONTINUE } = Verdict;

/** syslog(3), by number */
const LEVELS: readonly (readonly string[])[] = [
  ['emerg', 'panic'],
  ['alert'],
  ['crit'],
  ['err', 'error'],
  ['warn', 'warning'],
  ['notice'],
  ['info'],
  ['debug'],
];
const LEVEL_DEFAULT = 4;
/** xt_log_info.prefix with the zero at the end */
const PREFIX_MAX = 30;
/** XT_LOG_*, in the order in which they are written */
const FLAGS: readonly (readonly [name: string, bit: number])[] = [
  ['tcp-sequence', 0x01],
  ['tcp-options', 0x02],
  ['ip-options', 0x04],
  ['uid', 0x08],
  ['macdecode', 0x20],
];

class LogTarget implements Target {
  readonly name = 'LOG';
  #prefix = '';
  #level = LEVEL_DEFAULT;
  #flags = 0;

  parse(option: OptionValue): void {
    if (option.name === 'log-prefix') this.#prefix = option.value.slice(0, PREFIX_MAX - 1);
    else if (option.name === 'log-level') {
      const number = unsigned(option.value, 7);
      const named = LEVELS.findIndex((names) => names.includes(option.value));
      if (number === null && named < 0) throw new RuleError(`log level "${option.value}" unknown\n`);
      this.#level = number ?? named;
    } else this.#flags |= FLAGS.find(([name]) => `log-${name}` === option.name)?.[1] ?? 0;
  }

  finish(): void {}

  save(): string {
    let text = this.#prefix === '' ? '' : ` --log-prefix ${quoteText(this.#prefix)}`;
    if (this.#level !== LEVEL_DEFAULT) text += ` --log-level ${this.#level}`;
    for (const [name, bit] of FLAGS) if ((this.#flags & bit) !== 0) text += ` --log-${name}`;
    return text;
  }

  list(numeric: boolean): string {
    let text = ' LOG';
    if (numeric) text += ` flags ${this.#flags} level ${this.#level}`;
    else {
      text += ` level ${LEVELS[this.#level]![0]}`;
      for (const [name, bit] of FLAGS) if ((this.#flags & bit) !== 0) text += ` ${name}`;
    }
    return this.#prefix === '' ? text : `${text} prefix "${this.#prefix}"`;
  }

  compile({ host }: CompileContext): Action {
    const prefix = this.#prefix;
    return (p) => {
      if (host.wantsNotes) host.note(p.frame, `LOG ${prefix}${logLine(p, host.deviceName.bind(host))}`);
      return CONTINUE;
    };
  }
}

/** The begin of the line that nf_log_syslog writes. */
function logLine(p: Packet, name: (index: number) => string): string {
  const ports = p.destinationPort < 0 ? '' : ` SPT=${p.sourcePort} DPT=${p.destinationPort}`;
  const protocol = protocolName(p.protocol)?.toUpperCase() ?? String(p.protocol);
  const into = p.inDevice === 0 ? '' : name(p.inDevice);
  const out = p.outDevice === 0 ? '' : name(p.outDevice);
  return `IN=${into} OUT=${out} SRC=${formatIpv4(p.source)} DST=${formatIpv4(p.destination)} LEN=${p.length} PROTO=${protocol}${ports}`;
}

export const logTarget: TargetType = {
  name: 'LOG',
  options: [
    { name: 'log-prefix', argument: 'required' },
    { name: 'log-level', argument: 'required' },
    ...FLAGS.map(([name]) => ({ name: `log-${name}`, argument: 'none' }) as const),
  ],
  create: () => new LogTarget(),
};

class NflogTarget implements Target {
  readonly name = 'NFLOG';
  #prefix = '';
  #group = 0;

  parse(option: OptionValue): void {
    if (option.name === 'nflog-prefix') this.#prefix = option.value;
    else this.#group = uintOption(option, 0, 0xffff);
  }

  finish(): void {}

  #text(prefix: string): string {
    let text = this.#prefix === '' ? '' : ` ${prefix}nflog-prefix ${this.#quoted(prefix)}`;
    if (this.#group !== 0) text += ` ${prefix}nflog-group ${this.#group}`;
    return text;
  }

  #quoted(prefix: string): string {
    return prefix === '' ? this.#prefix : quoteText(this.#prefix);
  }

  save(): string {
    return this.#text('--');
  }

  list(): string {
    return this.#text('');
  }

  compile({ host }: CompileContext): Action {
    const prefix = this.#prefix;
    return (p) => {
      if (host.wantsNotes) host.note(p.frame, `NFLOG ${prefix} group ${this.#group}`);
      return CONTINUE;
    };
  }
}

export const nflogTarget: TargetType = {
  name: 'NFLOG',
  options: [
    { name: 'nflog-prefix', argument: 'required' },
    { name: 'nflog-group', argument: 'required' },
  ],
  create: () => new NflogTarget(),
};

class TraceTarget implements Target {
  readonly name = 'TRACE';

  parse(): void {}

  finish(): void {}

  save(): string {
    return '';
  }

  list(): string {
    return '';
  }

  compile({ host, table }: CompileContext): Action {
    return (p) => {
      if (host.wantsNotes) host.note(p.frame, `TRACE ${table}: ${logLine(p, host.deviceName.bind(host))}`);
      return CONTINUE;
    };
  }
}

export const traceTarget: TargetType = {
  name: 'TRACE',
  options: [],
  tables: ['raw'],
  create: () => new TraceTarget(),
};
