// What `bridge fdb add|append|replace|del|show` does to a bridge (br_fdb_add, br_fdb_delete, br_fdb_dump): the rules of
// net/bridge/br_fdb.c for entries that people make. Results are the kernel's error numbers by name.

import { type Mac, macHi, macLo } from '../addr/mac.ts';
import { MISSING } from '../base/int-table.ts';
import { jiffiesAt } from '../sim/jiffies.ts';
import type { Bridge } from './bridge.ts';
import { type BridgePort, PortState } from './bridge-port.ts';
import { type FdbEntry, FdbFlag } from './fdb.ts';

export type FdbResult = 'ok' | 'EINVAL' | 'EPERM' | 'EEXIST' | 'ENOENT' | 'ENOMEM';

export interface FdbAddition {
  readonly mac: Mac;
  /** null: the bridge itself (`dev br0 self`) */
  readonly port: BridgePort | null;
  /** NUD_PERMANENT (`local`, the default of the command), NUD_NOARP (`static`), NUD_REACHABLE (`dynamic`) */
  readonly state: 'permanent' | 'static' | 'dynamic';
  readonly sticky: boolean;
  /** NTF_USE: as if a frame from this MAC had come in at the port */
  readonly use: boolean;
  /** add refuses an entry that is there; replace and append take it over; change wants one to be there */
  readonly mode: 'add' | 'replace' | 'append' | 'change';
}

const STATE_FLAGS = {
  permanent: FdbFlag.LOCAL | FdbFlag.STATIC,
  static: FdbFlag.STATIC,
  dynamic: 0,
} as const;

/** fdb_add_entry() */
export function fdbAdd(bridge: Bridge, addition: FdbAddition): FdbResult {
  const { mac, port, state, sticky, mode } = addition;
  if (mac === 0) return 'EINVAL';
  const learns = port?.state === PortState.FORWARDING || port?.state === PortState.LEARNING;
  if (addition.use) {
    if (port === null) return 'EINVAL';
    if (learns) useEntry(bridge, mac, port);
    return 'ok';
  }
  if (port !== null && state === 'dynamic' && !learns) return 'EPERM';
  if (port === null && state !== 'permanent') return 'EINVAL';
  if (sticky && state === 'permanent') return 'EINVAL';
  const fdb = bridge.fdb;
  const portNo = port?.portNo ?? 0;
  const now = jiffiesAt(bridge.dev.host.sim.now);
  let modified = false;
  let slot = fdb.findMac(mac);
  if (slot === MISSING) {
    if (mode === 'change') return 'ENOENT';
    slot = fdb.create(macHi(mac), macLo(mac), { port: portNo, flags: FdbFlag.ADDED_BY_USER, now });
    if (slot === MISSING) return 'ENOMEM';
    modified = true;
  } else {
    if (mode === 'add') return 'EEXIST';
    if (fdb.port[slot] !== portNo) {
      fdb.port[slot] = portNo;
      modified = true;
    }
    fdb.takeByUser(slot);
  }
  const wanted = STATE_FLAGS[state] | (sticky ? FdbFlag.STICKY : 0);
  const mask = FdbFlag.LOCAL | FdbFlag.STATIC | FdbFlag.STICKY;
  if ((fdb.flags[slot]! & mask) !== wanted) {
    fdb.flags[slot] = (fdb.flags[slot]! & ~mask) | wanted;
    modified = true;
  }
  fdb.used[slot] = now;
  if (modified) fdb.updated[slot] = now;
  return 'ok';
}

/** br_fdb_update() with BR_FDB_ADDED_BY_USER */
function useEntry(bridge: Bridge, mac: Mac, port: BridgePort): void {
  if (bridge.ageingTime === 0) return;
  const fdb = bridge.fdb;
  const now = jiffiesAt(bridge.dev.host.sim.now);
  const slot = fdb.findMac(mac);
  if (slot === MISSING) {
    fdb.create(macHi(mac), macLo(mac), { port: port.portNo, flags: FdbFlag.ADDED_BY_USER, now });
    return;
  }
  if (fdb.flags[slot]! & FdbFlag.LOCAL) return;
  fdb.updated[slot] = now;
  if (!(fdb.flags[slot]! & FdbFlag.STICKY)) fdb.port[slot] = port.portNo;
  fdb.takeByUser(slot);
}

/** fdb_delete_by_addr_and_port() */
export function fdbDelete(bridge: Bridge, mac: Mac, port: BridgePort | null): FdbResult {
  const slot = bridge.fdb.findMac(mac);
  if (slot === MISSING || bridge.fdb.port[slot] !== (port?.portNo ?? 0)) return 'ENOENT';
  bridge.fdb.delete(slot);
  return 'ok';
}

export function fdbEntries(bridge: Bridge, port: BridgePort | null): FdbEntry[] {
  const portNo = port?.portNo ?? 0;
  const entries: FdbEntry[] = [];
  bridge.fdb.forEach((slot) => {
    if (bridge.fdb.port[slot] === portNo) entries.push(bridge.fdb.entry(slot));
  });
  return entries;
}
