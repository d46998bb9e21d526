// httpd.py: the smallest web server of the reference stimuli. It reads up to the empty line of the request, answers with one
// send that says its name, and closes.

import type { Ns } from '../../sim/sim.ts';
import type { Errno } from '../../stack/errno.ts';
import type { ProgramHost } from '../program.ts';
import { osErrorTraceback } from '../python-text.ts';
import { SPAWN_COST, TcpServer } from '../tcp-server.ts';
import type { TcpStream } from '../tcp-stream.ts';
import { concat, latin1, writeHead } from './http-message.ts';

const BACKLOG = 64;
const READ_SIZE = 65_536;
const END_OF_HEAD = '\r\n\r\n';
/**
 * From the answer to shutdown and close. Origin: golden cases 10a to 10g, where the FIN follows the answer after 34 us at the
 * least and 60 us as a rule, behind its acknowledgement on a short way.
 */
const CLOSE_COST: Ns = 40_000;
/** Choice: the script itself has no limit. */
const HEAD_MAX = 1024 * 1024;

export interface HttpdOptions {
  readonly port: number;
  readonly body: Uint8Array;
}

export class Httpd extends TcpServer {
  readonly #answer: Uint8Array;

  constructor(host: ProgramHost, { port, body }: HttpdOptions) {
    super(host, { address: 0, port, backlog: BACKLOG, reuseAddress: true, spawnCost: SPAWN_COST });
    const fields: [string, string][] = [
      ['Content-Type', 'text/plain'],
      ['Content-Length', String(body.length)],
    ];
    this.#answer = concat(writeHead('HTTP/1.0 200 OK', fields), body);
  }

  protected refused(errno: Errno): void {
    this.host.err(osErrorTraceback(errno));
    this.exit(1);
  }

  protected serve(stream: TcpStream): void {
    const wanted = latin1(END_OF_HEAD);
    let length = 0;
    let matched = 0;
    const answer = (): void => stream.write(this.#answer, 0, () => this.after(CLOSE_COST, () => this.hangUp(stream)));
    const read = (): void =>
      stream.read(READ_SIZE, 0, (result) => {
        if (typeof result === 'string') {
          this.hangUp(stream);
          return;
        }
        for (let i = 0; i < result.length && matched < wanted.length; i++) {
          const byte = result[i]!;
          if (byte === wanted[matched]) matched++;
          else matched = byte === wanted[0] ? 1 : 0;
        }
        length += result.length;
        if (matched === wanted.length || result.length === 0 || length > HEAD_MAX) answer();
        else read();
      });
    read();
  }
}
