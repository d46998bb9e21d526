// Proves what a dissection of golden frames holds, that cut and lying headers are named at the layer where they stand with
// the layers before them kept, and that fields give back the bytes.

import { describe, expect, it } from 'vitest';
import { packetRecord } from '../../src/capture/dissection.ts';
import { encodeLayers } from '../../src/wire/dissect/encode.ts';
import { type Dissection, dissectFrame } from '../../src/wire/dissect.ts';
import { ARP_REPLY, ECHO, fromHex, TIME_EXCEEDED, toHex, UDP, VXLAN_ECHO } from './golden.ts';

/** SYN 10.244.1.2:50001 > 10.244.1.3:8080 of a Linux kernel (6.18). */
const SYN =
  '0a580af401030a580af4010208004500003c390840004006e9c70af401020af40103' +
  'c3511f907675fd4900000000a002faf052a10000020405b40402080a178074600000000001030307';

/** A data segment of the same connection, its payload cut to 16 bytes and its lengths and checksums made anew. */
const SEGMENT =
  '0a580af401030a580af40102080045000044390a40004006e9bd0af401020af40103' +
  'c3511f907675fd4a4404f9d2801801f6893a00000101080a17807460934eb408' +
  '474554202f736d616c6c2e7478742048';

/** UDP 2001:db8::1:40000 > 2001:db8::2:9000, four bytes, behind hop-by-hop options (router alert) and a whole fragment. */
const UDP6 =
  '0a580af401030a580af40102' +
  '86dd' +
  '6b812345001c0040' +
  '20010db8000000000000000000000001' +
  '20010db8000000000000000000000002' +
  '2c00050200000100' +
  '1100000012345678' +
  '9c402328000c475b' +
  'deadbeef';

/** IGMPv3 report of one group, and a query with one source: made from RFC 3376 sections 4.1 and 4.2, checksums whole. */
const IGMP_REPORT =
  '01005e000016525400000101080046c00028000040000102f9f70a010001e0000016940400002200e8f90000000104000000ef010203';
const IGMP_QUERY =
  '01005e000016525400000101080046c00028000040000102f9f70a010001e00000169404000011fee17e00000000027d00010a000005';

function names(d: Dissection): string {
  return d.layers.map((l) => l.name).join(' ');
}

function record(d: Dissection): ReturnType<typeof packetRecord> {
  const nothing = new Uint8Array(0);
  const packet = { number: 1, interfaceIndex: 0, hasTime: false, timeSeconds: 0, timeNanos: 0, length: 0 };
  return packetRecord({ ...packet, bytes: nothing, direction: 0, packetId: null, comments: [] }, undefined, d);
}

