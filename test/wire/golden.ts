// Frames that a Linux kernel (6.18) sent, as hex: from our own captures of two pods on two nodes.

/** UDP 10.244.1.2:40000 > 10.244.1.3:9000 without payload; its checksum is whole. */
export const UDP =
  '0a580af401030a580af40102' + '0800' + '4500001cf36c400040112f780af401020af40103' + '9c40232800082889';

/** 10.0.1.1 asks for 10.0.1.2. */
export const ARP_REQUEST =
  'ffffffffffff525400000101' + '0806' + '0001080006040001' + '5254000001010a000101' + '0000000000000a000102';

export const ARP_REPLY =
  '525400000101525400000102' + '0806' + '0001080006040002' + '5254000001020a000102' + '5254000001010a000101';

const ECHO_DATA =
  '2e036b0000000072a6020000000000101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637';

/** Echo request 10.244.1.2 > 10.244.2.2, identifier 213, sequence 1. */
export const ECHO =
  '0a580af401010a580af40102' +
  '0800' +
  '450000549749400040018a740af401020af40202' +
  '08004b1700d50001' +
  `75${ECHO_DATA}`;

/** The same request on its way between the nodes: VNI 1, port 8472. */
export const VXLAN_ECHO =
  '525400000102525400000101' +
  '0800' +
  '45000086acc500004011b79f0a0001010a000102' +
  'c1352118007239b6' +
  '0800000000000100' +
  '5e00000000025e0000000001' +
  '0800' +
  '4500005497494000' +
  '3f018b740af401020af40202' +
  '08004b1700d50001' +
  `75${ECHO_DATA}`;

/** Time exceeded from the router 10.244.1.1, quoting an echo request whole. */
export const TIME_EXCEEDED =
  '0a580af401020a580af40101' +
  '0800' +
  '45c00070a17000004001c0720af401010af40102' +
  '0b00f4ff00000000' +
  '45000054fee24000010161db0af401020af40202' +
  '0800583500f50001962c036b000000003c6a0a0000000000101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f' +
  '3031323334353637';

export function fromHex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'));
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A buffer full of 0xa5: a byte that write() forgets shows. */
export function dirty(length: number): Uint8Array {
  return new Uint8Array(length).fill(0xa5);
}
