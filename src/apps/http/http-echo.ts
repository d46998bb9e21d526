// hashicorp/http-echo: answers every request with one text.

import type { Ipv4 } from '../../addr/ipv4.ts';
import type { ProgramHost } from '../program.ts';
import { type GoAnswer, GoHttpServer } from './go-http-server.ts';

export interface HttpEchoOptions {
  readonly address: Ipv4;
  readonly port: number;
  readonly text: string;
}

export class HttpEcho extends GoHttpServer {
  readonly #text: string;

  constructor(host: ProgramHost, { address, port, text }: HttpEchoOptions) {
    super(host, address, port);
    this.#text = `${text}\n`;
  }

  protected answer(): GoAnswer {
    const fields: [string, string][] = [
      ['X-App-Name', 'http-echo'],
      ['X-App-Version', '1.0.0'],
    ];
    return { status: 200, text: this.#text, fields };
  }
}