describe('dissectFrame', () => {
  it('takes a VXLAN frame apart to the echo request inside, outer fields first', () => {
    const d = dissectFrame(fromHex(VXLAN_ECHO));
    expect(names(d)).toBe('eth ip udp vxlan eth ip icmp data');
    expect(d.protocols).toBe('eth:ethertype:ip:udp:vxlan:eth:ethertype:ip:icmp:data');
    expect(d.malformed).toBeNull();
    expect(record(d)).toMatchObject({
      'eth.src': ['52:54:00:00:01:01', '5e:00:00:00:00:01'],
      'ip.src': ['10.0.1.1', '10.244.1.2'],
      'ip.flags.df': ['0', '1'],
      'ip.checksum.status': ['1', '1'],
      'udp.dstport': '8472',
      'udp.checksum.status': '1',
      'vxlan.flags': '0x0800',
      'vxlan.vni': '1',
      'icmp.type': '8',
      'icmp.ident': '213',
      'icmp.ident_le': '54528',
      'icmp.seq': '1',
      'data.len': '56',
    });
  });

  it('gives the fields and options of TCP, numbers as they are on the wire', () => {
    const d = dissectFrame(fromHex(SYN));
    expect(d.protocols).toBe('eth:ethertype:ip:tcp');
    expect(d.malformed).toBeNull();
    expect(d.layers.at(-1)!.info).toBe('50001 > 8080 [S] seq 1987444041 win 64240 length 0');
    expect(record(d)).toMatchObject({
      'tcp.srcport': '50001',
      'tcp.dstport': '8080',
      'tcp.seq_raw': '1987444041',
      'tcp.ack_raw': '0',
      'tcp.hdr_len': '40',
      'tcp.flags': '0x0002',
      'tcp.flags.syn': '1',
      'tcp.flags.ack': '0',
      'tcp.window_size_value': '64240',
      'tcp.checksum': '0x52a1',
      'tcp.checksum.status': '1',
      'tcp.len': '0',
      'tcp.options.mss_val': '1460',
      'tcp.options.sack_perm': '04:02',
      'tcp.options.timestamp.tsval': '394294368',
      'tcp.options.timestamp.tsecr': '0',
      'tcp.options.wscale.shift': '7',
    });
    const data = dissectFrame(fromHex(SEGMENT));
    expect(names(data)).toBe('eth ip tcp data');
    expect(data.malformed).toBeNull();
    expect(record(data)).toMatchObject({ 'tcp.len': '16', 'tcp.flags': '0x0018', 'data.len': '16' });
  });

  it('gives the fields of IPv6 and its extension headers, and verifies over its pseudo-header', () => {
    const d = dissectFrame(fromHex(UDP6));
    expect(d.protocols).toBe('eth:ethertype:ipv6:ipv6.hopopts:ipv6.fraghdr:udp:data');
    expect(d.malformed).toBeNull();
    expect(record(d)).toMatchObject({
      'ipv6.version': '6',
      'ipv6.tclass': '0x000000b8',
      'ipv6.tclass.dscp': '46',
      'ipv6.flow': '0x012345',
      'ipv6.plen': '28',
      'ipv6.nxt': '0',
      'ipv6.hlim': '64',
      'ipv6.src': '2001:db8::1',
      'ipv6.dst': '2001:db8::2',
      'ipv6.hopopts.nxt': '44',
      'ipv6.opt.type': ['0x05', '0x01'],
      'ipv6.opt.router_alert': '0',
      'ipv6.fraghdr.offset': '0',
      'ipv6.fraghdr.more': '0',
      'ipv6.fraghdr.ident': '0x12345678',
      'udp.checksum.status': '1',
    });
  });

  it('gives the groups of IGMP', () => {
    const report = dissectFrame(fromHex(IGMP_REPORT));
    expect(report.malformed).toBeNull();
    expect(report.protocols).toBe('eth:ethertype:ip:igmp:igmp');
    expect(report.layers.at(-1)!.info).toBe('membership report v3 239.1.2.3');
    expect(record(report)).toMatchObject({
      'igmp.version': '3',
      'igmp.type': '0x22',
      'igmp.checksum.status': '1',
      'igmp.num_grp_recs': '1',
      'igmp.record_type': '4',
      'igmp.maddr': '239.1.2.3',
    });
    // A response code from 128 on has an exponent.
    expect(record(dissectFrame(fromHex(IGMP_QUERY)))).toMatchObject({
      'igmp.max_resp': '30720',
      'igmp.qrv': '2',
      'igmp.qqic': '125',
      'igmp.saddr': '10.0.0.5',
    });
    // More records than there are bytes.
    const lying = fromHex(IGMP_REPORT);
    lying[45] = 9;
    expect(dissectFrame(lying).malformed?.layer).toBe('igmp');
  });

  it('shows the packet that an ICMP error quotes as further layers, their checksums unverified', () => {
    const d = dissectFrame(fromHex(TIME_EXCEEDED));
    expect(d.layers.map((l) => (l.quoted ? `(${l.name})` : l.name)).join(' ')).toBe('eth ip icmp (ip) (icmp) (data)');
    expect(record(d)).toMatchObject({
      'ip.ttl': ['64', '1'],
      'icmp.type': ['11', '8'],
      'icmp.checksum.status': ['1', '2'],
      'icmp.unused': '00:00:00:00',
    });
  });

  it('gives ARP addresses by the names of their kind', () => {
    expect(record(dissectFrame(fromHex(ARP_REPLY)))).toMatchObject({
      'arp.opcode': '2',
      'arp.src.hw_mac': '52:54:00:00:01:02',
      'arp.dst.proto_ipv4': '10.0.1.1',
    });
    // Hardware addresses of two bytes (ARCNET has one, nobody two): octets then.
    const odd = dissectFrame(fromHex(`${ARP_REPLY.slice(0, 28)}0007080002040001aabb0a000001ccdd0a000002`));
    expect(odd.malformed).toBeNull();
    expect(record(odd)).toMatchObject({
      'arp.src.hw': 'aa:bb',
      'arp.dst.hw': 'cc:dd',
      'arp.dst.proto_ipv4': '10.0.0.2',
    });
  });

  it('calls what it does not know data, never an error', () => {
    for (const type of ['88b5', '8847', '0600']) {
      const d = dissectFrame(fromHex(`${ECHO.slice(0, 24)}${type}00112233`));
      expect(names(d)).toBe('eth data');
      expect(d.malformed).toBeNull();
    }
  });

  it('reads padding and a trailer behind the payload', () => {
    const padded = dissectFrame(fromHex(ARP_REPLY + '00'.repeat(18)));
    expect(record(padded)['eth.padding']).toBe(Array.from({ length: 18 }, () => '00').join(':'));
    const trailed = dissectFrame(fromHex(`${ECHO}deadbeef01020304`));
    expect(record(trailed)).toMatchObject({ 'eth.trailer': 'de:ad:be:ef', 'eth.fcs': '0x01020304' });
  });
});

