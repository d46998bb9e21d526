// A TCP echo server, a thread for each connection: what one recv gives goes back with one sendall.

import type { Ipv4 } from '../addr/ipv4.ts';
import type { Errno } from '../stack/errno.ts';
import type { ProgramHost } from './program.ts';
import { osErrorText, osErrorTraceback } from './python-text.ts';
import { SPAWN_COST, TcpServer } from './tcp-server.ts';
import type { TcpStream } from './tcp-stream.ts';

const READ_SIZE = 65_536;

export interface TcpEchoOptions {
  readonly address: Ipv4;
  readonly port: number;
  readonly backlog: number;
}

export class TcpEcho extends TcpServer {
  constructor(host: ProgramHost, options: TcpEchoOptions) {
    super(host, { ...options, reuseAddress: true, spawnCost: SPAWN_COST });
  }

  protected refused(errno: Errno): void {
    this.host.err(osErrorTraceback(errno));
    this.exit(1);
  }

  protected serve(stream: TcpStream): void {
    const failed = (errno: Errno): void => {
      this.host.out(`server: ${osErrorText(errno)}\n`);
      this.hangUp(stream);
    };
    const next = (): void =>
      stream.read(READ_SIZE, 0, (result) => {
        if (typeof result === 'string') {
          if (result !== 'timeout') failed(result);
          return;
        }
        if (result.length === 0) {
          this.hangUp(stream);
          return;
        }
        stream.write(result, 0, (sent) => {
          if (sent === null) next();
          else if (sent !== 'timeout') failed(sent);
        });
      });
    next();
  }
}
