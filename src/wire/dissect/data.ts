// What nobody here takes apart: the bytes themselves. Never an error (bad lengths were the outer layer's).

import { colonHex, type Dissector } from './dissection.ts';

/** Records [at, end) as a data layer; nothing when it is empty. Returns end. */
export function dissectData(d: Dissector, at: number, end: number): number {
  if (end <= at) return end;
  const r = d.layer('data', 'Data', at, end);
  if (r === null) return end;
  const stop = Math.max(at, r.capturedEnd);
  r.add('data.data', colonHex(d.bytes, at, stop));
  r.add('data.len', end - at);
  return end;
}
