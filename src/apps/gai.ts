// gai.py, the small program of the reference stimuli: getaddrinfo(NAME, 443, type=SOCK_STREAM) without AI_ADDRCONFIG, so
// A and AAAA are both asked for, printed as Python prints the list.

import { Program, type ProgramHost } from './program.ts';
import { type Cancel, GAI_TEXT, GaiError, getAddresses } from './resolve.ts';

const PORT = 443;

export class Gai extends Program {
  readonly #name: string;
  #cancel: Cancel | null = null;

  constructor(host: ProgramHost, name: string) {
    super(host);
    this.#name = name;
  }

  protected begin(): void {
    const question = { name: this.#name, family: 'unspec', addressConfigured: false } as const;
    this.#cancel = getAddresses(this.host, question, (result) => {
      if ('error' in result) {
        this.host.out(`getaddrinfo: [Errno ${GaiError[result.error]}] ${GAI_TEXT[result.error]}\n`);
      } else {
        const entries = result.addresses.map(({ ipv4, text }) => {
          const family = ipv4 === null ? '<AddressFamily.AF_INET6: 10>' : '<AddressFamily.AF_INET: 2>';
          const address = ipv4 === null ? `('${text}', ${PORT}, 0, 0)` : `('${text}', ${PORT})`;
          return `(${family}, <SocketKind.SOCK_STREAM: 1>, 6, '', ${address})`;
        });
        this.host.out(`[${entries.join(', ')}]\n`);
      }
      this.exit(0);
    });
  }

  protected release(): void {
    this.#cancel?.();
  }
}
