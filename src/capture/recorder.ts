// Records the frames that pass captured devices, and the comments that belong to them, into one file or one file per
// interface. It is an Observer as far as frames are concerned: what is said of a frame while an event runs becomes a
// comment on the newest record of that frame, which is still in memory then.
//
//   device upper/lower -> CapturedHandler/CapturedTransmitter (tap.ts) -> Recorder.record -> PacketWriter -> CaptureSink
//
// A comment for a packet that has no record yet waits for the first one; a comment that finds none is counted.

import { join } from 'node:path';
import { DropReason, dropReasonName, dropReasonText } from '../base/drop-reason.ts';
import { VERSION } from '../base/version.ts';
import { DeviceKind, type LinkHost, type NetDevice } from '../link/device.ts';
import type { Frame } from '../link/frame.ts';
import * as frames from '../link/frame.ts';
import { UNIT_LARGE, UNIT_SMALL } from './block-buffer.ts';
import { matchesLabel } from './glob.ts';
import { type Direction, type NameEntry, NO_RECORD, type PacketWriter } from './packet-writer.ts';
import { PcapWriter, pcapHeader } from './pcap-writer.ts';
import { sectionHeader } from './pcapng-blocks.ts';
import { PcapngWriter } from './pcapng-writer.ts';
import { type CaptureSink, openFileSink } from './sink.ts';
import { attachTap, detachTap, type Tap } from './tap.ts';

// Constants of this module: V8 folds those into the packet path, imported bindings it does not (link/frame.ts).
const { framePacketId } = frames;

/** Comments that wait for the first record of their packet (choice); more are counted as unplaced. */
const WAITING_MAX = 1_024;

export type CaptureOutput =
  /** One file for all interfaces; `-` is standard output. */
  | { readonly kind: 'file'; readonly path: string }
  /** `<owner>.<ifname>.pcapng` for each interface, in this directory. */
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'sink'; readonly sink: CaptureSink };

export interface RecorderOptions {
  readonly host: LinkHost;
  readonly output: CaptureOutput;
  readonly format: 'pcapng' | 'pcap';
  /** Comments on the section: scenario, seed. */
  readonly comments: readonly string[];
  /** Virtual time 0, whole seconds since 1970. */
  readonly epochSeconds: number;
  /** Bytes kept of each frame; 0 keeps all. */
  readonly snapLength: number;
  /** Longest file, bytes; 0 sets no limit. */
  readonly sizeLimit: number;
  /** Patterns over `owner/ifname` (glob.ts); none captures every device that is attached. */
  readonly interfaces: readonly string[];
  /** True: existing files are replaced. */
  readonly overwrite: boolean;
  /** What messages tell people to give for that. */
  readonly overwriteFlag: string;
}

export interface CaptureSummary {
  /** Files (or the sink) in the order in which they were made. */
  readonly outputs: readonly string[];
  /** Frames recorded. */
  readonly recorded: number;
  /** Frames that passed after the size limit or a full disk. */
  readonly missed: number;
  /** Comments that found no record. */
  readonly unplacedComments: number;
  readonly limitReached: boolean;
  /** One sentence, or null when all went well. */
  readonly problem: string | null;
}

interface Attached {
  readonly dev: NetDevice;
  readonly tap: Tap;
  readonly writer: PacketWriter;
  readonly interfaceId: number;
}

export class Recorder {
  readonly wantsNotes = true;
  readonly #options: RecorderOptions;
  readonly #host: LinkHost;
  readonly #writers: PacketWriter[] = [];
  readonly #outputs: string[] = [];
  readonly #attached = new Map<NetDevice, Attached>();
  /** Names said so far: later files of a directory get them too. */
  readonly #names: NameEntry[] = [];
  // The newest record of each frame handle: its writer and ordinal there. Whether it is still the same packet the
  // writer tells by the packet id.
  readonly #recordWriter: (PacketWriter | null)[] = new Array<PacketWriter | null>(framePacketId.length).fill(null);
  readonly #recordOrdinal = new Float64Array(framePacketId.length);
  readonly #waiting = new Map<number, string[]>();
  #waitingCount = 0;
  #recorded = 0;
  #missed = 0;
  #unplaced = 0;
  #closed = false;

