// `ip address`: add, change, replace, del, show, flush (iproute2 6.1 ip/ipaddress.c). IPv4 only.

import { formatIpv4, type Ipv4, type Ipv4Prefix, ipv4InPrefix, maskIpv4 } from '../../addr/ipv4.ts';
import type { NetDevice } from '../../link/device.ts';
import { addAddress, deleteAddress, dropAddress } from '../../stack/address-control.ts';
import { Scope } from '../../stack/fib.ts';
import type { InetAddress } from '../../stack/in-device.ts';
import { refuse } from '../../stack/netlink-error.ts';
import {
  Arguments,
  accept,
  CommandFailure,
  deviceOf,
  duplicate,
  EXIT_FAILED,
  EXIT_USAGE,
  garbage,
  invalid,
  matches,
  notEmulated,
  parseAddress,
  prefixOf,
  refused,
  usageError,
} from './ip-arguments.ts';
import type { IpCall } from './ip-call.ts';
import { emptyLinkFilter, filterLinks, type LinkFilter, readLinkFilter } from './ip-link.ts';
import { printBrief, printLink } from './ip-link-show.ts';
import { parseScope, scopeName } from './ip-names.ts';
import type { Printer } from './ip-printer.ts';

const USAGE = `Usage: ip address { add | change | replace } ADDRESS[/LENGTH] dev NAME [ peer ADDRESS[/LENGTH] ] [ broadcast { + | - | ADDRESS } ]
                  [ scope SCOPE ] [ label LABEL ] [ noprefixroute ]
       ip address del ADDRESS[/LENGTH] dev NAME [ label LABEL ]
       ip address { show | flush } [ [ dev ] NAME ] [ scope SCOPE ] [ to PREFIX ] [ label PATTERN ] [ primary | secondary ] [ up ]`;

/** "forever" in JSON: INFINITY_LIFE_TIME */
const FOREVER = 4_294_967_295;

export function ipAddress(call: IpCall, words: readonly string[]): number {
  const verb = words[0] ?? 'show';
  const args = new Arguments(words.slice(1));
  if (matches(verb, 'add')) return modify(call, args, 'add');
  if (matches(verb, 'change') || verb === 'chg') return modify(call, args, 'replace');
  if (matches(verb, 'replace')) return modify(call, args, 'replace');
  if (matches(verb, 'delete')) return modify(call, args, 'delete');
  if (matches(verb, 'show') || matches(verb, 'lst') || matches(verb, 'list')) return show(call, args);
  if (matches(verb, 'flush')) return flush(call, args);
  if (verb === 'save' || verb === 'restore' || verb === 'showdump') throw notEmulated('ip', `address ${verb}`);
  if (matches(verb, 'help')) throw usageError(USAGE);
  throw usageError(`Command "${verb}" is unknown, try "ip address help".`);
}

// -- changes -------------------------------------------------------------------------------------------------------

interface AddressWords {
  local: (Ipv4Prefix & { readonly explicit: boolean }) | null;
  peer: Ipv4Prefix | null;
  /** the word: +, - or an address */
  broadcast: string | null;
  scope: number | null;
  label: string | null;
  dev: string | null;
  noPrefixRoute: boolean;
}

function readAddress(args: Arguments): AddressWords {
  const w: AddressWords = {
    local: null,
    peer: null,
    broadcast: null,
    scope: null,
    label: null,
    dev: null,
    noPrefixRoute: false,
  };
  while (!args.done) {
    const word = args.next();
    if (word === 'peer' || word === 'remote') {
      if (w.peer !== null) throw duplicate('peer', args.peek);
      w.peer = prefixOf(args.next());
    } else if (matches(word, 'broadcast') || word === 'brd') {
      if (w.broadcast !== null) throw duplicate('broadcast', args.peek);
      w.broadcast = args.next();
    } else if (word === 'scope') {
      const name = args.next();
      w.scope = parseScope(name);
      if (w.scope === null) throw invalid('invalid scope value.', name);
    } else if (word === 'dev') w.dev = args.next();
    else if (word === 'label') w.label = args.next();
    else if (word === 'noprefixroute') w.noPrefixRoute = true;
    else if (matches(word, 'valid_lft') || matches(word, 'preferred_lft')) {
      const time = args.next();
      if (time !== 'forever') throw notEmulated('ip', `a limited address lifetime (${word} ${time})`);
    } else if (
      ['anycast', 'metric', 'priority', 'proto', 'home', 'mngtmpaddr', 'nodad', 'optimistic', 'autojoin'].includes(word)
    ) {
      throw notEmulated('ip', `address ${word}`);
    } else if (word === 'help') throw usageError(USAGE);
    else {
      const text = word === 'local' ? args.next() : word;
      if (w.local !== null) throw garbage('local', text);
      w.local = { ...prefixOf(text), explicit: text.includes('/') };
    }
  }
  return w;
}

