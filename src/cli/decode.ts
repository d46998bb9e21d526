// podwire decode: a capture file packet by packet, for people (one line each, --verbose with every field) or for programs
// (--json: one object a line, Wireshark's field names, tshark's value forms).

import type { Command } from 'commander';
import { usageError } from './exit.ts';
import { outputClosed, printable } from './terminal.ts';
import { parseCount } from './values.ts';

const HELP = `
Reads pcap and pcapng. What stands before a defect of the file is printed; the defect itself is named on standard
error, and the exit status is 2 then.

Examples:
  podwire decode captures/run.pcapng
  podwire decode --json captures/run.pcapng | jq -r 'select(."vxlan.vni") | ."ip.src"[1]'`;

interface DecodeOptions {
  readonly json?: true;
  readonly verbose?: true;
  readonly count?: number;
}

export function registerDecode(program: Command): void {
  program
    .command('decode')
    .description('print a capture packet by packet')
    .argument('<file>', 'capture to read (pcap or pcapng; - for standard input)')
    .option('--json', "print one JSON object a line, keyed by Wireshark's field names")
    .option('-v, --verbose', 'print every field of every layer under each line')
    .option('-c, --count <n>', 'stop after this many packets', parseCount)
    .addHelpText('after', HELP)
    .action(decode);
}

/** Output is handed on in pieces of about this many characters. Choice: one pipe buffer. */
const PIECE = 65_536;

async function decode(file: string, options: DecodeOptions): Promise<void> {
  const { CaptureOpenError, openCapture } = await import('../capture/reader.ts');
  const { LINKTYPE_ETHERNET, formatEpoch, packetDetails, packetLine, packetRecord } = await import(
    '../capture/dissection.ts'
  );
  const { dissectFrame } = await import('../wire/dissect.ts');
  const name = printable(file);
  const reader = (() => {
    try {
      return openCapture(file);
    } catch (error) {
      if (error instanceof CaptureOpenError) throw usageError(printable(error.message));
      throw error;
    }
  })();

  const pcapng = reader.format === 'pcapng';
  let text = '';
  let first: { seconds: number; nanos: number } | null = null;
  /** link types that were met and cannot be taken apart */
  const unsupported: number[] = [];
  try {
    const only = reader.format === 'pcap' ? reader.interfaces[0]?.linkType : undefined;
    if (only !== undefined && only !== LINKTYPE_ETHERNET) throw usageError(`${name}: ${notSupported([only])}`);
    let left = options.count ?? Number.POSITIVE_INFINITY;
    for (; left > 0 && !outputClosed(); left--) {
      const packet = reader.next();
      if (packet === null) break;
      const from = reader.interfaces[packet.interfaceIndex];
      const ethernet = from?.linkType === LINKTYPE_ETHERNET;
      if (!ethernet && from !== undefined && !unsupported.includes(from.linkType)) unsupported.push(from.linkType);
      const dissection = ethernet ? dissectFrame(packet.bytes, packet.length) : null;
      if (options.json === true) text += `${JSON.stringify(packetRecord(packet, from, dissection, pcapng))}\n`;
      else {
        let time = '';
        if (packet.hasTime) {
          first ??= { seconds: packet.timeSeconds, nanos: packet.timeNanos };
          const nanos = packet.timeNanos - first.nanos;
          const borrow = nanos < 0 ? 1 : 0;
          time = formatEpoch(packet.timeSeconds - first.seconds - borrow, nanos + borrow * 1_000_000_000);
        }
        text += `${printable(packetLine(packet, from, dissection, time))}\n`;
        if (options.verbose === true && dissection !== null) {
          for (const line of packetDetails(dissection)) text += `${printable(line)}\n`;
        }
      }
      if (text.length >= PIECE) {
        await print(text);
        text = '';
      }
    }
    if (text !== '') await print(text);
    if (left > 0 && reader.error !== null) throw usageError(`${name}: ${printable(reader.error.message)}`);
    if (unsupported.length > 0) throw usageError(`${name}: ${notSupported(unsupported)}`);
  } finally {
    reader.close();
  }
}

/** A pipe that is full is waited for, so that a capture of any size needs the memory of one piece. */
function print(text: string): Promise<void> {
  return new Promise((resolve) => {
    const out = process.stdout;
    if (outputClosed() || out.write(text)) {
      resolve();
      return;
    }
    const done = (): void => {
      out.off('drain', done);
      out.off('close', done);
      resolve();
    };
    out.on('drain', done);
    // The reader went away while we waited: nothing will drain.
    out.on('close', done);
  });
}

function notSupported(types: readonly number[]): string {
  return `link type ${types.join(', ')} not supported; supported: 1 (Ethernet)`;
}
