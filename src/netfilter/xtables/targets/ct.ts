// -j CT and -j NOTRACK (extensions/libxt_CT.c, net/netfilter/xt_CT.c): whether and in which zone conntrack will look. A zone
// travels on the packet as a template; conntrack takes it off.

import * as frames from '../../../link/frame.ts';
import { CtInfo, CtStatus, NfConn, setCt, setUntracked } from '../../conntrack/nf-conn.ts';
import { Verdict } from '../../verdict.ts';
import type { CompileContext } from '../compile-context.ts';
import { type OptionValue, RuleError } from '../extension-option.ts';
import { unsigned } from '../option-text.ts';
import type { Action, Target, TargetType } from '../target.ts';

const { frameCtInfo, frameMark } = frames;
const { CONTINUE } = Verdict;
const ZONE_MAX = 0xffff;
/** IPCT_* by their names in --ctevents; events are counted here, not chosen */
const EVENTS = [
  'new',
  'related',
  'destroy',
  'reply',
  'assured',
  'protoinfo',
  'helper',
  'mark',
  'natseqinfo',
  'secmark',
];

class CtTarget implements Target {
  readonly name = 'CT';
  #notrack = false;
  #events: readonly string[] = [];
  #zoneOption = '';
  #zone = 0;
  #zoneOfMark = false;

  parse(option: OptionValue): void {
    if (option.name === 'notrack') this.#notrack = true;
    else if (option.name === 'ctevents') {
      this.#events = option.value.split(',');
      const unknown = this.#events.find((e) => !EVENTS.includes(e));
      if (unknown !== undefined) throw new RuleError(`Unknown event type "${unknown}"`);
    } else {
      this.#zoneOption = option.name;
      this.#zoneOfMark = option.value === 'mark';
      const zone = this.#zoneOfMark ? 0 : unsigned(option.value, ZONE_MAX);
      if (zone === null) throw new RuleError(`Cannot parse ${option.value} as a zone ID\n`);
      this.#zone = zone;
    }
  }

  finish(): void {}

  save(): string {
    return this.#text('--');
  }

  list(): string {
    return ` CT${this.#text('')}`;
  }

  #text(prefix: string): string {
    let text = this.#notrack ? ` ${prefix}notrack` : '';
    if (this.#events.length > 0) {
      text += ` ${prefix}ctevents ${EVENTS.filter((e) => this.#events.includes(e)).join(',')}`;
    }
    if (this.#zoneOption !== '') text += ` ${prefix}${this.#zoneOption} ${this.#zoneOfMark ? 'mark' : this.#zone}`;
    return text;
  }

  compile(context: CompileContext): Action {
    if (this.#notrack) return notrack;
    const { conntrack } = context;
    if (conntrack === null || this.#zoneOption === '') return () => CONTINUE;
    const template = new NfConn(conntrack, 0, 0, false);
    template.status = CtStatus.TEMPLATE | CtStatus.CONFIRMED;
    const original = this.#zoneOption !== 'zone-reply';
    const reply = this.#zoneOption !== 'zone-orig';
    if (original) template.oZone = this.#zone;
    if (reply) template.rZone = this.#zone;
    const ofMark = this.#zoneOfMark;
    return (p) => {
      if (frameCtInfo[p.frame] !== 0) return CONTINUE;
      if (ofMark) {
        // Conntrack reads the template before the next packet comes: one serves all.
        const zone = frameMark[p.frame]! & ZONE_MAX;
        if (original) template.oZone = zone;
        if (reply) template.rZone = zone;
      }
      setCt(p.frame, template, CtInfo.NEW);
      return CONTINUE;
    };
  }
}

const notrack: Action = (p) => {
  if (frameCtInfo[p.frame] === 0) setUntracked(p.frame);
  return CONTINUE;
};

const ZONES = ['zone', 'zone-orig', 'zone-reply'];

export const ctTarget: TargetType = {
  name: 'CT',
  options: [
    { name: 'notrack', argument: 'none' },
    { name: 'ctevents', argument: 'required' },
    ...ZONES.map((name) => ({ name, argument: 'required', excludes: ZONES.filter((n) => n !== name) }) as const),
  ],
  tables: ['raw'],
  usesConntrack: true,
  create: () => new CtTarget(),
};

class NotrackTarget implements Target {
  readonly name = 'NOTRACK';
  readonly listName = 'CT';

  parse(): void {}

  finish(): void {}

  save(): string {
    return '';
  }

  list(): string {
    return ' NOTRACK';
  }

  compile(): Action {
    return notrack;
  }
}

export const notrackTarget: TargetType = {
  name: 'NOTRACK',
  options: [],
  tables: ['raw'],
  usesConntrack: true,
  create: () => new NotrackTarget(),
};
