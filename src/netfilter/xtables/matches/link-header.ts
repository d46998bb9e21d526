// Matches that ask the Ethernet header in front of a packet that came in: mac (its source), pkttype (whom it was for)
// (extensions/libxt_mac.c, libxt_pkttype.c).

import * as frames from '../../../link/frame.ts';
import { Hook } from '../../hook.ts';
import type { Packet } from '../../packet.ts';
import { type OptionValue, RuleError } from '../extension-option.ts';
import type { Match, MatchType, Test } from '../match.ts';

const { u8, view } = frames;
/** The Ethernet header ends where the IPv4 header begins (wire/ethernet.ts). */
const DESTINATION_BEFORE = 14;
const SOURCE_BEFORE = 8;

class MacMatch implements Match {
  readonly name = 'mac';
  readonly pure = true;
  #bytes: readonly number[] = [];
  #inverted = false;

  parse(option: OptionValue): void {
    const parts = option.value.split(':');
    if (parts.length !== 6 || !parts.every((p) => /^[0-9a-f]{1,2}$/i.test(p))) {
      throw new RuleError('Invalid MAC address specified.');
    }
    this.#bytes = parts.map((p) => Number.parseInt(p, 16));
    this.#inverted = option.inverted;
  }

  finish(): void {}

  #text(): string {
    return this.#bytes.map((b) => b.toString(16).padStart(2, '0')).join(':');
  }

  save(): string {
    return `${this.#inverted ? ' !' : ''} --mac-source ${this.#text()}`;
  }

  list(): string {
    return ` MAC${this.#inverted ? ' !' : ''} ${this.#text()}`;
  }

  refusedAt(hook: Hook): boolean {
    return hook === Hook.LOCAL_OUT || hook === Hook.POST_ROUTING;
  }

  compile(): Test {
    const high = (this.#bytes[0]! << 8) | this.#bytes[1]!;
    const low = (this.#bytes[2]! << 24) | (this.#bytes[3]! << 16) | (this.#bytes[4]! << 8) | this.#bytes[5]! | 0;
    const inverted = this.#inverted;
    return (p) => {
      if (p.inDevice === 0) return false;
      const at = p.at - SOURCE_BEFORE;
      return (view.getUint16(at) === high && view.getInt32(at + 2) === low) !== inverted;
    };
  }
}

export const macMatch: MatchType = {
  name: 'mac',
  options: [{ name: 'mac-source', argument: 'required', invertible: true, mandatory: true }],
  create: () => new MacMatch(),
};

const PACKET_TYPES: Readonly<Record<string, string>> = {
  unicast: 'unicast',
  host: 'unicast',
  broadcast: 'broadcast',
  bcast: 'broadcast',
  multicast: 'multicast',
  mcast: 'multicast',
};

class PkttypeMatch implements Match {
  readonly name = 'pkttype';
  readonly pure = true;
  #type = 'unicast';
  #inverted = false;

  parse(option: OptionValue): void {
    const type = PACKET_TYPES[option.value.toLowerCase()];
    if (type === undefined) throw new RuleError(`Bad packet type '${option.value}'`);
    this.#type = type;
    this.#inverted = option.inverted;
  }

  finish(): void {}

  save(): string {
    return `${this.#inverted ? ' !' : ''} --pkt-type ${this.#type}`;
  }

  list(): string {
    return ` PKTTYPE ${this.#inverted ? '!=' : '='} ${this.#type}`;
  }

  compile(): Test {
    const type = this.#type;
    const inverted = this.#inverted;
    return (p) => (packetType(p) === type) !== inverted;
  }
}

/** A packet that was made here is for its host, whatever its address (pkt_type PACKET_HOST). */
function packetType(p: Packet): string {
  if (p.inDevice === 0) return 'unicast';
  const at = p.at - DESTINATION_BEFORE;
  if ((u8[at]! & 1) === 0) return 'unicast';
  return view.getUint16(at) === 0xffff && view.getInt32(at + 2) === -1 ? 'broadcast' : 'multicast';
}

export const pkttypeMatch: MatchType = {
  name: 'pkttype',
  options: [{ name: 'pkt-type', argument: 'required', invertible: true, mandatory: true }],
  create: () => new PkttypeMatch(),
};
