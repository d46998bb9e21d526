// Dissection of logical link control behind an 802.3 length (IEEE 802.2) and of SNAP (RFC 1042).

import { dissectData } from './data.ts';
import { type Dissector, hex8, hex16 } from './dissection.ts';

/** Organisation whose protocol identifiers have a name of their own in tshark. */
const OUI_CISCO = 0x00000c;
/** Unnumbered information: the control field of datagrams (IEEE 802.2 section 5.4.1). */
const CONTROL_UI = 3;
/** Service access point of SNAP (RFC 1042). */
const SAP_SNAP = 0xaa;

/** Reads [at, end); with SNAP what its EtherType names follows. */
export function dissectLlc(d: Dissector, at: number, end: number): void {
  const r = d.layer('llc', 'Logical-Link Control', at, end);
  if (r === null) return;
  const dsap = r.u8('llc.dsap', hex8);
  const ssap = r.u8('llc.ssap', hex8);
  if (!r.need(1)) return;
  // Unnumbered control fields (low bits 11) take one byte, the others two (IEEE 802.2 section 5.2).
  const low = d.view.getUint8(r.at);
  const unnumbered = (low & 3) === 3;
  if (unnumbered) {
    r.at++;
    r.add('llc.control', hex16(low));
  } else if (r.need(2)) {
    r.add('llc.control', hex16(d.view.getUint16(r.at, true)));
    r.at += 2;
  } else return;
  r.layer.info = `LLC ${hex8(dsap)} > ${hex8(ssap)}`;
  if (low === CONTROL_UI && dsap === SAP_SNAP && ssap === SAP_SNAP) {
    const oui = r.u24('llc.oui');
    if (!r.ok) return;
    // Organisation 0 and the bridge-tunnel 0x0000f8 carry EtherTypes (RFC 1042, IEEE 802.1H).
    if (oui === 0 || oui === 0xf8) {
      const type = r.u16('llc.type', hex16);
      if (!r.ok) return;
      const next = d.tables.etherTypes.get(type);
      if (next !== undefined) {
        const inner = next(d, r.at, end);
        if (inner < end) r.layer.rest = d.hex(inner, end);
      } else dissectData(d, r.at, end);
      return;
    }
    r.u16(oui === OUI_CISCO ? 'llc.cisco_pid' : 'llc.pid', hex16);
    if (!r.ok) return;
  }
  dissectData(d, r.at, end);
}
