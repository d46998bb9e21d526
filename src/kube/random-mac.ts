// MAC addresses of devices that nobody gave one: as the kernel's eth_random_addr(), but from a seeded stream, one per
// device name, so that one more device does not change the others' addresses.

import { type Mac, macOf } from '../addr/mac.ts';
import type { World } from '../stack/world.ts';

/** A unicast, locally administered address for the device of this label. */
export function randomMac(world: World, label: string): Mac {
  const rng = world.rng(`mac/${label}`);
  const hi = (rng.u32() & 0xffff & 0xfeff) | 0x0200;
  return macOf(hi, rng.u32() | 0);
}

/** `bits` / 4 lower-case hex digits. */
export function randomHex(world: World, stream: string, digits: number): string {
  const rng = world.rng(stream);
  let text = '';
  while (text.length < digits) text += rng.u32().toString(16).padStart(8, '0');
  return text.slice(0, digits);
}
