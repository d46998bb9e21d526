// agnhost netexec, the web server of Kubernetes' own tests: says which pod answered and who asked.

import type { Ipv4 } from '../../addr/ipv4.ts';
import type { ProgramHost } from '../program.ts';
import { GO_NOT_FOUND, type GoAnswer, GoHttpServer } from './go-http-server.ts';
import type { HttpRequestHead } from './http-message.ts';

export interface NetexecOptions {
  readonly address: Ipv4;
  readonly port: number;
  readonly hostname: string;
}

export class Netexec extends GoHttpServer {
  readonly #hostname: string;

  constructor(host: ProgramHost, { address, port, hostname }: NetexecOptions) {
    super(host, address, port);
    this.#hostname = hostname;
  }

  protected answer(head: HttpRequestHead, peer: string): GoAnswer {
    const url = parseTarget(head.target);
    const ok = (text: string): GoAnswer => ({ status: 200, text, fields: [] });
    switch (url?.pathname) {
      case '/':
        return ok(`NOW: ${new Date(this.nowMs).toISOString()}`);
      case '/hostname':
      case '/hostName':
        return ok(this.#hostname);
      case '/clientip':
        return ok(peer);
      case '/echo':
        return ok(url.searchParams.get('msg') ?? '');
      case '/healthz':
        return ok('');
      default:
        return GO_NOT_FOUND;
    }
  }
}

function parseTarget(target: string): URL | null {
  try {
    return new URL(target, 'http://netexec');
  } catch {
    return null;
  }
}
