// Capture as wrappers of a device (see link/device.ts): inbound frames are recorded before what stands above the device
// sees them, outbound ones before what stands below. The device knows nothing of it.

import type { Handler, NetDevice, Transmitter, WrappingHandler, WrappingTransmitter } from '../link/device.ts';
import type { Frame } from '../link/frame.ts';
import { Direction, type PacketWriter } from './packet-writer.ts';

/** Who writes the frames down (the recorder). */
export interface FrameRecorder {
  record(writer: PacketWriter, interfaceId: number, frame: Frame, direction: Direction): void;
}

export class CapturedHandler implements WrappingHandler {
  inner: Handler;
  readonly #recorder: FrameRecorder;
  readonly #writer: PacketWriter;
  readonly #interfaceId: number;

  constructor(inner: Handler, recorder: FrameRecorder, writer: PacketWriter, interfaceId: number) {
    this.inner = inner;
    this.#recorder = recorder;
    this.#writer = writer;
    this.#interfaceId = interfaceId;
  }

  input(frame: Frame, dev: NetDevice): void {
    this.#recorder.record(this.#writer, this.#interfaceId, frame, Direction.IN);
    this.inner.input(frame, dev);
  }
}

export class CapturedTransmitter implements WrappingTransmitter {
  inner: Transmitter;
  readonly #recorder: FrameRecorder;
  readonly #writer: PacketWriter;
  readonly #interfaceId: number;

  constructor(inner: Transmitter, recorder: FrameRecorder, writer: PacketWriter, interfaceId: number) {
    this.inner = inner;
    this.#recorder = recorder;
    this.#writer = writer;
    this.#interfaceId = interfaceId;
  }

  transmit(frame: Frame, dev: NetDevice): void {
    this.#recorder.record(this.#writer, this.#interfaceId, frame, Direction.OUT);
    this.inner.transmit(frame, dev);
  }
}

/** The two wrappers of one captured device. */
export interface Tap {
  readonly handler: CapturedHandler;
  readonly transmitter: CapturedTransmitter;
}

/** Puts the wrappers nearest to the device, outside any other wrapper. */
export function attachTap(dev: NetDevice, recorder: FrameRecorder, writer: PacketWriter, interfaceId: number): Tap {
  const handler = new CapturedHandler(dev.upper, recorder, writer, interfaceId);
  const transmitter = new CapturedTransmitter(dev.lower, recorder, writer, interfaceId);
  dev.upper = handler;
  dev.lower = transmitter;
  return { handler, transmitter };
}

/** Takes them out again, wherever in the chain they stand by now. */
export function detachTap(dev: NetDevice, tap: Tap): void {
  if (dev.upper === tap.handler) dev.upper = tap.handler.inner;
  else unlink(dev.upper, tap.handler);
  if (dev.lower === tap.transmitter) dev.lower = tap.transmitter.inner;
  else unlink(dev.lower, tap.transmitter);
}

function unlink<T extends object>(first: T, wrapper: T & { inner: T }): void {
  let at: T = first;
  while ('inner' in at) {
    const holder = at as unknown as { inner: T };
    if (holder.inner === wrapper) {
      holder.inner = wrapper.inner;
      return;
    }
    at = holder.inner;
  }
}
