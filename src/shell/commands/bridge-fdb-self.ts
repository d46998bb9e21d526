// Unicast addresses that a plain device was told to listen to beside its own (dev->uc, `bridge fdb add MAC dev X self`).
// They are kept and shown. On a veth they change nothing: it hands every frame to its namespace, which looks at the
// destination itself.

import type { Mac } from '../../addr/mac.ts';
import type { NetDevice } from '../../link/device.ts';

const unicast = new WeakMap<NetDevice, Mac[]>();

/** The device's list, newest last; the caller may change it. */
export function extraMacs(dev: NetDevice): Mac[] {
  let list = unicast.get(dev);
  if (list === undefined) {
    list = [];
    unicast.set(dev, list);
  }
  return list;
}