  /** @throws CaptureOutputError when a single file cannot be made */
  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#host = options.host;
    if (options.output.kind !== 'directory') this.#open(options.output);
  }

  /** Why nothing more is recorded on some output (one sentence), or null. */
  get problem(): string | null {
    for (const writer of this.#writers) if (writer.problem !== null) return this.#explain(writer.problem);
    return null;
  }

  /** Frames recorded so far: in a single file the number of the newest record. */
  get recorded(): number {
    return this.#recorded;
  }

  get limitReached(): boolean {
    return this.#writers.some((writer) => writer.limitReached);
  }

  /**
   * Captures the device from now on, if the filter lets it. Returns whether it does.
   * @throws CaptureOutputError when the interface's own file cannot be made
   */
  attach(dev: NetDevice): boolean {
    if (this.#attached.has(dev)) return true;
    if (this.#closed || !matchesLabel(this.#options.interfaces, dev.label)) return false;
    const { output } = this.#options;
    const writer =
      output.kind === 'directory'
        ? this.#open({ kind: 'file', path: join(output.path, this.#fileName(dev)) })
        : this.#writers[0]!;
    const interfaceId = writer.addInterface({ name: dev.label, description: describe(dev), mac: dev.mac, speed: 0 });
    this.#attached.set(dev, { dev, tap: attachTap(dev, this, writer, interfaceId), writer, interfaceId });
    return true;
  }

  detach(dev: NetDevice): void {
    const attached = this.#attached.get(dev);
    if (attached === undefined) return;
    detachTap(dev, attached.tap);
    this.#attached.delete(dev);
  }

  /** Names for addresses (pods, nodes, services), for the name resolution of whoever reads the file. */
  addNames(entries: readonly NameEntry[]): void {
    if (entries.length === 0) return;
    this.#names.push(...entries);
    for (const writer of this.#writers) writer.addNames(entries);
  }

  /** A frame passes a captured device. */
  record(writer: PacketWriter, interfaceId: number, frame: Frame, direction: Direction): void {
    const host = this.#host;
    let packetId = framePacketId[frame]!;
    if (packetId === 0) {
      packetId = host.nextPacketId();
      framePacketId[frame] = packetId;
    }
    const ordinal = writer.record(interfaceId, host.sim.now, frame, direction, packetId);
    if (ordinal === NO_RECORD) {
      this.#missed++;
      return;
    }
    this.#recorded++;
    if (this.#recordWriter[frame] !== writer) this.#recordWriter[frame] = writer;
    this.#recordOrdinal[frame] = ordinal;
    if (this.#waitingCount > 0) this.#placeWaiting(writer, ordinal, packetId);
  }

  /** Observer.drop: why the frame ended. */
  drop(frame: Frame, reason: DropReason, where: string, dev: NetDevice | null): void {
    if (reason === DropReason.NOT_DROPPED) return;
    const place = dev === null ? where : dev.label;
    const text = `dropped at ${place}: ${dropReasonName(reason)}: ${dropReasonText(reason)}`;
    if (!this.#comment(frame, dev, text)) this.#unplaced++;
  }

  /** Observer.note: a remark on the frame. */
  note(frame: Frame, text: string): void {
    if (this.#comment(frame, null, text)) return;
    if (this.#waitingCount >= WAITING_MAX) {
      this.#unplaced++;
      return;
    }
    if (framePacketId[frame] === 0) framePacketId[frame] = this.#options.host.nextPacketId();
    const packetId = framePacketId[frame]!;
    const texts = this.#waiting.get(packetId);
    if (texts === undefined) this.#waiting.set(packetId, [text]);
    else texts.push(text);
    this.#waitingCount++;
  }

  #comment(frame: Frame, dev: NetDevice | null, text: string): boolean {
    const packetId = framePacketId[frame]!;
    if (packetId === 0) return false;
    const newest = this.#recordWriter[frame] ?? null;
    if (newest?.comment(this.#recordOrdinal[frame]!, packetId, text)) return true;
    // A copy (flooding, holding) has no record under its own handle yet: its packet may have, here or anywhere.
    const here = dev === null ? undefined : this.#attached.get(dev);
    if (here !== undefined) {
      const ordinal = here.writer.find(packetId, here.interfaceId);
      if (ordinal !== NO_RECORD && here.writer.comment(ordinal, packetId, text)) return true;
    }
    // Among one file per interface there is no telling which of them saw it last.
    if (this.#writers.length !== 1) return false;
    const only = this.#writers[0]!;
    const ordinal = only.find(packetId, -1);
    return ordinal !== NO_RECORD && only.comment(ordinal, packetId, text);
  }

  #placeWaiting(writer: PacketWriter, ordinal: number, packetId: number): void {
    const texts = this.#waiting.get(packetId);
    if (texts === undefined) return;
    this.#waiting.delete(packetId);
    this.#waitingCount -= texts.length;
    for (const text of texts) if (!writer.comment(ordinal, packetId, text)) this.#unplaced++;
  }

  /** Writes out what is in memory: for a reader that looks on. To be called between events. */
  flush(): void {
    for (const writer of this.#writers) writer.flush();
  }

  /** Detaches everything, ends the files, and tells what became of it. */
  close(): CaptureSummary {
    if (!this.#closed) {
      this.#closed = true;
      for (const dev of [...this.#attached.keys()]) this.detach(dev);
      for (const writer of this.#writers) writer.close();
      this.#unplaced += this.#waitingCount;
      this.#waitingCount = 0;
      this.#waiting.clear();
    }
    return {
      outputs: this.#outputs,
      recorded: this.#recorded,
      missed: this.#missed,
      unplacedComments: this.#unplaced,
      limitReached: this.limitReached,
      problem: this.problem,
    };
  }

  #explain(problem: string): string {
    return `${problem}; recording stopped, what was written before it can be read`;
  }

  #open(output: Exclude<CaptureOutput, { kind: 'directory' }>): PacketWriter {
    const options = this.#options;
    const pcapng = options.format === 'pcapng';
    const header = pcapng ? sectionHeader(`podwire ${VERSION}`, options.comments) : pcapHeader(options.snapLength);
    const sink = output.kind === 'sink' ? output.sink : openFileSink(output.path, header, options);
    if (output.kind === 'sink') sink.write(header, 0, header.length);
    const writerOptions = {
      sink,
      written: header.length,
      epochSeconds: options.epochSeconds,
      snapLength: options.snapLength,
      sizeLimit: options.sizeLimit,
      unit: options.output.kind === 'directory' ? UNIT_SMALL : UNIT_LARGE,
    };
    const writer = pcapng ? new PcapngWriter(writerOptions) : new PcapWriter(writerOptions);
    writer.addNames(this.#names);
    this.#writers.push(writer);
    this.#outputs.push(sink.name);
    return writer;
  }

  /** `node1.cni0.pcapng`; what is unusual in a file name becomes `_`, and equal names are numbered. */
  #fileName(dev: NetDevice): string {
    const base = `${dev.owner}.${dev.name}`.replace(/[^A-Za-z0-9_.@-]/g, '_').replace(/^\./, '_');
    const { output, format } = this.#options;
    const directory = output.kind === 'directory' ? output.path : '';
    for (let n = 1; ; n++) {
      const name = n === 1 ? `${base}.${format}` : `${base}-${n}.${format}`;
      if (!this.#outputs.includes(join(directory, name))) return name;
    }
  }
}

/** What if_description says. */
function describe(dev: NetDevice): string {
  const port = dev.master === null ? '' : `, port of ${dev.master.name}`;
  const kind = dev.kind === DeviceKind.BRIDGE ? 'bridge itself (what the host sends and receives)' : dev.kind;
  return `${kind} ${dev.name} in ${dev.owner}, MTU ${dev.mtu}${port}`;
}