/** The echo frame with bytes of the IPv4 header replaced: offset in the frame and value. */
function broken(...changes: readonly (readonly [number, number])[]): Dissection {
  const bytes = fromHex(ECHO);
  for (const [at, value] of changes) bytes[at] = value;
  return dissectFrame(bytes);
}

describe('a header that lies', () => {
  it('is named at its layer, and the layers before it stay', () => {
    const cases: [string, Dissection, string][] = [
      ['IPv4 version 5', broken([14, 0x55]), 'eth ip'],
      ['IPv4 header length 16', broken([14, 0x44]), 'eth ip'],
      ['total length below the header', broken([16, 0], [17, 19]), 'eth ip'],
      ['header longer than the packet', dissectFrame(fromHex(ECHO.slice(0, 68)).fill(0x4f, 14, 15)), 'eth ip'],
      ['total length beyond the frame', broken([16, 1]), 'eth ip icmp data'],
      ['header checksum', broken([24, 0]), 'eth ip icmp data'],
    ];
    for (const [what, d, layers] of cases) {
      expect(d.malformed?.layer, what).toBe('ip');
      expect(names(d), what).toBe(layers);
      expect(d.layers[0]!.fields.map((f) => f.name)).toContain('eth.dst');
    }
  });

  it('in UDP is named there', () => {
    for (const [length, sound] of [
      [0, false],
      [7, false],
      [9, false],
    ] as const) {
      const bytes = fromHex(UDP);
      bytes[39] = length;
      // No checksum, so that only the length speaks.
      bytes[40] = bytes[41] = 0;
      expect(dissectFrame(bytes).malformed === null, `length ${length}`).toBe(sound);
      expect(dissectFrame(bytes).malformed?.layer).toBe('udp');
    }
  });

  it('in TCP is named there: header length, checksum, options', () => {
    const cases: [string, readonly (readonly [number, number])[]][] = [
      ['header length 4', [[46, 0x10]]],
      ['header longer than the segment', [[46, 0xb0]]],
      ['checksum', [[50, 0]]],
      ['option length 0', [[55, 0]]],
      ['option length 1', [[59, 1]]],
      ['option beyond the header', [[73, 9]]],
      ['SACK without a block', [[58, 5]]],
    ];
    for (const [what, changes] of cases) {
      const bytes = fromHex(SYN);
      for (const [at, value] of changes) bytes[at] = value;
      const d = dissectFrame(bytes);
      expect(d.malformed?.layer, what).toBe('tcp');
      expect(names(d), what).toMatch(/^eth ip tcp/);
    }
  });

  it('in IPv6 is named there: version, order, options, an endless chain, no checksum of UDP', () => {
    const broken6 = (...changes: readonly (readonly [number, number])[]): Dissection => {
      const bytes = fromHex(UDP6);
      for (const [at, value] of changes) bytes[at] = value;
      return dissectFrame(bytes);
    };
    expect(broken6([14, 0x5b]).malformed?.layer).toBe('ipv6');
    expect(broken6([20, 44], [54, 0], [56, 0], [57, 0]).malformed?.layer).toBe('ipv6.hopopts');
    expect(broken6([61, 9]).malformed?.layer).toBe('ipv6.hopopts');
    expect(broken6([55, 200]).malformed?.layer).toBe('ipv6.hopopts');
    expect(broken6([76, 0], [77, 0]).malformed).toEqual({ layer: 'udp', message: 'no checksum over IPv6' });
    // Payload length 0 without the option of RFC 2675: nothing is read behind the header.
    const jumbo = broken6([18, 0], [19, 0]);
    expect(jumbo.malformed?.layer).toBe('ipv6');
    // A hundred destination options.
    const chain = fromHex(`${UDP6.slice(0, 36)}0320${'3c'}${UDP6.slice(42, 108)}${'3c00010400000000'.repeat(100)}`);
    const d = dissectFrame(chain);
    expect(d.malformed).toEqual({ layer: 'ipv6', message: 'too many extension headers (limit 16)' });
    expect(d.layers.filter((l) => l.name === 'ipv6.dstopts')).toHaveLength(16);
  });

  it('with total length 0 is a segmentation-offload frame: the rest of the frame is the packet', () => {
    const d = broken([16, 0], [17, 0], [24, 0x8a], [25, 0xc8]);
    expect(d.malformed).toBeNull();
    expect(record(d)['ip.len']).toBe('84');
    expect(toHex(encodeLayers(d.layers)).slice(32, 36)).toBe('0000');
  });
});

