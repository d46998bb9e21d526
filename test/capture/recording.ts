// A recorder for tests: into memory unless told otherwise, nothing left out.

import { sectionHeader } from '../../src/capture/pcapng-blocks.ts';
import { PcapngWriter } from '../../src/capture/pcapng-writer.ts';
import { Recorder, type RecorderOptions } from '../../src/capture/recorder.ts';
import type { CaptureSink } from '../../src/capture/sink.ts';
import { MemorySink } from '../../src/capture/sink.ts';
import type { LinkHost } from '../../src/link/device.ts';

/** 2024-01-01T00:00:00Z */
export const EPOCH = 1_704_067_200;

export function recorder(host: LinkHost, options: Partial<RecorderOptions> = {}): Recorder {
  return new Recorder({
    host,
    output: { kind: 'sink', sink: new MemorySink() },
    format: 'pcapng',
    comments: [],
    epochSeconds: EPOCH,
    snapLength: 0,
    sizeLimit: 0,
    interfaces: [],
    overwrite: false,
    overwriteFlag: '--force',
    ...options,
  });
}

/** A writer behind its section header, with one interface (id 0). */
export function writer(
  sink: CaptureSink,
  more: { sizeLimit?: number; snapLength?: number; unit?: number } = {},
): PcapngWriter {
  const header = sectionHeader('podwire test', []);
  sink.write(header, 0, header.length);
  const w = new PcapngWriter({
    sink,
    written: header.length,
    epochSeconds: EPOCH,
    snapLength: more.snapLength ?? 0,
    sizeLimit: more.sizeLimit ?? 0,
    unit: more.unit ?? 1 << 20,
  });
  w.addInterface({ name: 'node1/eth0', description: '', mac: null, speed: 0 });
  return w;
}