function modify(call: IpCall, args: Arguments, mode: 'add' | 'replace' | 'delete'): number {
  const w = readAddress(args);
  if (w.dev === null) throw new CommandFailure('Not enough information: "dev" argument is required.', EXIT_FAILED);
  const { local } = w;
  if (mode === 'delete' && local !== null && w.peer === null && !local.explicit) {
    call.ctx.err(WILDCARD_WARNING(formatIpv4(local.address)));
  }
  const idev = call.netns.inDevice(deviceOf(call.netns, w.dev));
  if (local === null) throw refused(refuse('EOPNOTSUPP'));
  const far = w.peer ?? local;
  if (mode === 'delete') {
    const prefix = w.peer === null && !local.explicit ? null : far;
    accept(deleteAddress(idev, { local: local.address, prefix, label: w.label }));
    return 0;
  }
  accept(
    addAddress(idev, {
      local: local.address,
      length: far.length,
      peer: w.peer === null ? null : w.peer.address,
      broadcast: broadcastOf(w.broadcast, far),
      scope: w.scope ?? (local.address >>> 24 === 127 ? Scope.HOST : Scope.GLOBAL),
      label: w.label,
      noPrefixRoute: w.noPrefixRoute,
      replace: mode === 'replace',
    }),
  );
  return 0;
}

/** `brd +` sets all host bits, `brd -` clears them; subnets too small for a broadcast have none. */
function broadcastOf(word: string | null, prefix: Ipv4Prefix): Ipv4 {
  if (word === null) return 0;
  if (word !== '+' && word !== '-') {
    const address = parseAddress(word);
    if (address !== null) return address;
    throw new CommandFailure(`Error: inet address is expected rather than "${word}".`, EXIT_FAILED);
  }
  if (prefix.length > 30) return 0;
  const mask = maskIpv4(prefix.length);
  return word === '+' ? prefix.address | ~mask : prefix.address & mask;
}

const WILDCARD_WARNING = (address: string): string =>
  'Warning: Executing wildcard deletion to stay compatible with old scripts.\n' +
  `         Explicitly specify the prefix length (${address}/32) to avoid this warning.\n` +
  '         This special behaviour is likely to disappear in further releases,\n' +
  '         fix your scripts!\n';

// -- show and flush ------------------------------------------------------------------------------------------------

interface AddressFilter extends LinkFilter {
  scope: number | null;
  to: Ipv4Prefix | null;
  label: string | null;
  secondary: boolean | null;
  /** any word was given */
  given: boolean;
}

function readFilter(call: IpCall, args: Arguments): AddressFilter {
  const f: AddressFilter = {
    ...emptyLinkFilter(),
    scope: null,
    to: null,
    label: null,
    secondary: null,
    given: !args.done,
  };
  while (!args.done) {
    if (readLinkFilter(call, args, f)) continue;
    const word = args.next();
    if (word === 'scope') {
      const name = args.next();
      f.scope = name === 'all' ? null : parseScope(name);
      if (f.scope === null && name !== 'all') throw invalid('invalid "scope"\n', name);
    } else if (word === 'to') f.to = prefixOf(args.next());
    else if (word === 'label') f.label = args.next();
    else if (word === 'primary') f.secondary = false;
    else if (word === 'secondary') f.secondary = true;
    else if (word === 'permanent') continue;
    else if (
      ['dynamic', 'tentative', 'deprecated', 'dadfailed', 'temporary', 'noprefixroute', 'autojoin'].includes(word)
    ) {
      throw notEmulated('ip', `address filter ${word}`);
    } else if (word === 'help') throw new CommandFailure(USAGE, EXIT_USAGE);
    else {
      const name = word === 'dev' ? args.next() : word;
      if (f.name !== null) throw garbage('dev', name);
      f.name = name;
    }
  }
  return f;
}