describe('a frame cut at any length', () => {
  for (const [what, frame] of Object.entries({
    ARP_REPLY,
    ECHO,
    UDP,
    SYN,
    SEGMENT,
    UDP6,
    IGMP_REPORT,
    IGMP_QUERY,
    VXLAN_ECHO,
    TIME_EXCEEDED,
  })) {
    it(`by the snap length is truncated, not malformed: ${what}`, () => {
      const bytes = fromHex(frame);
      const whole = dissectFrame(bytes);
      for (let end = 0; end < bytes.length; end++) {
        const d = dissectFrame(bytes.subarray(0, end), bytes.length);
        expect(d.malformed, `${end} bytes`).toBeNull();
        // What is there is what the whole frame has there.
        const known = d.layers.filter((l) => l.name !== 'data').map((l) => l.name);
        expect(whole.layers.map((l) => l.name).slice(0, known.length)).toEqual(known);
      }
    });

    it(`before it was sent has lengths that lie, or a header too short: ${what}`, () => {
      const bytes = fromHex(frame);
      for (let end = 0; end < bytes.length; end++) {
        expect(dissectFrame(bytes.subarray(0, end)).malformed, `${end} bytes`).not.toBeNull();
      }
    });
  }
});

describe('encodeLayers', () => {
  it.for([
    ['ARP', ARP_REPLY],
    ['ARP with padding', ARP_REPLY + '00'.repeat(18)],
    ['echo with a trailer', `${ECHO}deadbeef01020304`],
    ['UDP', UDP],
    ['TCP SYN', SYN],
    ['UDP over IPv6', UDP6],
    ['IGMP report', IGMP_REPORT],
    ['IGMP query', IGMP_QUERY],
    ['TCP data', SEGMENT],
    ['VXLAN', VXLAN_ECHO],
    ['ICMP error', TIME_EXCEEDED],
    ['QinQ', `${ECHO.slice(0, 24)}88a8b06481006fff${ECHO.slice(24)}`],
    ['two service tags', `${ECHO.slice(0, 24)}88a8b06488a86fff${ECHO.slice(24)}`],
    ['STP', '0180c200000052540000000100264242030000000000800052540000000100000000800052540000000180010000140002000f00'],
  ])('gives back the bytes of %s', ([, text]) => {
    const d = dissectFrame(fromHex(text!));
    expect(d.malformed).toBeNull();
    expect(toHex(encodeLayers(d.layers))).toBe(text);
  });
});
