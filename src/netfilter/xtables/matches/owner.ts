// -m owner (extensions/libxt_owner.c, net/netfilter/xt_owner.c): whose socket sent the packet. All programs of podwire run as
// root (uid 0, gid 0); what the kernel itself sends (ICMP errors) has no socket.

import * as frames from '../../../link/frame.ts';
import { IpProtocol } from '../../../wire/ipv4.ts';
import { Hook } from '../../hook.ts';
import { type OptionValue, RuleError } from '../extension-option.ts';
import type { Match, MatchType, Test } from '../match.ts';
import { unsigned } from '../option-text.ts';

const { view } = frames;
const { ICMP } = IpProtocol;
const ECHO_REQUEST = 8;
const ROOT = 0;
const ID_MAX = 0xffff_ffff;
/** /etc/passwd and /etc/group of Debian 12, their first entries */
const USERS = ['root', 'daemon', 'bin', 'sys', 'sync', 'games', 'man', 'lp', 'mail', 'news'];
const GROUPS = ['root', 'daemon', 'bin', 'sys', 'adm', 'tty', 'disk', 'lp', 'mail', 'news'];

interface Ids {
  readonly low: number;
  readonly high: number;
  readonly inverted: boolean;
}

class OwnerMatch implements Match {
  readonly name = 'owner';
  readonly pure = true;
  #user: Ids | null = null;
  #group: Ids | null = null;
  #socket: { readonly inverted: boolean } | null = null;

  parse(option: OptionValue): void {
    if (option.name === 'socket-exists') this.#socket = { inverted: option.inverted };
    else if (option.name === 'uid-owner') this.#user = parseIds(option, USERS);
    else this.#group = parseIds(option, GROUPS);
  }

  finish(): void {
    if (this.#user === null && this.#group === null && this.#socket === null) {
      throw new RuleError('owner: At least one of --uid-owner, --gid-owner or --socket-exists is required');
    }
  }

  refusedAt(hook: Hook): boolean {
    return hook !== Hook.LOCAL_OUT && hook !== Hook.POST_ROUTING;
  }

  save(): string {
    const text = (ids: Ids | null, name: string): string =>
      ids === null ? '' : `${ids.inverted ? ' !' : ''} --${name} ${idsText(ids, null)}`;
    const socket = this.#socket === null ? '' : `${this.#socket.inverted ? ' !' : ''} --socket-exists`;
    return socket + text(this.#user, 'uid-owner') + text(this.#group, 'gid-owner');
  }

  list(numeric: boolean): string {
    const text = (ids: Ids | null, name: string, names: readonly string[]): string =>
      ids === null ? '' : `${ids.inverted ? ' !' : ''} owner ${name} match ${idsText(ids, numeric ? null : names)}`;
    const socket = this.#socket === null ? '' : `${this.#socket.inverted ? ' !' : ''} owner socket exists`;
    return socket + text(this.#user, 'UID', USERS) + text(this.#group, 'GID', GROUPS);
  }

  compile(): Test {
    const user = this.#user;
    const group = this.#group;
    const socket = this.#socket;
    const fits = (ids: Ids): boolean => (ROOT >= ids.low && ROOT <= ids.high) !== ids.inverted;
    const root = (user === null || fits(user)) && (group === null || fits(group));
    return (p) => {
      const owned = p.inDevice === 0 && (p.protocol !== ICMP || view.getUint8(p.transport) === ECHO_REQUEST);
      if (socket !== null && owned === socket.inverted) return false;
      // Without a socket only inverted questions are answered with yes.
      if (!owned) return (user === null || user.inverted) && (group === null || group.inverted);
      return root;
    };
  }
}

function parseIds(option: OptionValue, names: readonly string[]): Ids {
  const bad = (): RuleError => new RuleError(`owner: Bad value for "--${option.name}" option: "${option.value}"`);
  const named = names.indexOf(option.value);
  if (named >= 0) return { low: named, high: named, inverted: option.inverted };
  const [first = '', last = first] = option.value.split('-', 2);
  const low = unsigned(first, ID_MAX);
  const high = unsigned(last, ID_MAX);
  if (low === null || high === null) throw bad();
  return { low, high, inverted: option.inverted };
}

function idsText(ids: Ids, names: readonly string[] | null): string {
  return ids.low === ids.high ? (names?.[ids.low] ?? String(ids.low)) : `${ids.low}-${ids.high}`;
}

export const ownerMatch: MatchType = {
  name: 'owner',
  options: [
    { name: 'uid-owner', argument: 'required', invertible: true },
    { name: 'gid-owner', argument: 'required', invertible: true },
    { name: 'socket-exists', argument: 'none', invertible: true },
  ],
  create: () => new OwnerMatch(),
};