function selected(f: AddressFilter, a: InetAddress): boolean {
  if (f.scope !== null && a.scope !== f.scope) return false;
  if (f.to !== null && (a.length < f.to.length || !ipv4InPrefix(a.local, networkOf(f.to)))) return false;
  if (f.secondary !== null && a.secondary !== f.secondary) return false;
  return f.label === null || labelPattern(f.label).test(a.label);
}

function networkOf(p: Ipv4Prefix): Ipv4Prefix {
  return { address: p.address & maskIpv4(p.length), length: p.length };
}

/** fnmatch(3): * and ? */
function labelPattern(pattern: string): RegExp {
  const source = pattern
    .replaceAll(/[.+^${}()|\\[\]]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`);
}

function show(call: IpCall, args: Arguments): number {
  const f = readFilter(call, args);
  // A label is a matter of IPv4, and of addresses alone.
  const inetOnly = call.options.inet || f.to !== null || f.label !== null;
  const { brief, oneLine } = call.options;
  const links = filterLinks(call, f).filter((dev) => {
    const { addresses } = call.netns.inDevice(dev);
    if (addresses.length === 0) return !inetOnly;
    return addresses.some((a) => selected(f, a));
  });
  const p = call.printer();
  p.list(() => {
    for (const dev of links) {
      p.object(null, () => {
        if (brief) printBrief(call, p, dev, false);
        else if (!oneLine && f.label === null) {
          printLink(call, p, dev, false, inetOnly);
          p.text('\n');
        }
        p.array('addr_info', () => {
          for (const a of call.netns.inDevice(dev).addresses) {
            if (!selected(f, a)) continue;
            if (brief) p.object(null, () => printBriefAddress(p, a));
            else {
              p.object(null, () => {
                if (oneLine) {
                  p.put('index', dev.index, `${dev.index}: `);
                  p.put('dev', dev.name, dev.name);
                }
                printAddress(p, a);
              });
              p.text('\n');
            }
          }
        });
        if (brief) p.text('\n');
      });
    }
  });
  return 0;
}

function printBriefAddress(p: Printer, a: InetAddress): void {
  const peer = a.peer === a.local ? '' : ` peer ${formatIpv4(a.peer)}`;
  p.put('local', formatIpv4(a.local), formatIpv4(a.local));
  if (peer !== '') p.put('address', formatIpv4(a.peer), peer);
  p.put('prefixlen', a.length, `/${a.length} `);
}

function printAddress(p: Printer, a: InetAddress): void {
  p.put('family', 'inet', '    inet ');
  p.put('local', formatIpv4(a.local), formatIpv4(a.local));
  if (a.peer !== a.local) p.put('address', formatIpv4(a.peer), ` peer ${formatIpv4(a.peer)}`);
  p.put('prefixlen', a.length, `/${a.length} `);
  if (a.broadcast !== 0) p.put('broadcast', formatIpv4(a.broadcast), `brd ${formatIpv4(a.broadcast)} `);
  p.put('scope', scopeName(a.scope), `scope ${scopeName(a.scope)} `);
  if (a.secondary) p.put('secondary', true, 'secondary ');
  if (a.noPrefixRoute) p.put('noprefixroute', true, 'noprefixroute ');
  p.put('label', a.label, a.label);
  p.text(`${p.lineBreak}       `);
  p.put('valid_life_time', FOREVER, 'valid_lft forever ');
  p.put('preferred_life_time', FOREVER, 'preferred_lft forever');
}

function flush(call: IpCall, args: Arguments): number {
  const f = readFilter(call, args);
  if (!f.given) throw new CommandFailure('Flush requires arguments.', EXIT_FAILED);
  for (const dev of filterLinks(call, f)) flushDevice(call, dev, f);
  return 0;
}

function flushDevice(call: IpCall, dev: NetDevice, f: AddressFilter): void {
  const idev = call.netns.inDevice(dev);
  // An address takes its secondaries along: look again after each.
  for (;;) {
    const next = idev.addresses.find((a) => selected(f, a));
    if (next === undefined) return;
    dropAddress(idev, next);
  }
}
